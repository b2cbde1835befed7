"""From published files to landing tables."""
