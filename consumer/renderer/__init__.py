"""Clip requests become clips: look-ups, rendering, dressing, storing and announcing. No catalog, no SQL."""
