"""Parts of a build of chips, side by side: run by :mod:`dataflows.cubes.chip.scale_out` with Hamilton's executor for Dask."""

from __future__ import annotations

from hamilton.function_modifiers import tag
from hamilton.htypes import Collect, Parallelizable

from dataflows.cubes.chip import parts as work
from dataflows.cubes.chip.parts import FilledPart, Part


@tag(layer="cubes")
def chip_part(chip_parts: list[Part]) -> Parallelizable[Part]:
    """One of them."""
    yield from chip_parts


@tag(layer="cubes")
def filled_part(chip_part: Part) -> FilledPart:
    """Its chunks, written into its fork by a process of the cluster."""
    return work.filled(chip_part)


@tag(layer="cubes")
def filled_parts(filled_part: Collect[FilledPart]) -> list[FilledPart]:
    """All of them."""
    return list(filled_part)
