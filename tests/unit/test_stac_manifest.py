"""The manifest of catalogs: the product's own, its schema, and errors that name the offending key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from db.errors import CatalogNotFoundError, ManifestError
from ingest.stac_manifest import ApiSource, Catalog, StacManifest, interval, load_stac_manifest

# Keys and kinds of the predecessor's manifest; Satellogic's 7.1 million documents are read from one file instead
REFERENCE = {
    "earth_search_aws": "api",
    "maxar_open_data": "static",
    "satellogic_earthview": "geoparquet",
    "planetary_computer": "api",
    "overture_maps": "static",
}


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "title": "A catalog",
        "documentation": "https://example.org",
        "licence": {"id": "CC-BY-4.0", "commercial": "yes"},
        "source": {"kind": "api", "url": "https://example.org/v1"},
        **changes,
    }


def load(tmp_path: Path, content: dict[str, Any]) -> StacManifest:
    path = tmp_path / "stac.yml"
    path.write_text(yaml.safe_dump({"catalogs": {"a_catalog": content}}))
    return load_stac_manifest(path)


def test_every_catalog_of_the_predecessor_is_there() -> None:
    catalogs = load_stac_manifest().catalogs
    assert {key: catalogs[key].source.kind for key in REFERENCE} == REFERENCE
    assert [key for key, catalog in catalogs.items() if catalog.status == "planned"] == ["overture_maps"]


def test_no_cloud_limit_hides_collections_that_state_no_clouds() -> None:
    catalog = load_stac_manifest()["earth_search_aws"]
    assert catalog.search.max_cloud_cover_pct == 20
    without = [name for name in catalog.collections if catalog.cloud_property(name) is None]
    assert without == ["sentinel-1-grd", "naip"]
    assert load_stac_manifest()["maxar_open_data"].cloud_property("an event of tomorrow") == "tile:clouds_percent"


def test_no_secret_and_no_query_stands_in_the_manifest() -> None:
    for catalog in load_stac_manifest().catalogs.values():
        urls = [catalog.source.url] if isinstance(catalog.source, ApiSource) else [*getattr(catalog.source, "urls", ())]
        assert not [url for url in urls if "?" in url or "@" in url]


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    with pytest.raises(CatalogNotFoundError, match=r"No catalog 'nowhere'.*earth_search_aws"):
        load_stac_manifest()["nowhere"]


def test_an_entry_knows_its_key(tmp_path: Path) -> None:
    assert load(tmp_path, entry())["a_catalog"].key == "a_catalog"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colections": {}}, r"a_catalog\.colections: Extra inputs"),
        ({"source": {"kind": "apii", "url": "https://example.org"}}, r"a_catalog\.source"),
        ({"source": {"kind": "api", "url": "https://example.org/v1?sig=1"}}, r"source\.api\.url"),
        ({"source": {"kind": "api", "url": "https://me:secret@example.org/v1"}}, r"source\.api\.url"),
        ({"source": {"kind": "static"}}, r"a static catalog has a 'url', or a 'file'"),
        ({"source": {"kind": "files"}}, r"items in files have 'urls', or 'files'"),
        ({"status": "planned"}, r"a planned catalog says why"),
        ({"auth": {"setting": "home"}}, r"a_catalog\.auth\.setting"),
        ({"search": {"max_cloud_cover_pct": 101}}, r"search\.max_cloud_cover_pct"),
        ({"search": {"datetime": "2024"}}, r"search\.datetime: .*is not an interval"),
        ({"search": {"datetime": "2024-02-01/2024-01-01"}}, r"ends before it starts"),
        ({"search": {"datetime": "../.."}}, r"is not an interval"),
        ({"search": {"group_resolution": 4, "h3_resolution": 3}}, r"'group_resolution' is coarser"),
        (
            {"source": {"kind": "files", "urls": ["https://example.org/a.json"]}, "search": {"filter": {"op": "="}}},
            r"'search.filter' is evaluated by a server",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint):
        load(tmp_path, entry(**changes))


def test_a_day_that_ends_an_interval_is_meant_whole() -> None:
    start, end = interval("2024-01-01/2024-01-31")
    assert start == datetime(2024, 1, 1, tzinfo=UTC)
    assert end == datetime(2024, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert interval("../2024-01-31T12:00:00Z") == (None, datetime(2024, 1, 31, 12, tzinfo=UTC))
    assert interval("2024-01-01/..")[1] is None


def test_entries_survive_a_round_trip(tmp_path: Path) -> None:
    for key, catalog in load_stac_manifest().catalogs.items():
        written = yaml.safe_load(yaml.safe_dump(catalog.model_dump(mode="json", exclude_defaults=True)))
        assert Catalog.model_validate(written) == catalog, key
