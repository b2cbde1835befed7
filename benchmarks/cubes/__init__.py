"""Cubes against the readers that others use, and against what cannot be avoided: ``python -m benchmarks.cubes``."""
