"""Benchmarks: ratios measured side by side in one run on one broker (`python -m tests.bench --help`, `make bench`)."""
