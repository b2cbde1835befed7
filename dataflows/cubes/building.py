"""Cubes from what the lake lists: virtual cubes, chips, and what is computed from chips, each in one commit of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

import duckdb

from dataflows.cubes.chip.build import ChipBuild
from dataflows.cubes.chip.group import chip_paths
from dataflows.cubes.chip.means import Progress
from dataflows.cubes.chip.new_scenes import not_held
from dataflows.cubes.chip.plan import ChipPlan, read_plan
from dataflows.cubes.chips import build_chips
from dataflows.cubes.landed_series import LandedSeries, land_series
from dataflows.cubes.pixels.quality import QA_PIXEL, SCENE_CLASSIFICATION
from dataflows.cubes.rasters.access import Access
from dataflows.cubes.references.scenes import SceneAsset, scenes_in_lake
from dataflows.cubes.repository import store
from dataflows.cubes.repository.commit_metadata import CommitMetadata
from dataflows.cubes.repository.storage import CubeName
from dataflows.cubes.virtual import VirtualReport, build_virtual
from db import connect
from db.errors import BuildError, CubeError
from db.lake import has_table
from db.settings import Settings
from db.sql import identifier

CURATED = ("pv_timeseries", "chip_statistics")


class Part(StrEnum):
    """What can be built."""

    VIRTUAL = "virtual"
    CHIPS = "chips"
    SERIES = "series"


@dataclass(frozen=True)
class Wanted:
    """What of the scenes that the lake has chosen is to be built.

    Attributes:
        collections: STAC collections; all where empty.
        first: any day of the first month; ``None`` for no bound.
        last: any day of the last month; ``None`` for no bound.
        bands: common names; those that a collection has, of blue, green, red, nir and swir16 for chips, all for virtual cubes,
            where empty.
        size: pixels along an edge of a chip; what a group has, else 128, where ``None``.
        installations: ids to make chips of; all where empty.
        resampling: of bands of chips; see :func:`dataflows.cubes.chips.build_chips`.
    """

    collections: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    bands: tuple[str, ...] = ()
    size: int | None = None
    installations: tuple[str, ...] = ()
    resampling: str | None = None

    @property
    def parameters(self) -> dict[str, object]:
        """What was asked for, as the commit's metadata tells it."""
        return {
            "collections": list(self.collections),
            "first": self.first and f"{self.first:%Y-%m}",
            "last": self.last and f"{self.last:%Y-%m}",
            "bands": list(self.bands),
        }


@dataclass(frozen=True)
class CubesBuild:
    """What a build did; ``None`` for parts that it was not asked for."""

    virtual: VirtualReport | None = None
    chips: ChipBuild | None = None
    series: LandedSeries | None = None


@dataclass(frozen=True)
class Watcher:
    """Who is told how a build goes.

    Attributes:
        on_part: called when a part begins.
        on_chips: called whenever a chunk of chips is done.
    """

    on_part: Callable[[Part], None] = field(default=lambda part: None)
    on_chips: Callable[[Progress], None] | None = None


def build_cubes(
    lake: Settings,
    wanted: Wanted | None = None,
    *,
    parts: Sequence[Part] = tuple(Part),
    only_new: bool = False,
    access: Access | None = None,
    watcher: Watcher | None = None,
) -> CubesBuild:
    """Bring cubes up to what ``curated.pv_scenes`` lists. What there is already costs next to nothing and makes no commit.

    Args:
        lake: settings.
        wanted: which scenes, bands and size.
        parts: what to build.
        only_new: chips that have a scene of a month keep it, even where the lake chooses another one now.
        access: credentials of the sources; those of the lake, and public buckets, when omitted.
        watcher: told how it goes.

    Raises:
        LakeError: the lake's tables have not been built.
        CubeError: the lake chose no scene that was asked for, or bands or size are not those of a group that there is.
        CubeLockedError: another process builds.
        CubeConflictError: on S3, another build was finished first.
        BuildError: the series are landed, but dbt could not refine them.
    """
    wanted, watcher = wanted or Wanted(), watcher or Watcher()
    with connect(read_only=True, lake=lake) as con:
        metadata = CommitMetadata.reading(con, parameters=wanted.parameters)
        metadata = metadata.model_copy(update={"dbt_invocation_id": _built_by(con) or metadata.dbt_invocation_id})
        plan = _plan(read_plan(con, **_of_chips(wanted)), wanted) if Part.CHIPS in parts else None
        scenes = _virtual_scenes(scenes_in_lake(con, **_of_scenes(wanted)), wanted) if Part.VIRTUAL in parts else None
    virtual = chips = series = None
    if scenes is not None:
        watcher.on_part(Part.VIRTUAL)
        virtual = build_virtual(scenes, lake=lake, access=access, metadata=metadata)
    if plan is not None:
        watcher.on_part(Part.CHIPS)
        if only_new and store.exists(CubeName.CHIPS, lake):
            plan = not_held(plan, store.open_readonly(CubeName.CHIPS, lake=lake))
        chips = build_chips(
            plan,
            bands=wanted.bands or None,
            size=wanted.size,
            resampling=wanted.resampling,
            access=access,
            lake=lake,
            progress=watcher.on_chips,
            dbt_invocation_id=metadata.dbt_invocation_id,
        )
    if Part.SERIES in parts:
        watcher.on_part(Part.SERIES)
        series = _series(lake)
    return CubesBuild(virtual, chips, series)


def _built_by(con: duckdb.DuckDBPyConnection) -> str | None:
    """The dbt run that chose the scenes; later ones may have built other tables."""
    query = """
        SELECT max_by(commit_extra_info ->> 'dbt_invocation_id', snapshot_id) FROM lake.snapshots()
        WHERE commit_message = 'build curated.pv_scenes'
    """
    return (con.execute(query).fetchone() or (None,))[0]


def _series(lake: Settings) -> LandedSeries | None:
    """Land the series of the chips, and refine them where ``curated`` has another version's."""
    session = store.open_readonly(CubeName.CHIPS, lake=lake)
    if not chip_paths(session):
        return None
    with connect(lake=lake) as con:
        landed = land_series(con, session)
        curated = {session.snapshot_id} == {
            snapshot for table in CURATED if has_table(con, "curated", table) for snapshot in _versions_of(con, table)
        }
    if not curated:
        from dataflows.elt import run_dbt  # dbt takes two seconds to import

        failed = [result for result in run_dbt("build", lake, arguments=("--select", "tag:cubes")) if result.failed]
        if failed:
            named = "; ".join(f"{result.name}: {result.message}" for result in failed)
            raise BuildError(f"The series are landed, but not refined: {named}.", remedy="Run 'eopv build -s tag:cubes'.")
    return landed


def _versions_of(con: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    found = con.execute(f"SELECT DISTINCT icechunk_snapshot FROM lake.curated.{identifier(table)}").fetchall()
    return {snapshot for (snapshot,) in found}


def _of_chips(wanted: Wanted) -> dict[str, object]:
    return {
        "collections": list(wanted.collections) or None,
        "first_period": wanted.first and wanted.first.replace(day=1),
        "last_period": wanted.last and wanted.last.replace(day=1),
        "installations": list(wanted.installations) or None,
    }


def _of_scenes(wanted: Wanted) -> dict[str, object]:
    first, last = wanted.first, wanted.last
    return {
        "collections": wanted.collections or None,
        "since": first and datetime(first.year, first.month, 1, tzinfo=UTC),
        "until": last and datetime(last.year + last.month // 12, last.month % 12 + 1, 1, tzinfo=UTC),
    }


def _plan(plan: ChipPlan, wanted: Wanted) -> ChipPlan:
    if plan.scenes.num_rows == 0:
        raise CubeError(
            f"curated.pv_scenes has no scene for {_described(wanted)}.",
            remedy="Run 'eopv stac ingest' and 'eopv build' first, or ask for less.",
        )
    return plan


def _virtual_scenes(scenes: list[SceneAsset], wanted: Wanted) -> list[SceneAsset]:
    """Those of the bands that are wanted, and what classifies their pixels."""
    if not wanted.bands:
        return scenes
    names = {*wanted.bands, *SCENE_CLASSIFICATION, *QA_PIXEL}
    return [scene for scene in scenes if names & {scene.asset_key, *scene.bands}]


def _described(wanted: Wanted) -> str:
    said = [f"{name} {value}" for name, value in wanted.parameters.items() if value and name != "bands"]
    return " and ".join(said) or "any installation"
