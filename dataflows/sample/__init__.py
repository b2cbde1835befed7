"""The sample world: a generated island with known PV sites, as seven published datasets would show it, faults included."""

from dataflows.sample.generation import DatasetCounts, SampleWorld, generate

__all__ = ["DatasetCounts", "SampleWorld", "generate"]
