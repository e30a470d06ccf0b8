"""The Wan 2.2 5B engine: words and a photo to a clip on one GPU. Only `runtime` and below import torch."""
