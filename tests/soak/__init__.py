"""The soak: the service on real servers under a nemesis, and a checker that recomputes what must exist."""
