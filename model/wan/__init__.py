"""The Wan 2.2 5B engine: words and a photo to a clip on one GPU. What a planner asks it for imports no torch."""
