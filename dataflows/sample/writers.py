"""Writers of the published formats that give the same bytes for the same rows: no dates, no times, no file order."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import pyogrio
import shapely

GDAL_CLOCK = "2025-01-01T00:00:00.000Z"
DBF_DATE = "2019-01-24"
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@contextmanager
def _stopped_clock() -> Iterator[None]:
    """GDAL writes this time instead of now into the files it stamps."""
    option = "OGR_CURRENT_DATE"
    before = pyogrio.get_gdal_config_option(option)
    pyogrio.set_gdal_config_options({option: GDAL_CLOCK})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({option: before})


def write_zipped_shapefile(frame: gpd.GeoDataFrame, path: Path) -> None:
    """Polygons as a zip of ``<stem>.shp`` and its siblings.

    Texts are ISO-8859-1, and as in many published files nothing says so: readers have to take the format's default.
    """
    with tempfile.TemporaryDirectory() as scratch:
        pyogrio.write_dataframe(
            frame,
            Path(scratch) / f"{path.stem}.shp",
            driver="ESRI Shapefile",
            geometry_type="Polygon",
            encoding="ISO-8859-1",
            layer_options={"DBF_DATE_LAST_UPDATE": DBF_DATE},
        )
        with zipfile.ZipFile(path, "w") as archive:
            for part in sorted(Path(scratch).iterdir()):
                if part.suffix != ".cpg":
                    member = zipfile.ZipInfo(part.name, ZIP_EPOCH)
                    member.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(member, part.read_bytes())


def write_geopackage(frame: gpd.GeoDataFrame, path: Path) -> None:
    """A layer named like the file's stem, of mixed geometry types and dimensions."""
    with _stopped_clock():
        # the Arrow way writes ISO WKB: GDAL refuses the M of the extended WKB that the other one uses
        pyogrio.write_dataframe(
            frame, path, layer=path.stem, driver="GPKG", geometry_type="Unknown", promote_to_multi=False, use_arrow=True
        )


def write_geojson(frame: gpd.GeoDataFrame, path: Path) -> None:
    """A feature collection with the ``crs`` member of the format's first edition, of mixed geometry types."""
    pyogrio.write_dataframe(
        frame, path, layer=path.stem, driver="GeoJSON", geometry_type="Unknown", promote_to_multi=False, use_arrow=True
    )


def write_csv(frame: gpd.GeoDataFrame, path: Path, *, x: str, y: str, encoding: str = "utf-8") -> None:
    """Points as a comma-separated table; ``x`` and ``y`` name the columns that take their coordinates."""
    points = frame.geometry.to_numpy()
    table = frame.drop(columns=frame.geometry.name).assign(**{x: shapely.get_x(points), y: shapely.get_y(points)})
    table.to_csv(path, index=False, encoding=encoding, lineterminator="\n")


def write_geoparquet(frame: gpd.GeoDataFrame, path: Path) -> None:
    """GeoParquet with WKB."""
    frame.to_parquet(path, index=False, compression="zstd")
