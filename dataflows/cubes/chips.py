"""Chips of installations, from a plan to one commit on ``main``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dataflows.cubes.chip import dag as chips_dag
from dataflows.cubes.chip.build import ChipBuild
from dataflows.cubes.chip.means import CHECKPOINT_S, Means, Progress
from dataflows.cubes.chip.plan import ChipPlan
from dataflows.cubes.chip.resampling import Resampling
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.rasters.tiles import CACHE_BYTES
from dataflows.run import build_driver
from db.settings import Settings

if TYPE_CHECKING:
    from distributed import Client


def build_chips(
    plan: ChipPlan,
    *,
    bands: Sequence[str] | None = None,
    size: int | None = None,
    resampling: str | None = None,
    access: Access | None = None,
    lake: Settings | None = None,
    cache_bytes: int = CACHE_BYTES,
    workers: int | None = None,
    checkpoint_s: float = CHECKPOINT_S,
    progress: Callable[[Progress], None] | None = None,
    cluster: Client | None = None,
    dbt_invocation_id: str | None = None,
) -> ChipBuild:
    """Bring the repository of chips up to a plan: one commit on ``main``, or none where nothing is new.

    An interrupted build of the same plan goes on where its last checkpoint was. What the plan does not speak of (other
    collections, installations, months) stays as it is.

    Args:
        plan: installations, scenes and their files; :func:`dataflows.cubes.chip.plan.read_plan` reads it from the lake.
        bands: common names, in the order that the cube gets; blue, green, red, nir and swir16 as far as a collection has
            them when omitted.
        size: pixels along an edge; what a group has, else 128, when omitted.
        resampling: of bands on another grid than the chips' (20 m beside 10 m, a shifted origin): ``nearest``, which takes
            published numbers only, or ``bilinear``; what a group has, else nearest, when omitted. The group says which
            (``eopv:resampling``). Classes of pixels are always the nearest.
        access: credentials of the sources; those of the lake, and public buckets, when omitted.
        lake: settings; those of the process when omitted.
        cache_bytes: decoded tiles that are kept in memory.
        workers: files decoded at the same time; one a core when omitted.
        checkpoint_s: seconds between checkpoints of an interruptible build.
        progress: called whenever a chunk is done.
        cluster: a Dask cluster whose processes do the cutting; this one when omitted. The result is the same, bit for bit.
            Its workers must reach the sources and the repository by the names that this process has for them.
        dbt_invocation_id: the dbt run that built the plan's tables.

    Raises:
        CubeError: bands, size or resampling are not those that a group has, a collection has none of the bands, or the result
            does not pass its check; ``main`` is where it was.
        CubeLockedError: another process builds chips.
        CubeConflictError: on S3, another build was finished first.
    """
    inputs = {
        "chip_plan": plan,
        "bands": None if bands is None else list(bands),
        "size": size,
        "resampling": None if resampling is None else Resampling.of(resampling),
        "means": Means(access or Access.of(lake), lake, cache_bytes, workers, checkpoint_s, progress, cluster),
        "dbt_invocation_id": dbt_invocation_id,
    }
    return build_driver(chips_dag).execute(["chip_build"], inputs=inputs)["chip_build"]
