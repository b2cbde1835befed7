"""What one published dataset of the sample world is: which sites it has, in which form, with which faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np

from dataflows.sample.defects import Defect
from ingest.manifest import Format, Level, Trust


@dataclass(frozen=True)
class View:
    """One dataset as its publisher sees and writes it.

    Args:
        key: dataset key of the real dataset.
        title: its name.
        file: name of the published file.
        member: the archive's member that holds the rows, where ``file`` is an archive.
        format: of the file, or of the archive's members.
        level: what a row stands for.
        geometry_kind: of the rows.
        feature_id: published column with the publisher's own id, where there is one.
        observe: from true sites in ``LOCAL_CRS`` and a random stream to clean rows: the published columns, ``site_id``
            (missing where the row shows no site) and a geometry in the published CRS.
        write: writes the published columns to a path.
        defects: dirty rows.
        max_offset_m: for points, the largest geodesic distance from the centroid of the true site.
        trust: how far the dataset is believed.
        distribution: further fields of ``ingest.manifest.Distribution``: ``crs``, ``points``, ``null_values``, …
    """

    key: str
    title: str
    file: str
    format: Format
    level: Level
    geometry_kind: Literal["point", "polygon"]
    feature_id: str | None
    observe: Callable[[gpd.GeoDataFrame, np.random.Generator], gpd.GeoDataFrame]
    write: Callable[[gpd.GeoDataFrame, Path], None]
    defects: tuple[Defect, ...]
    member: str | None = None
    max_offset_m: float | None = None
    trust: Trust = Trust.NORMAL
    distribution: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source_file(self) -> str:
        """What landing records as ``source_file``: the file, or ``<archive>/<member>``."""
        return self.file if self.member is None else f"{self.file}/{self.member}"
