"""What :class:`dataflows.cubes.dataset.ChipDataset` is made of: an index of chips, their pixels, parts, and batches."""
