"""``eopv stac ingest`` from a real STAC API server: what is landed is what the server's own tables hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import shapely
import yaml
from pgstac_server import PgstacServer
from stac_searches import World, flat

from db import Settings, connect
from db.settings import using
from eopv.cli import main
from ingest.stac_manifest import StacManifest

pytestmark = pytest.mark.xdist_group("pgstac")


def test_a_whole_ingest_lands_what_the_server_holds(
    stac_world: World, pgstac: PgstacServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = stac_world.policies["to land"]
    names = flat(wanted.found_by_sql(pgstac, stac_world.collections))
    assert names
    (place,) = wanted.areas
    entry = wanted.entry(pgstac.url, stac_world.collections)
    manifest = tmp_path / "stac.yml"
    document = StacManifest(catalogs={"demo": entry}).model_dump(mode="json", exclude_defaults=True)
    del document["catalogs"]["demo"]["key"]
    manifest.write_text(yaml.safe_dump(document))
    lake = Settings(home=tmp_path / "home", _env_file=None)

    def ingest() -> dict[str, Any]:
        capsys.readouterr()
        with using(lake), pytest.raises(SystemExit) as ended:
            main(["stac", "ingest", "demo", "--manifest", str(manifest), "--json", "--bbox", *map(str, place.bounds)])
        assert not ended.value.code
        (outcome,) = json.loads(capsys.readouterr().out)
        return outcome

    def rows(query: str) -> list[tuple[Any, ...]]:
        with connect(read_only=True, lake=lake) as con:
            return con.sql(query).fetchall()

    first = ingest()
    assert (first["status"], first["new"], first["quarantined"]) == ("landed", len(names), 0)

    of_server = pgstac.rows(
        """
        SELECT collection, id, ST_AsBinary(geometry), (content->'properties'->>'eo:cloud_cover')::float,
            (content->'properties'->>'datetime')::timestamptz, content->'properties'->>'platform'
        FROM items WHERE id = ANY(%s) ORDER BY 1, 2
        """,
        [names],
    )
    landed = rows(
        """
        SELECT collection, item_id, ST_AsWKB(geometry)::BLOB, (properties->>'$."eo:cloud_cover"')::DOUBLE, datetime,
            properties->>'$.platform'
        FROM landing.stac_items ORDER BY 1, 2
        """
    )
    assert [row[:2] + row[3:] for row in landed] == [row[:2] + row[3:] for row in of_server]
    footprints = zip(landed, of_server, strict=True)
    assert all(shapely.from_wkb(bytes(ours[2])).equals(shapely.from_wkb(bytes(theirs[2]))) for ours, theirs in footprints)
    # An asset that an item lacks is a mark in place of an object
    assets = pgstac.rows(
        """
        SELECT collection, id, asset.key, asset.value->>'href'
        FROM items, jsonb_each(content->'assets') AS asset
        WHERE id = ANY(%s) AND jsonb_typeof(asset.value) = 'object'
        """,
        [names],
    )
    assert sorted(rows("SELECT collection, item_id, asset_key, href FROM landing.stac_assets")) == sorted(assets)

    again = ingest()
    assert (again["status"], again["snapshot"], again["unchanged"]) == ("unchanged", None, len(names))

    ((changed,),) = pgstac.rows("SELECT get_item(id, collection) FROM items WHERE id = %s", [names[0]])
    changed["properties"]["updated"] = "2026-01-01T00:00:00Z"
    changed["properties"]["eo:cloud_cover"] = 0.5
    before = [item for item in stac_world.items if item["id"] == names[0]]
    pgstac.load([changed])
    try:
        third = ingest()
    finally:
        pgstac.load(before)
    assert (third["status"], third["new"], third["changed"], third["unchanged"]) == ("landed", 0, 1, len(names) - 1)
    versions = rows(f"SELECT version, properties->>'$.\"eo:cloud_cover\"' FROM landing.stac_items WHERE item_id = '{names[0]}'")
    assert sorted(versions)[1] == (2, "0.5")
    assert len(versions) == 2
