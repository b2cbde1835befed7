"""What :mod:`dataflows.cubes.regions` makes regions of: a request → its zone and grid → scenes, read lazily → mosaics."""
