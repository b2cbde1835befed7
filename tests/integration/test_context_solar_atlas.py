"""Archives of countries from a web server: those that PV stands in, what is taken of them, and those that are not there."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from context_lake import entry, ingested, land_pv, rows
from repository_server import Answer, RepositoryServer

from dataflows.sample.context.irradiance import write_geotiff
from db import connect
from db.settings import Settings
from ingest.context_manifest import Context, load_context_manifest

NAMES = {"CR": "Costa Rica", "PA": "Panama", "NI": "Nicaragua"}
COSTA_RICA, PANAMA = shapely.Point(-84.0, 9.9), shapely.Point(-80.0, 8.5)
OFF_THE_COAST = shapely.Point(-83.02, 9.95)
BOUNDARIES = {
    "CR": shapely.box(-86, 8.2, -83.05, 11.0),
    "PA": shapely.box(-82.6, 7.2, -77.2, 9.6),
    "NI": shapely.box(-87, 11.05, -83.6, 15),
}


def archive(folder: Path, hyphenated: str, ghi: float) -> bytes:
    """Laid out as the atlas has them: years in a folder, months below it."""
    folder.mkdir(parents=True)
    grid = Affine(0.0025, 0, -86, 0, -0.0025, 11.0)
    written = io.BytesIO()
    inside = f"{hyphenated}_GISdata_LTAy_YearlyMonthlyTotals_GlobalSolarAtlas-v2_GEOTIFF"
    with zipfile.ZipFile(written, "w") as packed:
        for name, value in (("GHI", ghi), ("PVOUT", ghi * 0.8), ("TEMP", 25.0), ("monthly/PVOUT_01", 1.0), ("DNI", 3.0)):
            path = folder / f"{name.replace('/', '_')}.tif"
            write_geotiff(np.full((1200, 3600), value, dtype=np.float32), grid, name, path)
            packed.write(path, f"{inside}/{name}.tif")
    return written.getvalue()


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("atlas")
    return {name: archive(folder / name, name, ghi) for name, ghi in (("Costa-Rica", 1800.0), ("Panama", 1700.0))}


def address(hyphenated: str) -> str:
    name = hyphenated.replace("-", "%20")
    return f"download/{name}/{hyphenated}_GISdata_LTAym_YearlyMonthlyTotals_GlobalSolarAtlas-v2_GEOTIFF.zip"


def atlas(server: RepositoryServer, **origin: object) -> Context:
    """The product's entry, of another server."""
    facts = load_context_manifest()["global_solar_atlas"].model_dump(mode="json")
    published = facts["source"]["origin"]["url"].removeprefix("https://api.globalsolaratlas.info")
    facts["source"]["origin"] |= {"url": f"{server.url}/files{published}", "names": NAMES, **origin}
    facts["source"]["distributions"][0]["checksums"] = {}
    return entry("global_solar_atlas", facts["source"], folder="solar_resource", version="2")


@pytest.fixture
def pv(home: Settings) -> Settings:
    land_pv(home, [COSTA_RICA])
    with connect(lake=home) as lake:
        lake.execute("CREATE TABLE lake.landing.natural_earth_admin_0 (iso_a2_eh VARCHAR, geometry GEOMETRY)")
        lake.executemany(
            "INSERT INTO lake.landing.natural_earth_admin_0 VALUES (?, ST_GeomFromWKB(?))",
            [[code, shapely.to_wkb(shape)] for code, shape in (BOUNDARIES | {"-99": shapely.box(-180, -90, 180, 90)}).items()],
        )
    return home


def test_the_archives_of_the_countries_that_pv_stands_in(
    pv: Settings, server: RepositoryServer, archives: dict[str, bytes]
) -> None:
    # A redirect to a signed address, as the atlas makes
    signed = server.publish("signed.zip", archives["Costa-Rica"]) + "?X-Amz-Signature=secret"
    server.publish(address("Costa-Rica"), b"", Answer(status=302, headers={"Location": signed}))
    server.publish(address("Panama"), archives["Panama"])
    outcome = ingested(pv, atlas(server))
    assert (outcome.status, outcome.origin) == ("landed", "repository"), outcome.error
    found = rows(
        pv,
        "SELECT variable, unit, period, per_year, min(value), max(value) FROM lake.landing.global_solar_atlas GROUP BY ALL ORDER BY ALL",
    )
    assert found == [
        ("ghi", "kWh/m2", "year", 1.0, 1800.0, 1800.0),
        ("pvout", "kWh/kWp", "year", 1.0, 1440.0, 1440.0),
        ("temperature", "degC", None, 1.0, 25.0, 25.0),
    ]
    (name,) = rows(pv, "SELECT DISTINCT split_part(source_file, '/', 1) FROM lake.landing.global_solar_atlas")
    assert name == (address("Costa-Rica").rsplit("/", 1)[-1],)
    asked = [request.path for request in server.requests]
    assert asked == [f"/files/{address('Costa-Rica')}", "/files/signed.zip"]
    assert "secret" not in "".join(path.read_text() for path in pv.cache_dir.rglob("*.json"))
    # Again nobody is asked; another country is one more archive
    assert ingested(pv, atlas(server)).status == "unchanged"
    assert len(server.requests) == 2
    land_pv(pv, [PANAMA], key="more_pv")
    more = ingested(pv, atlas(server))
    assert (more.status, more.origin) == ("landed", "cache, repository"), more.error
    assert [request.path for request in server.requests[2:]] == [f"/files/{address('Panama')}"]
    assert rows(pv, "SELECT DISTINCT value FROM lake.landing.global_solar_atlas WHERE variable = 'ghi' ORDER BY ALL") == [
        (1700.0,),
        (1800.0,),
    ]


def test_a_country_without_an_archive_is_an_outcome(pv: Settings, server: RepositoryServer, archives: dict[str, bytes]) -> None:
    land_pv(pv, [PANAMA, shapely.Point(-85.0, 13.0)], key="more_pv")
    server.publish(address("Costa-Rica"), archives["Costa-Rica"])
    context = atlas(server, names={"CR": "Costa Rica", "PA": "Panama"})
    outcome = ingested(pv, context)
    assert outcome.status == "landed", outcome.error
    query = "SELECT error_kind, error_message FROM lake.landing.ingest_outcomes WHERE status = 'absent' ORDER BY error_message"
    assert [(kind, text.partition(":")[0]) for kind, text in rows(pv, query)] == [("no_data", "NI"), ("no_data", "PA")]
    texts = [text for _, text in rows(pv, query)]
    assert "no name of this country" in texts[0]
    assert "does not exist (HTTP 404)" in texts[1]
    asked = len(server.requests)
    assert ingested(pv, context).status == "unchanged"
    assert len(server.requests) == asked
    # When it is told to look again
    server.publish(address("Panama"), archives["Panama"])
    assert ingested(pv, context, refresh=True).status == "landed"


def test_off_a_coast_the_countries_around_are_asked_for(
    home: Settings, pv: Settings, server: RepositoryServer, archives
) -> None:
    land_pv(home, [OFF_THE_COAST], key="some_pv")
    server.publish(address("Costa-Rica"), archives["Costa-Rica"])
    assert ingested(home, atlas(server)).status == "landed"
    assert f"/files/{address('Costa-Rica')}" in {request.path for request in server.requests}


def test_a_file_of_the_mirror_serves_its_country(pv: Settings, server: RepositoryServer, archives, tmp_path: Path) -> None:
    land_pv(pv, [PANAMA], key="more_pv")
    server.publish(address("Panama"), archives["Panama"])
    mirror = tmp_path / "mirror" / "solar_resource"
    mirror.mkdir(parents=True)
    (mirror / address("Costa-Rica").rsplit("/", 1)[-1]).write_bytes(archives["Costa-Rica"])
    outcome = ingested(pv, atlas(server), mirror=str(tmp_path / "mirror"))
    assert (outcome.status, outcome.origin) == ("landed", "mirror, repository"), outcome.error
    assert [request.path for request in server.requests] == [f"/files/{address('Panama')}"]


def test_a_server_that_refuses_programs_is_an_error(pv: Settings, server: RepositoryServer) -> None:
    server.publish(address("Costa-Rica"), b"", Answer(status=403))
    outcome = ingested(pv, atlas(server))
    assert (outcome.status, outcome.error_kind) == ("failed", "remote")
    assert "HTTP 403" in outcome.error


def test_without_boundaries_nobody_knows_the_countries(home: Settings, server: RepositoryServer) -> None:
    land_pv(home, [COSTA_RICA])
    outcome = ingested(home, atlas(server))
    assert (outcome.status, outcome.error_kind) == ("failed", "lake_not_found")
    assert "natural_earth_admin_0" in outcome.error
    assert server.requests == []


def test_more_countries_than_may_be_asked_for(pv: Settings, server: RepositoryServer) -> None:
    land_pv(pv, [PANAMA], key="more_pv")
    outcome = ingested(pv, atlas(server, max_countries=1))
    assert (outcome.status, outcome.error_kind) == ("failed", "too_many_places")
    assert server.requests == []


def test_a_name_that_is_kept_as_absent_is_a_json_of_the_cache(pv: Settings, server: RepositoryServer) -> None:
    land_pv(pv, [PANAMA])
    outcome = ingested(pv, atlas(server))
    assert (outcome.status, outcome.rows) == ("landed", 0), outcome.error
    (kept,) = pv.cache_dir.rglob("*.absent.json")
    assert json.loads(kept.read_text())["reason"].endswith("does not exist (HTTP 404)")
