"""Typical years from an API that answers as PVGIS does: which places are asked for, faults, and what is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h3.api.basic_int as h3
import numpy as np
import pytest
import shapely
from acquisition_support import IMPATIENT
from context_lake import entry, ingested, land_pv, rows
from repository_server import Answer, RepositoryServer

from dataflows.sample.context.irradiance import Place, write_pvgis_tmy
from dataflows.sample.context.sunshine import typical_year
from db.errors import RemoteError, TooManyPlacesError
from db.settings import Settings
from ingest import pvgis_api
from ingest.context_access import ContextAccess
from ingest.context_manifest import Context
from ingest.pieces import Pieces

# Two sites in one cell of resolution 5, one elsewhere, one in the sea
SITES = [shapely.Point(11.0, 48.0), shapely.Point(11.01, 48.01), shapely.Point(-120.0, 37.0), shapely.Point(0.0, -30.0)]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An answer of the API, of latitude LAT and longitude LON."""
    path = tmp_path_factory.mktemp("pvgis") / "year.csv"
    hours = typical_year(11.0, 48.0, 500.0, 1200.0, 9.0, np.random.default_rng(1))
    write_pvgis_tmy(hours, Place("Somewhere", "Anywhere", 11.0, 48.0, 500.0), path)
    return path.read_bytes().replace(b"degrees): 48.000", b"degrees): LAT").replace(b"degrees): 11.000", b"degrees): LON")


@dataclass
class Pvgis:
    """The API, with what was asked of it; ``before`` are answers in the place of its own, one a request."""

    year: bytes
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    before: list[Callable[[bytes], Answer]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, query: dict[str, list[str]]) -> Answer:
        lat, lon = query["lat"][0], query["lon"][0]
        assert query["outputformat"] == ["csv"]
        body = self.year.replace(b"LAT", lat.encode()).replace(b"LON", lon.encode())
        with self.lock:
            self.asked.append((lat, lon))
            first = self.before.pop(0) if self.before else None
        if first is not None:
            return first(body)
        if lat in self.broken:
            return Answer(status=500, body=b'{"message":"Internal Server Error","status":500}')
        if float(lat) < -29:
            message = {"message": "Location over the sea. Please, select another location", "status": 400}
            return Answer(status=400, body=json.dumps(message).encode())
        return Answer(body=body)


@pytest.fixture
def pvgis(server: RepositoryServer, year: bytes) -> Pvgis:
    api = Pvgis(year)
    api.url = server.respond("/api/v5_3/tmy", api.answer)
    return api


def years(api: Pvgis, **origin: object) -> Context:
    facts = {"url": api.url, "per_second": 30.0, **origin}
    files = [{"name": "csv", "source": {"repository": "mirror"}, "files": {"include": ["*.csv"]}}]
    source = {"kind": "pvgis_tmy", "distributions": files, "origin": facts}
    return entry("pvgis_tmy", source, folder="pvgis", version="5.3")


def stations(lake: Settings) -> list[tuple[float, float]]:
    return rows(lake, "SELECT DISTINCT latitude, longitude FROM lake.landing.pvgis_tmy ORDER BY ALL")


def test_each_cell_with_pv_is_asked_for_once(pvgis: Pvgis, home: Settings) -> None:
    land_pv(home, SITES)
    outcome = ingested(home, years(pvgis))
    assert (outcome.status, outcome.origin, outcome.rows) == ("landed", "repository", 2 * 8760), outcome.error
    # The centres of the cells, to three decimals
    cells = {h3.latlng_to_cell(site.y, site.x, 5) for site in SITES}
    centres = {(f"{lat:.3f}", f"{lng:.3f}") for lat, lng in map(h3.cell_to_latlng, cells)}
    assert sorted(pvgis.asked) == sorted(centres)
    assert {(f"{lat:.3f}", f"{lon:.3f}") for lat, lon in stations(home)} == {one for one in centres if float(one[0]) > 0}
    (sums,) = rows(
        home, "SELECT sum(ghi) / 2000, count(DISTINCT time_index), min(length(source_sha256)) FROM lake.landing.pvgis_tmy"
    )
    assert sums[0] == pytest.approx(1200, rel=1e-3)
    assert sums[1:] == (8760, 64)
    absent = "SELECT step, error_kind, error_message FROM lake.landing.ingest_outcomes WHERE status = 'absent'"
    ((step, kind, message),) = rows(home, absent)
    assert (step, kind) == ("fetch", "no_data")
    assert message.endswith("Location over the sea. Please, select another location")
    assert message.startswith("-30.") or message.startswith("-29.")


def test_a_second_run_asks_nobody(pvgis: Pvgis, home: Settings) -> None:
    land_pv(home, SITES)
    nothing = ingested(home, years(pvgis), offline=True)
    assert (nothing.status, nothing.error_kind, pvgis.asked) == ("absent", "not_held", [])
    ingested(home, years(pvgis))
    asked = len(pvgis.asked)
    again = ingested(home, years(pvgis))
    assert (again.status, again.origin) == ("unchanged", "cache")
    assert ingested(home, years(pvgis), offline=True).status == "unchanged"
    land_pv(home, [shapely.Point(30.0, 10.0)], key="more_pv")
    more = ingested(home, years(pvgis))
    assert (more.status, more.rows) == ("landed", 3 * 8760)
    assert len(pvgis.asked) == asked + 1
    # Of the places that nobody can be asked for, those that are known remain
    land_pv(home, [shapely.Point(80.0, 20.0)], key="yet_more_pv")
    assert ingested(home, years(pvgis), offline=True).rows == 3 * 8760


def test_a_file_of_the_mirror_serves_its_surroundings(pvgis: Pvgis, home: Settings, year: bytes, tmp_path: Path) -> None:
    land_pv(home, SITES[:3])
    mirror = tmp_path / "mirror" / "pvgis"
    mirror.mkdir(parents=True)
    (mirror / "here.csv").write_bytes(year.replace(b"LAT", b"48.050").replace(b"LON", b"11.050"))
    outcome = ingested(home, years(pvgis), mirror=str(tmp_path / "mirror"))
    assert (outcome.status, outcome.origin, outcome.rows) == ("landed", "mirror, repository", 2 * 8760), outcome.error
    ((lat, _),) = pvgis.asked
    assert lat.startswith(("36.", "37."))
    assert (48.05, 11.05) in stations(home)


def cut_by_the_server(body: bytes) -> Answer:
    return Answer(body=body[: len(body) // 2])


def asked_for(api: Pvgis, places: list[tuple[float, float]], cache: Path, offline: bool = False, **origin: object) -> Pieces:
    """What the API gives for places, without a lake."""
    context = years(api, **origin)
    access = ContextAccess(cache, offline=offline, retry=IMPATIENT)
    return pvgis_api.years(context, context.origin, np.array(places), [], access)


@pytest.mark.parametrize(
    "fault",
    [
        lambda body: Answer(status=429, headers={"Retry-After": "0"}),
        lambda body: Answer(status=529, body=b"Site is overloaded"),
        lambda body: Answer(status=503),
        lambda body: Answer(status=0),
        lambda body: Answer(body=body, send=0.5),
        cut_by_the_server,
    ],
    ids=["too many", "overloaded", "unavailable", "hangs up", "cut", "cut, and its length says so"],
)
def test_faults_that_pass(pvgis: Pvgis, tmp_path: Path, fault: Callable[[bytes], Answer]) -> None:
    pvgis.before = [fault, fault]
    (file,) = asked_for(pvgis, [(11.0, 48.0)], tmp_path).files
    assert len(pvgis.asked) == 3
    assert file.path.read_bytes() == pvgis.year.replace(b"LAT", b"48.000").replace(b"LON", b"11.000")


def test_what_was_answered_before_a_fault_is_kept(pvgis: Pvgis, tmp_path: Path) -> None:
    places = [(11.0, 48.0), (0.0, -30.0), (-120.0, 37.0)]
    pvgis.broken = {"37.000"}
    with pytest.raises(RemoteError, match="HTTP 500") as caught:
        asked_for(pvgis, places, tmp_path)
    assert "outputformat" not in str(caught.value)
    pvgis.broken, before = set(), len(pvgis.asked)
    pieces = asked_for(pvgis, places, tmp_path)
    assert (len(pieces.files), len(pieces.absent)) == (2, 1)
    assert pvgis.asked[before:] == [("37.000", "-120.000")]


def test_more_places_than_may_be_asked_for(pvgis: Pvgis, tmp_path: Path) -> None:
    with pytest.raises(TooManyPlacesError, match=r"2 places need a typical year, and 1 may be asked for.*max_stations"):
        asked_for(pvgis, [(11.0, 48.0), (-120.0, 37.0)], tmp_path, max_stations=1)
    assert pvgis.asked == []


def test_a_request_that_is_not_understood_is_an_error(pvgis: Pvgis, tmp_path: Path) -> None:
    pvgis.before = [lambda body: Answer(status=400, body=b'{"message":"outputformat: incorrect value.","status":400}')]
    with pytest.raises(RemoteError, match="outputformat: incorrect value"):
        asked_for(pvgis, [(11.0, 48.0)], tmp_path)
    # It is not known of the place
    assert len(asked_for(pvgis, [(11.0, 48.0)], tmp_path).files) == 1


def test_offline_nobody_is_asked(pvgis: Pvgis, tmp_path: Path) -> None:
    asked_for(pvgis, [(11.0, 48.0)], tmp_path)
    pieces = asked_for(pvgis, [(11.0, 48.0), (-120.0, 37.0)], tmp_path, offline=True)
    assert (len(pieces.files), pieces.missing) == (1, ["37.000, -120.000"])
    assert len(pvgis.asked) == 1


def test_pv_at_sea_alone_is_an_answer(pvgis: Pvgis, home: Settings) -> None:
    land_pv(home, SITES[3:])
    outcome = ingested(home, years(pvgis))
    assert (outcome.status, outcome.rows) == ("landed", 0), outcome.error
    assert ingested(home, years(pvgis)).status == "unchanged"
    assert len(pvgis.asked) == 1
