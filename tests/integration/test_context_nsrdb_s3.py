"""A year of the NSRDB in a real S3 server: which stations are read, how much is asked for, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import shapely
from context_lake import entry, ingested, land_pv, rows
from published_bucket import PublishedBucket, published_bucket

from db.settings import Settings
from ingest.context_manifest import Context
from ingest.places import nearest

pytestmark = pytest.mark.xdist_group("services")

SITES = [shapely.Point(-105.1, 39.7), shapely.Point(20.0, 50.0)]  # the other one is in Europe, where no station is
TIMES, STATIONS, CHUNKS = 960, 4000, (480, 200)
META = np.dtype(
    [("latitude", "<f4"), ("longitude", "<f4"), ("elevation", "<i2"), ("timezone", "<i2"), ("country", "S13"), ("state", "S8")]
)


def write_year(path: Path, *, coordinates: bool = True, chunks: tuple[int, int] | None = CHUNKS) -> None:
    """A file laid out as NREL's are: 4 km apart in columns from south to north, whole numbers with a factor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row, column = np.divmod(np.arange(STATIONS), 80)
    lat, lon = 38.8 + 0.04 * column, -106.1 + 0.04 * row
    random = np.random.default_rng(2)
    meta = np.zeros(STATIONS, dtype=META)
    meta["latitude"], meta["longitude"], meta["elevation"], meta["country"] = lat, lon, 1600, b"United States"
    with h5py.File(path, "w") as file:
        file["meta"] = meta
        if coordinates:
            file["coordinates"] = np.column_stack([lat, lon]).astype(np.float32)
        moments = np.datetime64("2022-01-01") + np.arange(TIMES) * np.timedelta64(30, "m")
        file["time_index"] = np.array(
            [f"{str(moment).replace('T', ' ')}:00+00:00" for moment in moments.astype("M8[m]")], dtype="S25"
        )
        for name, factor in (("ghi", 1.0), ("air_temperature", 10.0), ("cloud_type", 1.0)):
            values = random.integers(0, 1000, (TIMES, STATIONS), dtype=np.uint16)
            data = file.create_dataset(name, data=values, chunks=chunks)
            data.attrs.update(psm_scale_factor=factor, psm_units="W/m2")


@pytest.fixture
def bucket(dev: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PublishedBucket]:
    with published_bucket(dev, tmp_path, f"{request.node.name}/goes") as published:
        land_pv(published.lake, SITES)
        yield published


def year(bucket: PublishedBucket, **origin: object) -> Context:
    facts = {"year": 2022, "datasets": ["ghi", "air_temperature"], **bucket.source(), **origin}
    files = [{"name": "hdf5", "source": {"repository": "mirror"}, "files": {"include": ["*nsrdb*.h5"]}}]
    source = {"kind": "nsrdb", "h3_resolution": 7, "distributions": files, "origin": facts}
    return entry("nsrdb", source, folder="climate", version="PSM")


def test_only_the_chunks_of_stations_next_to_pv_are_asked_for(bucket: PublishedBucket, tmp_path: Path) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    held = bucket.publish(tmp_path / "made")
    outcome = ingested(bucket.lake, year(bucket))
    assert (outcome.status, outcome.origin) == ("landed", "repository"), outcome.error
    assert bucket.gateway.sent_bytes < held / 6
    found = rows(bucket.lake, "SELECT station, source_row, ghi, air_temperature, time_index, latitude FROM lake.landing.nsrdb")
    landed = sorted({row[0] for row in found})
    assert len(found) == outcome.rows == TIMES * len(landed)
    with h5py.File(tmp_path / "made" / "nsrdb_2022.h5") as published:
        where = np.column_stack([published["meta"]["longitude"], published["meta"]["latitude"]]).astype(float)
        assert int(nearest(where, np.array([[-105.1, 39.7]]), 10)[0]) in landed
        assert all(abs(where[station] - (-105.1, 39.7)).max() < 0.1 for station in landed)
        ghi, warmth = published["ghi"][:], published["air_temperature"][:]
    for station, row, value, degrees, _, latitude in found[:: TIMES // 7]:
        time, gid = divmod(row, STATIONS)
        assert gid == station
        assert (value, degrees) == (ghi[time, gid], warmth[time, gid] / 10.0)
        assert latitude == pytest.approx(where[gid, 1])
    columns = {name for (name, *_) in rows(bucket.lake, "DESCRIBE lake.landing.nsrdb")}
    assert {"country", "elevation", "series"} <= columns
    assert not {"cloud_type", "gid", "coordinates"} & columns


def test_stations_that_were_read_are_not_read_again(bucket: PublishedBucket, tmp_path: Path) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    bucket.publish(tmp_path / "made")
    first = ingested(bucket.lake, year(bucket))
    sent = bucket.gateway.sent_bytes
    bucket.refuse.append(lambda method, path: 503)
    assert (ingested(bucket.lake, year(bucket)).status, bucket.gateway.refused) == ("unchanged", [])
    assert ingested(bucket.lake, year(bucket), offline=True).status == "unchanged"
    bucket.refuse.clear()
    land_pv(bucket.lake, [shapely.Point(-104.6, 40.5)], key="more_pv")
    more = ingested(bucket.lake, year(bucket))
    assert (more.status, more.origin) == ("landed", "cache, repository"), more.error
    assert more.rows > first.rows
    # Neither where stations are nor those of the first place
    assert bucket.gateway.sent_bytes - sent < sent


@pytest.mark.parametrize("layout", [{"coordinates": False}, {"chunks": None}])
def test_other_layouts(bucket: PublishedBucket, tmp_path: Path, layout: dict[str, object]) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5", **layout)
    bucket.publish(tmp_path / "made")
    outcome = ingested(bucket.lake, year(bucket))
    assert outcome.status == "landed", outcome.error
    with h5py.File(tmp_path / "made" / "nsrdb_2022.h5") as published:
        for station, row, ghi in rows(bucket.lake, "SELECT station, source_row, ghi FROM lake.landing.nsrdb LIMIT 50"):
            assert ghi == published["ghi"][row // STATIONS, station]


def test_more_bytes_than_may_be_read(bucket: PublishedBucket, tmp_path: Path) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    held = bucket.publish(tmp_path / "made")
    outcome = ingested(bucket.lake, year(bucket, max_gb=1e-4))
    assert (outcome.status, outcome.error_kind) == ("failed", "too_many_places")
    assert "max_gb" in outcome.error
    assert bucket.gateway.sent_bytes < held / 10


def test_a_place_that_the_mirror_serves_is_not_asked_for(bucket: PublishedBucket, tmp_path: Path) -> None:
    write_year(tmp_path / "mirror" / "climate" / "nsrdb_2018.h5")
    land_pv(bucket.lake, SITES[:1])
    outcome = ingested(bucket.lake, year(bucket), mirror=str(tmp_path / "mirror"))
    assert (outcome.status, outcome.origin) == ("landed", "mirror"), outcome.error
    assert bucket.gateway.sent_bytes == 0


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"year": 2021}, "remote_not_found"), ({"datasets": ["dni"]}, "schema"), ({"file": "{year}.h5"}, "read")],
)
def test_what_is_not_as_the_manifest_says(
    bucket: PublishedBucket, tmp_path: Path, change: dict[str, object], kind: str
) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    (tmp_path / "made" / "2022.h5").write_bytes(b"nothing of the kind" * 9)
    bucket.publish(tmp_path / "made")
    outcome = ingested(bucket.lake, year(bucket, **change))
    assert (outcome.status, outcome.error_kind) == ("failed", kind), outcome.error
    assert "AWS4" not in outcome.error


@pytest.mark.parametrize("status", [403, 500])
def test_a_fault_in_the_middle_leaves_nothing(bucket: PublishedBucket, tmp_path: Path, status: int) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    bucket.publish(tmp_path / "made")
    asked: list[str] = []

    def later(method: str, path: str) -> int | None:
        asked.append(path)
        return status if method == "GET" and len(asked) > 6 else None

    bucket.refuse.append(later)
    outcome = ingested(bucket.lake, year(bucket))
    assert (outcome.status, outcome.error_kind) == ("failed", "remote"), outcome.error
    assert bucket.gateway.refused
    assert not list(bucket.lake.cache_dir.glob("nsrdb/**/*part*"))
    bucket.refuse.clear()
    assert ingested(bucket.lake, year(bucket)).status == "landed"
