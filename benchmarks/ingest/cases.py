"""What is read: one generated file a case, written once, laid out as a mirror with its manifest entry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pyogrio

from benchmarks import generated
from ingest.manifest import Dataset, DirectSource, Distribution, FileFilter, Format, Licence, PointColumns, RowRange

DRIVERS = {
    Format.GEOPACKAGE: ("GPKG", "gpkg"),
    Format.SHAPEFILE: ("ESRI Shapefile", "shp"),
    Format.GEOJSON: ("GeoJSON", "geojson"),
    Format.CSV: ("", "csv"),
}


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes:
        format: as in the manifest.
        crs: of the coordinates in the file; what is landed is in EPSG:4326 always.
        rows: features.
    """

    format: Format
    crs: str
    rows: int

    @property
    def key(self) -> str:
        """Dataset key, and name of the folder in the mirror."""
        return f"bench_{self.format.value}_{self.crs.lower().replace(':', '_')}_{self.rows}"

    @property
    def reprojected(self) -> bool:
        """Whether landing changes the coordinates."""
        return self.crs != "EPSG:4326"

    def path(self, cache: Path) -> Path:
        """Where the file is or will be."""
        return cache / self.key / f"sites.{DRIVERS[self.format][1]}"

    def dataset(self) -> Dataset:
        """The manifest entry of the file."""
        is_csv = self.format is Format.CSV
        return Dataset(
            key=self.key,
            title="Generated",
            url="https://benchmark.invalid",
            citation="Generated",
            licence=Licence(id="CC0-1.0", commercial="yes"),
            vintage="generated",
            level="plant",
            geometry_kind="point" if is_csv else "polygon",
            distributions=(
                Distribution(
                    name="generated",
                    format=self.format,
                    source=DirectSource(repository="direct", urls=("https://benchmark.invalid/sites",)),
                    # A mirror brings a Shapefile's companions along
                    files=FileFilter(include=(f"sites.{DRIVERS[self.format][1]}",)),
                    crs=self.crs if is_csv else None,
                    points=PointColumns(x="longitude", y="latitude") if is_csv else None,
                    expected_rows=RowRange(min=self.rows, max=self.rows),
                ),
            ),
        )


MAIN_TABLE = [Case(Format.GEOPACKAGE, crs, rows) for crs in ("EPSG:4326", "EPSG:3035") for rows in (10**4, 10**5, 10**6)]
OTHER_FORMATS = [Case(kind, "EPSG:4326", 10**5) for kind in (Format.GEOJSON, Format.SHAPEFILE, Format.CSV)]


def written(case: Case, cache: Path) -> Path:
    """The case's file, generated when it is not there yet."""
    path = case.path(cache)
    if path.exists():
        return path
    # A folder that appears by rename is complete, all parts of a Shapefile included
    scratch = path.parent.with_name(f".{case.key}.{os.getpid()}")
    scratch.mkdir(parents=True)
    target = scratch / path.name
    if case.format is Format.CSV:
        generated.points(case.rows).to_csv(target, index=False)
    else:
        frame = generated.sites(case.rows).to_crs(case.crs)
        pyogrio.write_dataframe(frame, target, driver=DRIVERS[case.format][0], use_arrow=True)
    scratch.rename(path.parent)
    return path
