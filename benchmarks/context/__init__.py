"""Areas of points: our join against others, what it finds against what sources say: ``python -m benchmarks.context``."""
