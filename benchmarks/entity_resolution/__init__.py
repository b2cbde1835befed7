"""Entity resolution: quality against truth and other methods, and what it costs."""
