"""Measurements: ``python -m benchmarks.ingest`` against GeoPandas, ``python -m benchmarks.build`` of the dbt layers."""
