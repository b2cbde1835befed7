"""Overture Maps in a real S3 server: which release, how much of it is asked for, and what a fault leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from context_lake import buildings, entry, ingested, land_pv, rows
from overture_files import features, write_release
from published_bucket import PublishedBucket, published_bucket

from db.settings import Settings

pytestmark = pytest.mark.xdist_group("services")

NEWEST, BEFORE, EXPIRED = "2026-11-18.0", "2026-10-21.0", "2026-08-20.0"
SITES = [shapely.Point(11.0, 48.0), shapely.Point(-120.0, 37.0)]


@pytest.fixture
def release(dev: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PublishedBucket]:
    with published_bucket(dev, tmp_path, f"{request.node.name}/release") as bucket:
        land_pv(bucket.lake, SITES)
        yield bucket


def world(count: int, seed: int = 1):
    """Buildings all over the world, with names that do not compress, and a hundred at the first site."""
    random = np.random.default_rng(seed)
    near = np.array([11.0, 48.0]) + random.normal(0, 1e-3, (100, 2))
    centres = np.vstack([random.uniform((-179, -80), (179, 80), (count, 2)), near])
    names = [random.bytes(60).hex() for _ in centres]
    return features([shapely.box(x, y, x + 1e-4, y + 1e-4) for x, y in centres], {"class": names})


def test_far_fewer_bytes_are_asked_for_than_there_are(release: PublishedBucket, tmp_path: Path) -> None:
    write_release(tmp_path / "made", NEWEST, "buildings", "building", world(40_000), files=4, row_group_rows=1000)
    held = release.publish(tmp_path / "made")
    outcome = ingested(release.lake, buildings(**release.source()))
    assert (outcome.status, outcome.release, outcome.origin) == ("landed", NEWEST, "repository"), outcome.error
    assert outcome.rows >= 100
    # What the server sent, footers and listings included
    assert release.gateway.sent_bytes < held / 4
    (recorded,) = rows(release.lake, "SELECT bytes FROM lake.landing.ingest_outcomes WHERE step = 'fetch'")
    assert 0 < recorded[0] <= release.gateway.sent_bytes


def test_the_newest_release_a_pinned_one_and_one_that_has_gone(release: PublishedBucket, tmp_path: Path) -> None:
    for name, seed in ((BEFORE, 2), (NEWEST, 3)):
        write_release(tmp_path / "made", name, "buildings", "building", world(100, seed))
    release.publish(tmp_path / "made")
    assert ingested(release.lake, buildings(**release.source())).release == NEWEST
    pinned = ingested(release.lake, buildings(**release.source(release=BEFORE)))
    assert (pinned.status, pinned.release, pinned.origin) == ("landed", BEFORE, "repository")
    gone = ingested(release.lake, buildings(**release.source(release=EXPIRED)))
    assert (gone.status, gone.error_kind) == ("failed", "release_not_found")
    assert f"{BEFORE}, {NEWEST}" in gone.error
    assert "expired" in gone.error
    # The lake still has the last one that could be had
    assert rows(release.lake, "SELECT max_by(release, ingested_at) FROM lake.landing.context_versions") == [(BEFORE,)]


def test_a_later_run_asks_nobody_until_it_is_told_to_look_again(release: PublishedBucket, tmp_path: Path) -> None:
    write_release(tmp_path / "first", BEFORE, "buildings", "building", world(100))
    release.publish(tmp_path / "first")
    first = ingested(release.lake, buildings(**release.source()))
    write_release(tmp_path / "second", NEWEST, "buildings", "building", world(200))
    release.publish(tmp_path / "second")
    release.refuse.append(lambda method, path: 503)
    again = ingested(release.lake, buildings(**release.source()))
    assert (again.status, again.release, again.origin) == ("unchanged", first.release, "cache")
    assert release.gateway.refused == []
    release.refuse.clear()
    fresh = ingested(release.lake, buildings(**release.source()), refresh=True)
    assert (fresh.status, fresh.release, fresh.origin) == ("landed", NEWEST, "repository")
    offline = ingested(release.lake, buildings(**release.source()), offline=True)
    assert (offline.status, offline.release, offline.origin) == ("unchanged", NEWEST, "cache")


def test_another_question_to_a_release_does_not_read_its_footers_again(release: PublishedBucket, tmp_path: Path) -> None:
    # Many row groups of few rows: the footers are most of what there is
    write_release(tmp_path / "made", NEWEST, "buildings", "building", world(2000), files=4, row_group_rows=5)
    release.publish(tmp_path / "made")
    assert ingested(release.lake, buildings(**release.source())).status == "landed"
    first = release.gateway.sent_bytes
    land_pv(release.lake, [shapely.Point(100.0, 10.0)], key="elsewhere")
    outcome = ingested(release.lake, buildings(**release.source()))
    # There is nothing at the other place, so that what lands is the same
    assert (outcome.status, outcome.origin) == ("unchanged", "repository"), outcome.error
    assert release.gateway.sent_bytes - first < first / 2
    (footer, *_) = release.lake.cache_dir.glob("overture/footers/**/*.footer")
    footer.write_bytes(b"damaged")
    land_pv(release.lake, [shapely.Point(-50.0, -10.0)], key="anywhere")
    assert ingested(release.lake, buildings(**release.source())).origin == "repository"
    assert footer.stat().st_size > len(b"damaged")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_fault_in_the_middle_leaves_nothing(release: PublishedBucket, tmp_path: Path, status: int) -> None:
    write_release(tmp_path / "made", NEWEST, "buildings", "building", world(500), files=3, row_group_rows=50)
    release.publish(tmp_path / "made")
    asked: list[str] = []

    def later(method: str, path: str) -> int | None:
        """Footers are given, and the first row groups."""
        asked.append(path)
        return status if method == "GET" and sum(".parquet" in one for one in asked) > 4 else None

    release.refuse.append(later)
    outcome = ingested(release.lake, buildings(**release.source()))
    assert (outcome.status, outcome.error_kind) == ("failed", {404: "remote_not_found"}.get(status, "remote"))
    assert release.gateway.refused
    assert "secret" not in outcome.error.lower()
    assert "AWS4" not in outcome.error
    tables = {name for (name,) in rows(release.lake, "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'")}
    assert "overture_building" not in tables
    assert rows(release.lake, "SELECT count(*) FROM lake.landing.context_versions") == [(0,)]
    assert not list(release.lake.cache_dir.glob("overture/overture_building/**/*.p*"))
    release.refuse.clear()
    assert ingested(release.lake, buildings(**release.source())).status == "landed"


def test_a_server_of_others_is_asked_without_keys(release: PublishedBucket, tmp_path: Path) -> None:
    write_release(tmp_path / "made", NEWEST, "buildings", "building", world(10))
    release.publish(tmp_path / "made")
    others = release.lake.model_copy(update={"s3_endpoint": "http://127.0.0.1:1", "home": tmp_path / "others"})
    land_pv(others, SITES)
    outcome = ingested(others, buildings(**release.source()))
    # The server of the tests has no public bucket
    assert (outcome.status, outcome.error_kind) == ("failed", "remote")
    assert "not open to this reader" in outcome.error


@pytest.mark.realdata
def test_published_buildings_and_natural_earth_as_division_areas(
    release: PublishedBucket, tmp_path: Path, mirror: Path
) -> None:
    samples = mirror / "overture_samples"
    published = pq.read_table(samples / "overture_buildings_2024-07-22_first100.parquet")
    folder = tmp_path / "made" / NEWEST / "theme=buildings" / "type=building"
    folder.mkdir(parents=True)
    pq.write_table(published, folder / "part-0.parquet", row_group_size=20)
    countries = pq.read_table(mirror / "natural_earth_v5" / "ne_50m_admin_0_countries_v5.parquet").to_pylist()
    areas = features(
        [shapely.from_wkb(country["geometry"]) for country in countries],
        {
            "id": [f"ne:{country['adm0_a3']}" for country in countries],
            "subtype": ["country"] * len(countries),
            "class": ["land"] * len(countries),
            "country": [country["iso_a2_eh"] for country in countries],
            "names": [{"primary": country["name"]} for country in countries],
        },
    )
    write_release(tmp_path / "made", NEWEST, "divisions", "division_area", areas, row_group_rows=20)
    release.publish(tmp_path / "made")
    chosen = shapely.from_wkb(published["geometry"][50].as_py())
    land_pv(release.lake, [chosen.centroid], key="at_a_building")
    outcome = ingested(release.lake, buildings(**release.source()))
    assert outcome.status == "landed", outcome.error
    found = rows(release.lake, "SELECT id, sources[1].dataset, ST_AsWKB(geometry) FROM lake.landing.overture_building")
    row = published.slice(50, 1).to_pylist()[0]
    assert (row["id"], row["sources"][0]["dataset"]) in {(identity, dataset) for identity, dataset, _ in found}
    source = {"kind": "overture", "theme": "divisions", "type": "division_area", "only": {"subtype": ["country"]}}
    outcome = ingested(release.lake, entry("overture_division_area", source | release.source()))
    assert outcome.status == "landed", outcome.error
    there = {country for (country,) in rows(release.lake, "SELECT country FROM lake.landing.overture_division_area")}
    # the sites' own, and those whose box goes around one, as Russia's goes around the world
    assert {"DE", "US"} <= there
    assert not {"BR", "AU", "JP"} & there
