"""The manifest of context: the product's own, its schema, and errors that name the offending key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from db.errors import ContextNotFoundError, ManifestError
from ingest.context_manifest import NEWEST, ContextManifest, OvertureSource, load_context_manifest
from ingest.manifest import MirrorSource

KINDS = {
    "overture_division_area": "overture",
    "overture_building": "overture",
    "overture_infrastructure": "overture",
    "overture_land_use": "overture",
    "overture_land_cover": "overture",
    "natural_earth_admin_0": "vector",
    "natural_earth_admin_1": "vector",
    "global_solar_atlas": "raster",
    "nsrdb": "nsrdb",
    "pvgis_tmy": "pvgis_tmy",
}
OVERTURE = {"kind": "overture", "theme": "buildings", "type": "building"}
FILES = {"distributions": [{"name": "csv", "source": {"repository": "mirror"}}]}


def entry(source: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "title": "Something known",
        "url": "https://example.org",
        "citation": "Somebody",
        "licence": {"id": "CC-BY-4.0", "commercial": "yes"},
        "folder": "somewhere",
        "source": source,
        **changes,
    }


def load(tmp_path: Path, content: dict[str, Any]) -> ContextManifest:
    path = tmp_path / "context.yml"
    path.write_text(yaml.safe_dump({"contexts": {"an_entry": content}}))
    return load_context_manifest(path)


def test_every_entry_is_there_and_of_its_kind() -> None:
    contexts = load_context_manifest().contexts
    assert {key: context.source.kind for key, context in contexts.items()} == KINDS


def test_overture_is_read_from_its_own_bucket_in_its_newest_release() -> None:
    sources = [context.source for context in load_context_manifest().contexts.values() if context.source.kind == "overture"]
    assert {(source.url, source.region, source.endpoint, source.release) for source in sources} == {
        ("s3://overturemaps-us-west-2/release", "us-west-2", None, NEWEST)
    }
    assert {(source.theme, source.type) for source in sources} == {
        ("divisions", "division_area"),
        ("buildings", "building"),
        ("base", "infrastructure"),
        ("base", "land_use"),
        ("base", "land_cover"),
    }


def test_what_nobody_publishes_in_pieces_says_why() -> None:
    for context in load_context_manifest().contexts.values():
        mirrored = [isinstance(distribution.source, MirrorSource) for distribution in context.distributions]
        assert not mirrored or not all(mirrored) or context.notes


@pytest.mark.parametrize("release", ["newest", "2026-11-18.0", "2024-01-17-alpha.0"])
def test_releases(tmp_path: Path, release: str) -> None:
    source = load(tmp_path, entry({**OVERTURE, "release": release}))["an_entry"].source
    assert isinstance(source, OvertureSource)
    assert source.release == release


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (entry({**OVERTURE, "release": "latest"}), "contexts.an_entry.source.overture.release"),
        (entry({**OVERTURE, "url": "https://example.org"}), "contexts.an_entry.source.overture.url"),
        (entry({**OVERTURE, "endpoint": "http://name:secret@127.0.0.1"}), "source.overture.endpoint"),
        (entry({**OVERTURE, "them": "x"}), "Extra inputs are not permitted"),
        (entry(OVERTURE, version="1"), "files have a 'version'"),
        (entry(OVERTURE, status="planned"), "says why in 'reason'"),
        (entry(OVERTURE, folder="../elsewhere"), "climbs out of its folder"),
        (entry({"kind": "pvgis_tmy", **FILES}), "files have a 'version'"),
        (entry({"kind": "pvgis_tmy", "distributions": []}, version="1"), "at least 1 item"),
        (
            entry({"kind": "pvgis_tmy", "distributions": FILES["distributions"] * 2}, version="1"),
            "distribution names repeat: ['csv', 'csv']",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: dict[str, Any], said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, content)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ({"name": "ghi", "unit": "kWh/m2"}, "energy has a 'period'"),
        ({"name": "temperature", "unit": "degC", "period": "year"}, "a temperature has none"),
        ({"name": "ghi", "unit": "kWh/m2", "period": "day"}, "'per_year'"),
        ({"name": "ghi", "unit": "kWh/m2", "period": "year", "per_year": 365.25}, "'per_year'"),
        ({"name": "pvout", "unit": "kWh/m2", "period": "year"}, "'kWh/m2' is no unit of 'pvout'"),
    ],
)
def test_a_raster_says_what_its_values_are(tmp_path: Path, variable: dict[str, Any], said: str) -> None:
    raster = {"kind": "raster", **FILES, "variables": [{**variable, "files": {"include": ["*.tif"]}}]}
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, entry(raster, version="1"))
    assert said in str(caught.value)


def test_an_unknown_key_names_those_there_are() -> None:
    with pytest.raises(ContextNotFoundError, match="overture_division_area"):
        load_context_manifest()["overture"]
