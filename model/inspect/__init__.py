"""The inspection ladder: cheap checks first, each a pure function of frames or bytes."""
