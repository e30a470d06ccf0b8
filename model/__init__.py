"""Everything about a clip itself: recipe, engines, dressing, encoding, inspection. Knows no broker, no store."""
