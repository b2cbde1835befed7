"""Measurements of the lakehouse against what people use otherwise; ``python -m benchmarks.ingest``, ``python -m benchmarks.build``."""
