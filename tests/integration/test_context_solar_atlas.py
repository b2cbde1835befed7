"""Archives of countries from a web server: those that PV stands in, what is taken of them, and those that are not there."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from acquisition_support import IMPATIENT
from affine import Affine
from context_lake import entry, ingested, land_pv, rows
from repository_server import Answer, RepositoryServer

from dataflows.sample.context.irradiance import write_geotiff
from db import connect
from db.errors import LakeNotFoundError, NotHeldError, RemoteError, TooManyPlacesError
from db.settings import Settings
from ingest import solar_atlas
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context, load_context_manifest
from ingest.context_origins import gather

NAMES = {"CR": "Costa Rica", "PA": "Panama", "NI": "Nicaragua"}
COSTA_RICA, PANAMA = shapely.Point(-84.0, 9.9), shapely.Point(-80.0, 8.5)
OFF_THE_COAST = shapely.Point(-83.02, 9.95)
BOUNDARIES = {
    "CR": shapely.box(-86, 8.2, -83.05, 11.0),
    "PA": shapely.box(-82.95, 7.2, -77.2, 9.9),
    "NI": shapely.box(-87, 11.05, -83.6, 15),
}


def archive(folder: Path, hyphenated: str, ghi: float) -> bytes:
    """Laid out as the atlas has them: years in a folder, months below it."""
    folder.mkdir(parents=True)
    grid = Affine(0.01, 0, -86, 0, -0.01, 11.0)
    written = io.BytesIO()
    inside = f"{hyphenated}_GISdata_LTAy_YearlyMonthlyTotals_GlobalSolarAtlas-v2_GEOTIFF"
    with zipfile.ZipFile(written, "w") as packed:
        for name, value in (("GHI", ghi), ("PVOUT", ghi * 0.8), ("TEMP", 25.0), ("monthly/PVOUT_01", 1.0), ("DNI", 3.0)):
            path = folder / f"{name.replace('/', '_')}.tif"
            write_geotiff(np.full((300, 900), value, dtype=np.float32), grid, name, path)
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
            [[code, shapely.to_wkb(shape)] for code, shape in BOUNDARIES.items()],
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
    columns = "variable, unit, period, per_year, min(value), max(value)"
    found = rows(pv, f"SELECT {columns} FROM lake.landing.global_solar_atlas GROUP BY ALL ORDER BY ALL")
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
    query = "SELECT DISTINCT value FROM lake.landing.global_solar_atlas WHERE variable = 'ghi' ORDER BY ALL"
    assert rows(pv, query) == [(1700.0,), (1800.0,)]


def test_a_country_without_an_archive_is_an_outcome(pv: Settings, server: RepositoryServer) -> None:
    # Off a coast it is the countries around that are asked for; Panama has no archive here, and Costa Rica no name
    land_pv(pv, [OFF_THE_COAST])
    context = atlas(server, names={"PA": "Panama"})
    outcome = ingested(pv, context)
    assert (outcome.status, outcome.rows) == ("landed", 0), outcome.error
    query = "SELECT error_kind, error_message FROM lake.landing.ingest_outcomes WHERE status = 'absent' ORDER BY error_message"
    costa_rica, panama = rows(pv, query)
    assert costa_rica == ("no_data", "CR: The manifest has no name of this country, see 'names'")
    assert panama[1].startswith("PA: ")
    assert panama[1].endswith("does not exist (HTTP 404)")
    assert ingested(pv, context).status == "unchanged"
    assert len(server.requests) == 1


@pytest.fixture
def access(tmp_path: Path) -> ContextAccess:
    return ContextAccess(tmp_path / "cache", retry=IMPATIENT)


def test_what_is_not_there_is_asked_for_again_when_it_is_told_to(
    server: RepositoryServer, archives: dict[str, bytes], access: ContextAccess
) -> None:
    context = atlas(server)
    for _ in range(2):
        pieces = solar_atlas.archives(context, context.origin, ["PA"], [], access)
        assert [absence.place for absence in pieces.absent] == ["PA"]
    assert len(server.requests) == 1
    server.publish(address("Panama"), archives["Panama"])
    pieces = solar_atlas.archives(context, context.origin, ["PA"], [], replace(access, refresh=True))
    assert [file.path.read_bytes() for file in pieces.files] == [archives["Panama"]]


def test_a_file_of_the_mirror_serves_its_country(
    server: RepositoryServer, archives: dict[str, bytes], access: ContextAccess, tmp_path: Path
) -> None:
    server.publish(address("Panama"), archives["Panama"])
    mirror = tmp_path / "mirror" / "solar_resource"
    mirror.mkdir(parents=True)
    (mirror / address("Costa-Rica").rsplit("/", 1)[-1]).write_bytes(archives["Costa-Rica"])
    mirrored = replace(access, mirror=str(tmp_path / "mirror"))
    gathered = gather(atlas(server), mirrored, countries=["CR", "PA"])
    assert [file.origin for file in gathered.acquisition.files] == ["mirror", "repository"]
    assert [request.path for request in server.requests] == [f"/files/{address('Panama')}"]
    # The mirror serves also where nobody knows in which countries PV stands
    assert [file.origin for file in gather(atlas(server), mirrored).acquisition.files] == ["mirror"]


def test_a_server_that_refuses_programs_is_an_error(server: RepositoryServer, access: ContextAccess) -> None:
    server.publish(address("Costa-Rica"), b"", Answer(status=403))
    with pytest.raises(RemoteError, match="HTTP 403"):
        gather(atlas(server), access, countries=["CR"])


def test_one_refusal_among_others_is_of_that_country(
    server: RepositoryServer, archives: dict[str, bytes], access: ContextAccess
) -> None:
    server.publish(address("Costa-Rica"), b"", Answer(status=403))
    server.publish(address("Panama"), archives["Panama"])
    gathered = gather(atlas(server), access, countries=["CR", "PA"])
    assert [absence.place for absence in gathered.absent] == ["CR"]
    assert len(gathered.acquisition.files) == 1


def test_without_boundaries_nobody_knows_the_countries(server: RepositoryServer, access: ContextAccess) -> None:
    with pytest.raises(LakeNotFoundError, match="natural_earth_admin_0"):
        gather(atlas(server), access, countries=None)
    assert server.requests == []


def test_more_countries_than_may_be_asked_for(server: RepositoryServer, access: ContextAccess) -> None:
    with pytest.raises(TooManyPlacesError, match="max_countries"):
        gather(atlas(server, max_countries=1), access, countries=["CR", "PA"])
    assert server.requests == []


def test_offline_without_anything_it_is_not_held(server: RepositoryServer, access: ContextAccess) -> None:
    with pytest.raises(NotHeldError, match="global_solar_atlas is not in the cache"):
        gather(atlas(server), replace(access, offline=True), countries=["CR"])
