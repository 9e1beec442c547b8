"""Measure speed and size: `python -m tests.benchmarks`."""
