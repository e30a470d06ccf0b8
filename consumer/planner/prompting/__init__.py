"""The parts ``planner/prompts.py`` is made of: clean text, brands, word tables, templates; and wording rules."""
