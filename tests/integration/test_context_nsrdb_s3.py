"""A year of the NSRDB in a real S3 server: which stations are read, how much is asked for, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import shapely
from acquisition_support import IMPATIENT
from context_lake import entry, ingested, land_pv, rows
from published_bucket import PublishedBucket, published_bucket

from dataflows.raw.context_ingest import ContextOptions, access_of
from db.errors import ReadError, RemoteError, RemoteNotFoundError, SchemaError, TooManyPlacesError
from db.settings import Settings
from ingest import nsrdb_bucket
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context
from ingest.context_origins import gather
from ingest.pieces import Pieces
from ingest.places import nearest

pytestmark = pytest.mark.xdist_group("services")

SITES = [shapely.Point(-105.1, 39.7), shapely.Point(20.0, 50.0)]  # the other one is in Europe, where no station is
TIMES, STATIONS, CHUNKS = 960, 4000, (480, 200)
HERE = np.array([[-105.1, 39.7]])
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
        yield published


def year(bucket: PublishedBucket, **origin: object) -> Context:
    facts = {"year": 2022, "datasets": ["ghi", "air_temperature"], **bucket.source(), **origin}
    files = [{"name": "hdf5", "source": {"repository": "mirror"}, "files": {"include": ["*nsrdb*.h5"]}}]
    source = {"kind": "nsrdb", "h3_resolution": 7, "distributions": files, "origin": facts}
    return entry("nsrdb", source, folder="climate", version="PSM")


def test_only_the_chunks_of_stations_next_to_pv_are_asked_for(bucket: PublishedBucket, tmp_path: Path) -> None:
    land_pv(bucket.lake, SITES)
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
        assert int(nearest(where, HERE, 10)[0]) in landed
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
    land_pv(bucket.lake, SITES)
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


def read(bucket: PublishedBucket, context: Context, places: np.ndarray = HERE, **options: bool) -> Pieces:
    """The stations next to places, without a lake."""
    access = access_of(context, ContextOptions(bucket.lake, retry=IMPATIENT, **options))
    return nsrdb_bucket.stations(context, context.origin, places, 10.0, access)


@pytest.mark.parametrize("layout", [{"coordinates": False}, {"chunks": None}])
def test_other_layouts(bucket: PublishedBucket, tmp_path: Path, layout: dict[str, object]) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5", **layout)
    bucket.publish(tmp_path / "made")
    (file,) = read(bucket, year(bucket)).files
    with h5py.File(tmp_path / "made" / "nsrdb_2022.h5") as published, h5py.File(file.path) as kept:
        gids = kept["gid"][:]
        assert len(gids) == 1
        for name in ("ghi", "air_temperature"):
            assert np.array_equal(kept[name][:], published[name][:, gids])
            assert dict(kept[name].attrs) == dict(published[name].attrs)
        assert np.array_equal(kept["meta"][:], published["meta"][gids])
        assert np.array_equal(kept["time_index"][:], published["time_index"][:])


def test_more_bytes_than_may_be_read(bucket: PublishedBucket, tmp_path: Path) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    held = bucket.publish(tmp_path / "made")
    with pytest.raises(TooManyPlacesError, match=r"1 stations of nsrdb_2022\.h5 take 0\.000768 GB.*max_gb"):
        read(bucket, year(bucket, max_gb=1e-4))
    assert bucket.gateway.sent_bytes < held / 10


def test_a_place_that_the_mirror_serves_is_not_asked_for(bucket: PublishedBucket, tmp_path: Path) -> None:
    write_year(tmp_path / "mirror" / "climate" / "nsrdb_2018.h5")
    access = ContextAccess(tmp_path / "cache", mirror=str(tmp_path / "mirror"), retry=IMPATIENT)
    gathered = gather(year(bucket), access, places=HERE)
    assert [file.origin for file in gathered.acquisition.files] == ["mirror"]
    assert bucket.gateway.sent_bytes == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [({"year": 2021}, RemoteNotFoundError), ({"datasets": ["dni"]}, SchemaError), ({"file": "{year}.h5"}, ReadError)],
)
def test_what_is_not_as_the_manifest_says(
    bucket: PublishedBucket, tmp_path: Path, change: dict[str, object], error: type[Exception]
) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    (tmp_path / "made" / "2022.h5").write_bytes(b"nothing of the kind" * 9)
    bucket.publish(tmp_path / "made")
    with pytest.raises(error) as caught:
        read(bucket, year(bucket, **change))
    assert type(caught.value) is error
    assert "AWS4" not in str(caught.value)


@pytest.mark.parametrize("status", [403, 500])
def test_a_fault_in_the_middle_leaves_nothing(bucket: PublishedBucket, tmp_path: Path, status: int) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    bucket.publish(tmp_path / "made")
    asked: list[str] = []

    def later(method: str, path: str) -> int | None:
        asked.append(path)
        return status if method == "GET" and len(asked) > 6 else None

    bucket.refuse.append(later)
    with pytest.raises(RemoteError):
        read(bucket, year(bucket))
    assert bucket.gateway.refused
    assert not list(bucket.lake.cache_dir.glob("nsrdb/**/*part*"))
    bucket.refuse.clear()
    assert len(read(bucket, year(bucket)).files) == 1


def test_what_is_read_anew_takes_the_place_of_what_was_read(bucket: PublishedBucket, tmp_path: Path) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    bucket.publish(tmp_path / "made")
    there = np.array([[-104.6, 40.5]])
    read(bucket, year(bucket))
    assert [file.origin for file in read(bucket, year(bucket), np.vstack([HERE, there])).files] == ["cache", "repository"]
    (anew,) = read(bucket, year(bucket), np.vstack([HERE, there]), refresh=True).files
    with h5py.File(anew.path) as kept:
        assert len(kept["gid"]) == 2
    assert [file.path for file in read(bucket, year(bucket), there, offline=True).files] == [anew.path]


def test_a_damaged_part_is_read_again(bucket: PublishedBucket, tmp_path: Path) -> None:
    write_year(tmp_path / "made" / "nsrdb_2022.h5")
    bucket.publish(tmp_path / "made")
    (file,) = read(bucket, year(bucket)).files
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:-100])
    assert [again.origin for again in read(bucket, year(bucket)).files] == ["repository"]
    assert file.path.read_bytes() == whole
