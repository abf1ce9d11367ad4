"""Benchmarks: `python -m bench` measures ratios against peers in one run, on one broker."""
