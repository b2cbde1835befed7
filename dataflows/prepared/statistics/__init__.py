"""Spatial and temporal statistics of PV: hot spots, clustering, decomposed time series."""
