"""Catalog events become plans: projection, recipes, prompts and clip requests. No engine, no store."""
