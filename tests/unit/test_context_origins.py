"""What is asked of publishers that give one place, country or station at a time."""

from __future__ import annotations

import time
from pathlib import Path

import h3.api.basic_int as h3
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.raw.context_pixels import AROUND
from db.errors import ReadError
from ingest.bucket import Bucket
from ingest.context_manifest import CountryArchives, RasterSource, load_context_manifest
from ingest.hdf5_ranges import BLOCK_BYTES, hdf5
from ingest.pieces import Pace
from ingest.solar_atlas import archive_url, unserved

ATLAS = load_context_manifest()["global_solar_atlas"]
YEARLY = "Costa-Rica_GISdata_LTAym_YearlyMonthlyTotals_GlobalSolarAtlas-v2_GEOTIFF.zip"
FOLDER = "Costa-Rica_GISdata_LTAy_YearlyMonthlyTotals_GlobalSolarAtlas-v2_GEOTIFF"
NAMES = {"CR": "Costa Rica", "DM": "Dominica", "DO": "Dominican Republic", "NE": "Niger", "NG": "Nigeria"}


def test_the_address_is_the_one_that_public_programs_download_from() -> None:
    assert isinstance(ATLAS.origin, CountryArchives)
    assert archive_url(ATLAS.origin, ATLAS.origin.names["CR"]) == (
        f"https://api.globalsolaratlas.info/download/Costa%20Rica/{YEARLY}"
    )


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ([], ["CR", "DM", "DO", "NE", "NG"]),
        ([f"{YEARLY}/{FOLDER}/GHI.tif"], ["DM", "DO", "NE", "NG"]),
        (["dominica_GHI.tif", "Niger_PVOUT.tif"], ["CR", "DO", "NG"]),
        (["costa rica_GHI.tif"], ["DM", "DO", "NE", "NG"]),
        # A file that says nothing of a country is of the world
        (["GHI.tif"], []),
        (["niger_GHI.tif", "World_GHI.tif"], []),
    ],
)
def test_a_file_serves_the_country_that_its_name_begins_with(files: list[str], left: list[str]) -> None:
    origin = CountryArchives(url="https://example.org/{name}/{hyphenated}.zip", names=NAMES)
    assert unserved(origin, sorted(NAMES), files) == left


@pytest.mark.parametrize(
    ("path", "variable", "period"),
    [
        (f"{YEARLY}/{FOLDER}/GHI.tif", "ghi", "year"),
        (f"{YEARLY}/{FOLDER}/PVOUT.tif", "pvout", "year"),
        (f"{YEARLY}/{FOLDER}/TEMP.tif", "temperature", None),
        ("benin_GHI.tif", "ghi", "year"),
        ("Benin_GISdata_LTAy_YearlySum_GlobalSolarAtlas-v2_GEOTIFF.zip/x/PVOUT.tif", "pvout", "year"),
        ("World_GHI_GISdata_LTAy_AvgDailyTotals_GlobalSolarAtlas-v2_GEOTIFF.zip/GHI.tif", "ghi", "day"),
        ("Sri-Lanka_GISdata_LTAy_DailySum_GlobalSolarAtlas_GEOTIFF/PVOUT.tif", "pvout", "day"),
    ],
)
def test_the_kind_of_archive_says_what_a_value_is_the_sum_of(path: str, variable: str, period: str | None) -> None:
    assert isinstance(ATLAS.source, RasterSource)
    found = [(one.name, one.period) for one in ATLAS.source.variables if one.files.accepts(path)]
    assert found == [(variable, period)]


def test_months_are_no_years() -> None:
    (distribution,) = ATLAS.distributions
    assert distribution.members is not None
    assert distribution.members.accepts(f"{FOLDER}/PVOUT.tif")
    assert not distribution.members.accepts(f"{FOLDER}/monthly/PVOUT_01.tif")
    assert not distribution.files.accepts(f"{FOLDER}/monthly/PVOUT_12.tif")


@given(st.floats(-60, 60), st.floats(-179, 179))
def test_the_pixel_of_a_site_is_among_those_that_are_read(lat: float, lon: float) -> None:
    assert isinstance(ATLAS.source, RasterSource)
    cells = h3.grid_disk(h3.latlng_to_cell(lat, lon, ATLAS.source.h3_resolution), ATLAS.source.ring)
    pixel_deg = 9 / 3600
    reach = np.array([np.floor(np.array(h3.cell_to_latlng(cell)) / pixel_deg) for cell in cells])
    own = np.floor(np.array([lat, lon]) / pixel_deg)
    assert (np.abs(reach - own) <= AROUND).all(axis=1).any()


def test_requests_are_no_closer_than_they_may_be() -> None:
    pace, started = Pace(50.0), time.monotonic()
    for _ in range(6):
        pace.wait()
    assert time.monotonic() - started >= 5 / 50


def test_hdf5_by_ranges_is_what_is_in_the_file(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 60_000, (300, 4000), dtype=np.uint16)
    with h5py.File(tmp_path / "year.h5", "w") as made:
        made.create_dataset("ghi", data=values, chunks=(100, 500))
        made["text"] = np.array([b"2022-01-01 00:00:00+00:00"] * 40)
    bucket = Bucket.in_folder(tmp_path)
    file = bucket.file("year.h5")
    with hdf5(bucket, file) as content:
        assert np.array_equal(content["ghi"][:, 1500:2000], values[:, 1500:2000])
        assert content["text"][39] == b"2022-01-01 00:00:00+00:00"
    band = 300 * 500 * 2
    assert band < bucket.bytes_read < band + 16 * BLOCK_BYTES < file.size
    assert bucket.requests < 20


def test_what_is_no_hdf5_in_a_bucket_is_said(tmp_path: Path) -> None:
    (tmp_path / "year.h5").write_bytes(b"nothing of the kind" * 100)
    bucket = Bucket.in_folder(tmp_path)
    with pytest.raises(ReadError, match=r"year\.h5 cannot be read as HDF5"), hdf5(bucket, bucket.file("year.h5")):
        pass
