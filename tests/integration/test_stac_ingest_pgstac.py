"""``eopv stac ingest`` from a real STAC API server: what is landed is what the server's own tables hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h3
import pytest
import shapely
import yaml
from pgstac_server import PgstacServer
from stac_gateway import Gateway
from stac_searches import World, flat, made
from stac_world import catalog

from db import Settings, connect
from db.settings import using
from eopv.cli import main
from ingest.stac_manifest import Catalog, StacManifest

pytestmark = pytest.mark.xdist_group("pgstac")


def written(entry: Catalog, folder: Path) -> Path:
    """A manifest of one catalog, ``demo``."""
    document = StacManifest(catalogs={"demo": entry}).model_dump(mode="json", exclude_defaults=True)
    del document["catalogs"]["demo"]["key"]
    manifest = folder / "stac.yml"
    manifest.write_text(yaml.safe_dump(document))
    return manifest


def ingested(lake: Settings, manifest: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """What ``eopv stac ingest demo`` says."""
    capsys.readouterr()
    with using(lake), pytest.raises(SystemExit) as ended:
        main(["stac", "ingest", "demo", "--manifest", str(manifest), "--json", *more])
    assert not ended.value.code
    (outcome,) = json.loads(capsys.readouterr().out)
    return outcome


def test_a_whole_ingest_lands_what_the_server_holds(
    stac_world: World, pgstac: PgstacServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = stac_world.policies["to land"]
    names = flat(wanted.found_by_sql(pgstac, stac_world.collections))
    assert names
    (place,) = wanted.areas
    entry = wanted.entry(pgstac.url, stac_world.collections)
    manifest = written(entry, tmp_path)
    lake = Settings(home=tmp_path / "home", _env_file=None)

    def ingest() -> dict[str, Any]:
        return ingested(lake, manifest, capsys, "--bbox", *map(str, place.bounds))

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


def test_an_ingest_around_installations_lands_what_meets_their_cells(
    pgstac: PgstacServer, gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made().load(pgstac)
    lake = Settings(home=tmp_path / "home", _env_file=None)
    places = {"i-1": (10.5, 50.4), "i-2": (13.5, 50.6)}
    with connect(lake=lake) as con:
        con.execute(
            "CREATE TABLE lake.curated.pv_installations "
            "(installation_id VARCHAR, centroid_lon_deg DOUBLE, centroid_lat_deg DOUBLE)"
        )
        con.executemany("INSERT INTO lake.curated.pv_installations VALUES (?, ?, ?)", [[k, *v] for k, v in places.items()])
    cells = [h3.latlng_to_cell(lat, lon, 4) for lon, lat in places.values()]
    around = shapely.union_all([shapely.Polygon([(lon, lat) for lat, lon in h3.cell_to_boundary(cell)]) for cell in cells])

    def found(place: shapely.Geometry) -> list[str]:
        query = """
            SELECT id FROM items
            WHERE collection IN ('scenes', 'radar') AND ST_Intersects(geometry, ST_GeomFromText(%s, 4326)) ORDER BY id
        """
        return [name for (name,) in pgstac.rows(query, [place.wkt])]

    expected = found(around)
    # The margin of a kilometre decides nothing here
    assert found(around.buffer(0.02)) == expected
    assert 0 < len(expected) < len(made().items)
    entry = catalog("api", url=gateway.url, search={"within": "installations"}, collections={"scenes": {}, "radar": {}})
    outcome = ingested(lake, written(entry, tmp_path), capsys)
    assert (outcome["new"], outcome["unwanted"]) == (len(expected), 0)
    assert all("intersects" in answer.question for answer in gateway.answers)
    with connect(read_only=True, lake=lake) as con:
        landed = [name for (name,) in con.sql("SELECT item_id FROM landing.stac_items ORDER BY 1").fetchall()]
    assert landed == expected
