"""Shipped benchmarks of the tau_infer workflow: ``python -m invarlock.tau.benchmark --help``."""
