"""The assets of scenes that virtual cubes are made of, as the lake lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dataflows.cubes.rasters.checksums import Promised
from db.lake import has_table, rows


@dataclass(frozen=True)
class SceneAsset:
    """One raster of one scene; a row of ``staging.stg_stac_assets`` with its item's time.

    Attributes:
        collection: of the item.
        item_id: of the item.
        asset_key: of the asset; names the array.
        href: URL or path of the raster, never signed.
        datetime: when the scene was taken, aware; ``None`` where the item does not say.
        version: of the item in the lake.
        bands: names in file order; may be empty.
        checksum: ``file:checksum``, a multihash in hex.
        scale: multiplied with stored values to get the quantity.
        offset: added after scaling.
        grid_code: MGRS tile, WRS path and row, or quad.
    """

    collection: str
    item_id: str
    asset_key: str
    href: str
    datetime: datetime | None
    version: int | None = None
    bands: tuple[str, ...] = ()
    checksum: str | None = None
    scale: float | None = None
    offset: float | None = None
    grid_code: str | None = None

    @property
    def promised(self) -> Promised:
        """What its item says of the file."""
        return Promised(self.collection, self.item_id, self.asset_key, self.href, self.checksum)


def scenes_in_lake(
    lake: duckdb.DuckDBPyConnection,
    *,
    collections: Iterable[str] | None = None,
    assets: Iterable[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    selected: bool = True,
) -> list[SceneAsset]:
    """GeoTIFF assets of the scenes in the lake, by collection, time, item and asset; empty where STAC was never built.

    Args:
        lake: connection.
        collections: only these.
        assets: only these asset keys.
        since: scenes at or after this time.
        until: scenes before this time.
        selected: only scenes that ``curated.pv_scenes`` chose for an installation.
    """
    if not has_table(lake, "staging", "stg_stac_assets"):
        return []
    chosen = "SEMI JOIN lake.curated.pv_scenes USING (catalog, collection, item_id, version)" if selected else ""
    found = rows(
        lake,
        f"""
        SELECT collection, item_id, asset_key, href, items.datetime, version,
            coalesce(bands, []) AS bands, checksum, scale, value_offset AS offset, items.grid_code
        FROM lake.staging.stg_stac_assets
        JOIN lake.staging.stg_stac_items AS items USING (catalog, collection, item_id, version)
        {chosen}
        WHERE is_geotiff
            AND ($1 IS NULL OR list_contains($1, collection))
            AND ($2 IS NULL OR list_contains($2, asset_key))
            AND ($3 IS NULL OR items.datetime >= $3)
            AND ($4 IS NULL OR items.datetime < $4)
        ORDER BY collection, items.datetime, item_id, asset_key
        """,
        [
            None if collections is None else list(collections),
            None if assets is None else list(assets),
            since,
            until,
        ],
    )
    return [SceneAsset(**{**row, "bands": tuple(row["bands"])}) for row in found]
