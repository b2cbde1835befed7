"""Capacity from area, and energy yield: how right they are."""
