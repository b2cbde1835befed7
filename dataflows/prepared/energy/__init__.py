"""Energy that installations yield: what is assumed of them, under which sun they stand, and what pvlib makes of both."""
