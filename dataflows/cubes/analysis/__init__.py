"""Answers from whole cubes, chunk by chunk: medians, zones, statistics of chips, climatology; and what reading a cube costs."""
