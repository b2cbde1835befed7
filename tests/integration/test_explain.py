"""`eopv explain` on a resolved lake: every verdict, for observations set down beside the sample world."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import md5
from itertools import pairwise
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
from sample_lake import SampleLake
from shapely import Geometry, Point, box, to_wkb

from benchmarks.entity_resolution import observations
from dataflows.elt import run_dbt
from dataflows.prepared.explanation import Explanation, Verdict, explain
from db import Settings, connect
from db.errors import LakeError
from db.settings import using
from eopv.cli import main
from eopv.verdict import sentence

# In the southern ocean, where the sample world has nothing
LON, LAT = -120.0, -50.0
DEGREES_NORTH = 1 / 111_240
DEGREES_EAST = DEGREES_NORTH / math.cos(math.radians(LAT))
# Evidence enough for a link wherever two are near
ALIKE = {"operator": "Zephyr", "installed_year": 2015}
# May list parts of a site; any other name here is of a source that lists every site once
SEVERAL_ROWS = "deu_osm_pv_2023"


def place(east_m: float, north_m: float = 0) -> tuple[float, float]:
    return LON + east_m * DEGREES_EAST, LAT + north_m * DEGREES_NORTH


def outline(west_m: float, east_m: float, height_m: float, north_m: float = 0) -> Geometry:
    return box(*place(west_m, north_m), *place(east_m, north_m + height_m))


def strips(dataset: str, start_m: float, count: int) -> dict[str, dict[str, Any]]:
    """Squares of 100 m, each half over the next: one site as far as the guard on the extent lets them be.

    Steps grow by two millimetres, so that links are stronger the further west they are.
    """
    west_m = [start_m + 50 * n + 0.001 * n**2 for n in range(count)]
    return {
        f"{dataset} {n}": {"dataset": dataset.replace("*", str(n)), "geometry": outline(west, west + 100, 100)}
        for n, west in enumerate(west_m)
    }


SITES: dict[str, dict[str, Any]] = {
    "site": {"dataset": "one", "geometry": outline(0, 300, 300)},
    "again": {"dataset": "two", "geometry": outline(0, 290, 300)},
    "copy": {"dataset": "one", "geometry": outline(0, 300, 300), "duplicate_of": "site"},
    # two of one source in one of another
    "left": {"dataset": "one", "geometry": outline(10_000, 10_200, 200)},
    "right": {"dataset": "one", "geometry": outline(10_210, 10_300, 200)},
    "phase 1": {"dataset": "one", "geometry": outline(14_000, 14_100, 200)},
    "phase 2": {"dataset": "one", "geometry": outline(14_100, 14_200, 200)},
    "all phases": {"dataset": "two", "geometry": outline(14_000, 14_200, 200)},
    "both": {"dataset": "two", "geometry": outline(10_000, 10_230, 200)},
    "whole": {"dataset": "one", "geometry": outline(20_000, 21_000, 1000)},
    "part": {"dataset": "two", "geometry": outline(20_400, 20_500, 100)},
    **strips("short *", 30_000, 6),
    "end": {"dataset": "end", "geometry": outline(30_300, 30_400, 100), **ALIKE},
    "beyond": {"dataset": "tiles", "geometry": Point(place(30_460, 50)), "trust": "low", **ALIKE},
    **strips("long *", 40_000, 12),
    **strips(SEVERAL_ROWS, 50_000, 12),
    "near": {"dataset": "one", "geometry": outline(60_000, 60_200, 200), **ALIKE},
    "far": {"dataset": "two", "geometry": outline(60_230, 60_430, 200), **ALIKE},
    "between": {"dataset": "tiles", "geometry": Point(place(60_190, 100)), "trust": "low", **ALIKE},
    "alone": {"dataset": "tiles", "geometry": Point(place(70_000)), "trust": "low", **ALIKE},
    "company": {"dataset": "other tiles", "geometry": Point(place(70_020)), "trust": "low", **ALIKE},
    "named": {"dataset": "one", "geometry": Point(place(80_000)), "name": "Zanzara Solar Farm II"},
    "named afar": {"dataset": "two", "geometry": Point(place(120_000)), "name": "Zanzara"},
    "unplaced": {"dataset": "two", "geometry": None, "name": "Zanzara"},
}


Told = Callable[[str, str], Explanation]
Run = Callable[..., str]


def identity(name: str) -> str:
    return md5(name.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def settings(sample_lake: SampleLake, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the sample lake with the sites above, resolved."""
    folder = tmp_path_factory.mktemp("explained")
    shutil.copytree(sample_lake.settings.home, folder / "home")
    lake = Settings(home=folder / "home", _env_file=None)
    optional = {"name": None, "operator": None, "installed_year": None, "trust": "normal", "duplicate_of": None}
    rows = [
        {
            **optional,
            **site,
            "observation_id": identity(name),
            "source_feature_id": name,
            "level": "plant",
            "geometry": None if site["geometry"] is None else to_wkb(site["geometry"]),
            "duplicate_of": identity(site["duplicate_of"]) if "duplicate_of" in site else None,
        }
        for name, site in SITES.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "sites.parquet")
    with connect(lake=lake) as con:
        observations.append(con, folder / "sites.parquet")
    failures = [result for result in run_dbt("run", lake, arguments=("--select", "tag:resolution")) if result.failed]
    assert not failures, failures
    return lake


@pytest.fixture
def lake(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(read_only=True, lake=settings) as con:
        yield con


@pytest.fixture
def told(lake: duckdb.DuckDBPyConnection) -> Told:
    return lambda a, b: explain(lake, identity(a), identity(b))


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """What `eopv` prints: the result, or the error."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        with using(settings), pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        return captured.err if ended.value.code else captured.out

    return run


PAIRS = [
    ("site", "again", Verdict.ACCEPTED),
    ("copy", "again", Verdict.ACCEPTED),
    ("site", "copy", Verdict.EXACT_DUPLICATES),
    ("left", "both", Verdict.ACCEPTED),
    ("right", "both", Verdict.ONE_PER_SOURCE),
    ("left", "right", Verdict.LISTED_ONCE),
    ("phase 1", "all phases", Verdict.PHASE),
    ("part", "whole", Verdict.BELOW_THRESHOLD),
    ("short * 0", "short * 1", Verdict.ACCEPTED),
    ("short * 0", "short * 2", Verdict.JOINED_BY_OTHERS),
    ("end", "short * 0", Verdict.JOINED_BY_OTHERS),
    ("beyond", "end", Verdict.LOW_TRUST),
    ("between", "near", Verdict.ACCEPTED),
    ("far", "between", Verdict.LOW_TRUST),
    ("alone", "company", Verdict.LOW_TRUST),
    ("named", "named afar", Verdict.NO_CANDIDATE),
    ("named", "unplaced", Verdict.NO_GEOMETRY),
    ("site", "far", Verdict.NO_CANDIDATE),
    (f"{SEVERAL_ROWS} 0", f"{SEVERAL_ROWS} 11", Verdict.NO_CANDIDATE),
]


@pytest.mark.parametrize(("a", "b", "verdict"), PAIRS)
def test_the_verdict_whichever_is_named_first(told: Told, a: str, b: str, verdict: Verdict) -> None:
    assert [told(a, b).verdict, told(b, a).verdict] == [verdict, verdict]


@pytest.mark.parametrize(
    ("a", "b"), [("site", "again"), ("right", "both"), ("part", "whole"), ("short * 0", "short * 2"), ("alone", "company")]
)
def test_the_printed_bits_add_up_to_the_stored_weight(run: Run, settings: Settings, a: str, b: str) -> None:
    printed = run("explain", identity(a), identity(b))
    *bits, total = (float(number) for number in re.findall(r"([+-][\d.]+)│?$", printed, re.MULTILINE))
    (probability,) = re.findall(r"probability ([\d.]+)\s*│", printed)
    with connect(read_only=True, lake=settings) as con:
        query = (
            "FROM curated.pv_links SELECT match_weight, match_probability WHERE observation_id_a = ? AND observation_id_b = ?"
        )
        ((weight, stored),) = con.execute(query, sorted((identity(a), identity(b)))).fetchall()
    assert len(bits) == 1 + 8
    assert sum(bits) == pytest.approx(weight) == pytest.approx(total)
    assert 1 / (1 + 2 ** -sum(bits)) == pytest.approx(stored) == pytest.approx(float(probability), abs=1e-6)


def test_what_was_found_is_what_is_stored(told: Told) -> None:
    found = {comparison.name: comparison.found for comparison in told("right", "both").evidence.comparisons}
    assert found["geometry"]["overlap"] == pytest.approx(20 / 90)
    assert found["geometry"]["iou"] == pytest.approx(20 / 300)
    assert found["geometry"]["intersection_m2"] == pytest.approx(20 * 200, rel=0.01)


def test_the_rival_of_the_same_source_is_named_with_the_link_that_was_stronger(told: Told) -> None:
    explanation = told("right", "both")
    (rival,) = explanation.rivals
    assert (rival.dataset, rival.observation_id_a, rival.observation_id_b) == ("one", identity("right"), identity("left"))
    assert rival.chain_a == ()
    (link,) = rival.chain_b
    assert link.ends == {identity("left"), identity("both")}
    assert link.match_probability > explanation.evidence.match_probability
    assert identity("left")[:12] in sentence(explanation)


def test_a_pair_joined_by_others_is_told_by_their_links(told: Told) -> None:
    explanation = told("end", "short * 0")
    assert explanation.evidence is None
    way = [identity("end"), *(identity(f"short * {n}") for n in reversed(range(6)))]
    assert [link.ends for link in explanation.chain] == [frozenset(ends) for ends in pairwise(way)]
    assert explanation.a.installation_id == explanation.b.installation_id


@pytest.mark.parametrize("dataset", ["long *", SEVERAL_ROWS])
def test_a_site_too_long_is_cut_once_and_says_how_long(told: Told, dataset: str) -> None:
    explanations = [told(f"{dataset} {n}", f"{dataset} {n + 1}") for n in range(11)]
    cut = [explanation for explanation in explanations if explanation.verdict is not Verdict.ACCEPTED]
    assert [explanation.verdict for explanation in cut] == [Verdict.EXTENT]
    assert cut[0].extent.united_m == pytest.approx(550, rel=0.01)
    assert cut[0].extent.allowed_m < 550
    assert "550 m" in sentence(cut[0])


def test_low_trust_says_what_it_supports_instead_or_why_nothing(told: Told) -> None:
    supporting, alone = told("far", "between"), told("beyond", "end")
    assert supporting.attached.ends == {identity("near"), identity("between")}
    assert supporting.attached.match_probability > supporting.evidence.match_probability
    assert alone.attached is None
    assert alone.extent.united_m > alone.extent.allowed_m
    assert (alone.a.installation_id, told("alone", "company").a.installation_id) == (None, None)


def test_distance_and_words_of_a_pair_that_was_never_compared(told: Told) -> None:
    apart = told("named", "named afar").apart
    _, _, metres = pyproj.Geod(ellps="WGS84").inv(*place(80_000), *place(120_000))
    assert apart.centroid_distance_m == pytest.approx(metres, rel=1e-9)
    assert apart.shared_words == ["zanzara"]
    assert apart.search_radius_m < apart.named_radius_m < metres
    assert told("site", "far").apart.shared_words == []


def test_a_part_says_so_from_either_end(told: Told) -> None:
    part, whole = (f"pv-{identity(name)[:16]}" for name in ("part", "whole"))
    assert f"A's installation {part} is part of B's, {whole}" in sentence(told("part", "whole"))
    assert f"B's installation {part} is part of A's, {whole}" in sentence(told("whole", "part"))


def test_a_duplicate_is_explained_by_the_observation_that_stands_for_it(told: Told) -> None:
    assert told("copy", "again").evidence == told("site", "again").evidence
    assert f"A is an exact duplicate of {identity('site')[:12]}" in sentence(told("copy", "again"))


def test_json_has_all_of_it(run: Run) -> None:
    document = json.loads(run("explain", identity("right")[:12], identity("both")[:12].upper(), "--json"))
    assert (document["a"]["observation_id"], document["b"]["source_feature_id"]) == (identity("right"), "both")
    assert document["verdict"] == "one_per_source"
    assert document["rivals"][0]["observation_id_b"] == identity("left")
    assert identity("left")[:12] in document["sentence"]
    evidence = document["evidence"]
    bits = [comparison["weight_bits"] for comparison in evidence["comparisons"]]
    assert evidence["prior_bits"] + sum(bits) == pytest.approx(evidence["match_weight"])


def test_an_ambiguous_beginning_lists_the_candidates(run: Run, settings: Settings) -> None:
    with connect(read_only=True, lake=settings) as con:
        ids = [row[0] for row in con.execute("SELECT observation_id FROM prepared.prep_pv_observations").fetchall()]
    beginnings = Counter(observation_id[:3] for observation_id in ids)
    beginning = next(start for start, count in beginnings.items() if count == 2)
    cause, remedy = run("explain", beginning, identity("site")).strip().splitlines()
    assert cause.startswith("lake: ")
    assert all(observation_id in cause for observation_id in ids if observation_id.startswith(beginning))
    assert remedy == "→ Give more digits."


@pytest.mark.parametrize("named", ["pv-0123", "not hexadecimal", identity("site")])
def test_no_observation_or_the_same_twice(run: Run, named: str) -> None:
    cause, remedy = run("explain", named, identity("site")).strip().splitlines()
    assert cause.startswith("lake: ")
    assert named in cause
    assert remedy.startswith("→ ")


def test_a_lake_that_was_never_resolved(home: Settings) -> None:
    with connect(lake=home) as con, pytest.raises(LakeError, match="eopv build"):
        explain(con, identity("site"), identity("again"))
