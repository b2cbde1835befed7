"""Spatial statistics, measured."""
