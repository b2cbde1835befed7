"""Landing of STAC items: what is new of one catalog run, as new versions, in one DuckLake commit, or nothing.

Records are staged in temporary tables of the connection, which spill to disk; the lake is written to once, at the end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched
from typing import Any

import duckdb
import pyarrow as pa
import shapely
from pystac.validation.local_validator import VERSION

from dataflows.outcomes import OutcomeRecorder, measures, write_outcomes
from dataflows.raw.landed_table import Commit, snapshot_of, transaction
from dataflows.raw.stac_assets import asset_rows
from dataflows.raw.stac_checking import CheckedItem, Refusal
from dataflows.raw.stac_identity import canonical_json
from db.sql import identifier
from ingest.stac_manifest import Catalog

BATCH_RECORDS = 500

ITEM_COLUMNS = {
    "catalog": "VARCHAR",
    "collection": "VARCHAR",
    "item_id": "VARCHAR",
    "version": "INTEGER",
    "stac_version": "VARCHAR",
    "datetime": "TIMESTAMPTZ",
    "start_datetime": "TIMESTAMPTZ",
    "end_datetime": "TIMESTAMPTZ",
    "updated": "TIMESTAMPTZ",
    "geometry": "GEOMETRY",
    "properties": "JSON",
    "item_sha256": "VARCHAR",
    "source": "VARCHAR",
    "ingested_at": "TIMESTAMPTZ",
    "ingest_run_id": "VARCHAR",
}
ASSET_COLUMNS = {
    "catalog": "VARCHAR",
    "collection": "VARCHAR",
    "item_id": "VARCHAR",
    "version": "INTEGER",
    "asset_key": "VARCHAR",
    "href": "VARCHAR",
    "media_type": "VARCHAR",
    "roles": "VARCHAR[]",
    "title": "VARCHAR",
    "bands": "VARCHAR[]",
    "gsd_m": "DOUBLE",
    "epsg": "INTEGER",
    "proj_shape": "INTEGER[]",
    "proj_transform": "DOUBLE[]",
    "data_type": "VARCHAR",
    "nodata": "DOUBLE",
    "scale": "DOUBLE",
    "value_offset": "DOUBLE",
    "checksum": "VARCHAR",
    "extra": "JSON",
}
QUARANTINE_COLUMNS = {
    "catalog": "VARCHAR",
    "source": "VARCHAR",
    "collection": "VARCHAR",
    "item_id": "VARCHAR",
    "reason": "VARCHAR",
    "item": "JSON",
    "ingested_at": "TIMESTAMPTZ",
    "ingest_run_id": "VARCHAR",
}
CATALOG_COLUMNS = {
    "catalog": "VARCHAR",
    "title": "VARCHAR",
    "kind": "VARCHAR",
    "documentation": "VARCHAR",
    "licence": "VARCHAR",
    "commercial_use": "VARCHAR",
    "ingested_at": "TIMESTAMPTZ",
    "ingest_run_id": "VARCHAR",
}
CATALOGS = "stac_catalogs"
TABLES: dict[str, Mapping[str, str]] = {
    "stac_items": ITEM_COLUMNS,
    "stac_assets": ASSET_COLUMNS,
    "stac_quarantine": QUARANTINE_COLUMNS,
}
_ARROW = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "JSON": pa.string(),
    "INTEGER": pa.int32(),
    "INTEGER[]": pa.list_(pa.int32()),
    "DOUBLE": pa.float64(),
    "DOUBLE[]": pa.list_(pa.float64()),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "GEOMETRY": pa.binary(),
}
# The lake's columns that are known only at the end
_LATER = frozenset({"catalog", "version", "ingested_at", "ingest_run_id"})


@dataclass(frozen=True)
class Staged:
    """What stands in the temporary tables.

    Attributes:
        items: records that are items, an item once for each time it was found.
        refused: records that are not, by reason.
        migrated: items that were published in another version of STAC than they are landed in.
    """

    items: int
    refused: dict[str, int]
    migrated: int


@dataclass(frozen=True)
class StacReceipt:
    """What landing did.

    Attributes:
        catalog: key.
        new: items that the lake did not hold.
        changed: items that it held with another content: new versions.
        unchanged: items that it held already.
        stale: items that it holds in a version that the publisher updated later.
        assets: rows of assets written.
        quarantined: rows of the quarantine written.
        snapshot: DuckLake snapshot; ``None`` when there was nothing to write.
    """

    catalog: str
    new: int
    changed: int
    unchanged: int
    stale: int
    assets: int
    quarantined: int
    snapshot: int | None = None


@measures.register
def _(result: Staged) -> dict[str, int]:
    return {"rows": result.items + sum(result.refused.values())}


@measures.register
def _(result: StacReceipt) -> dict[str, int]:
    return {"rows": result.new + result.changed}


def ensure_tables(lake: duckdb.DuckDBPyConnection) -> None:
    """Create ``landing.stac_items``, ``stac_assets``, ``stac_quarantine`` and ``stac_catalogs`` where they are missing."""
    for name, columns in {**TABLES, CATALOGS: CATALOG_COLUMNS}.items():
        listed = ", ".join(f"{identifier(column)} {kind}" for column, kind in columns.items())
        lake.execute(f"CREATE TABLE IF NOT EXISTS {_table(name)} ({listed})")


def stage(lake: duckdb.DuckDBPyConnection, records: Iterable[CheckedItem | Refusal]) -> Staged:
    """Read a stream to its end into temporary tables of this connection, a batch at a time."""
    for name, columns in TABLES.items():
        listed = ", ".join(f"{identifier(column)} {kind}" for column, kind in columns.items() if column not in _LATER)
        lake.execute(f"CREATE OR REPLACE TEMP TABLE {_staging(name)} (record BIGINT, {listed})")
    items = migrated = 0
    refused: Counter[str] = Counter()
    for batch in batched(enumerate(records), BATCH_RECORDS):
        good = [(number, record) for number, record in batch if isinstance(record, CheckedItem)]
        bad = [(number, record) for number, record in batch if isinstance(record, Refusal)]
        _insert(lake, "stac_items", [{"record": number, **item_row(item)} for number, item in good])
        assets = [{"record": number, **_key(item), **row} for number, item in good for row in asset_rows(item.item)]
        _insert(lake, "stac_assets", assets)
        _insert(lake, "stac_quarantine", [{"record": number, **quarantine_row(refusal)} for number, refusal in bad])
        items += len(good)
        migrated += sum(item.stac_version != VERSION for _, item in good)
        refused.update(refusal.reason for _, refusal in bad)
    return Staged(items, dict(refused), migrated)


def item_row(item: CheckedItem) -> dict[str, Any]:
    """Columns of ``landing.stac_items`` that an item has by itself; the geometry as WKB."""
    return {
        **_key(item),
        "stac_version": item.stac_version,
        "datetime": item.at,
        "start_datetime": item.start,
        "end_datetime": item.end,
        "updated": item.updated,
        "geometry": shapely.to_wkb(item.geometry),
        "properties": canonical_json(item.item["properties"]),
        "item_sha256": item.sha256,
        "source": item.record.source,
    }


def quarantine_row(refusal: Refusal) -> dict[str, Any]:
    """Columns of ``landing.stac_quarantine`` that a refused record has by itself; what is no JSON object stands as a text."""
    record = refusal.record
    item = record.item or {}
    return {
        "source": record.where,
        "collection": item["collection"] if isinstance(item.get("collection"), str) else None,
        "item_id": item["id"] if isinstance(item.get("id"), str) else None,
        "reason": refusal.reason,
        "item": _json_or_text(record.text if record.item is None else record.item),
    }


def _json_or_text(value: object) -> str:
    try:
        return canonical_json(value)
    except ValueError:  # not finite
        return json.dumps(str(value))


def _key(item: CheckedItem) -> dict[str, Any]:
    return {"collection": item.item["collection"], "item_id": item.item["id"]}


def _insert(lake: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns = {column: kind for column, kind in TABLES[name].items() if column not in _LATER}
    schema = pa.schema([("record", pa.int64()), *((column, _ARROW[kind]) for column, kind in columns.items())])
    batch = pa.Table.from_pylist(rows, schema=schema)
    values = [f"ST_GeomFromWKB({column})" if kind == "GEOMETRY" else identifier(column) for column, kind in columns.items()]
    lake.register("stac_batch", batch)
    try:
        lake.execute(f"INSERT INTO {_staging(name)} SELECT record, {', '.join(values)} FROM stac_batch")
    finally:
        lake.unregister("stac_batch")


def land(
    lake: duckdb.DuckDBPyConnection,
    *,
    catalog: Catalog,
    run_id: str,
    landed_at: datetime,
    author: str,
    recorder: OutcomeRecorder,
) -> StacReceipt:
    """Append what is staged and new, in one transaction with the run's outcomes; nothing is written where nothing is new.

    Of several contents of one item in a run, the one updated last counts (of equal ones the one with the smaller hash), so that
    the order of records has no influence. It is a new version unless the lake's latest version has the same content, or was
    updated later. A refused record is quarantined unless the same one has been for the same reason (a nameless one: in the
    same place).

    Every landing replaces the catalog's row in ``landing.stac_catalogs``: of two that run at once, the later commit is refused,
    where both would otherwise append the same versions.

    Raises:
        duckdb.TransactionException: another process landed the same catalog meanwhile; run it again.
    """
    receipt = _compare(lake, catalog.key)
    if not (receipt.new or receipt.changed or receipt.quarantined):
        return receipt
    known = {"catalog": catalog.key, "ingested_at": landed_at, "ingest_run_id": run_id}
    extra = {"catalog": catalog.key, "run_id": run_id, "new": receipt.new, "changed": receipt.changed}
    counts = f"{receipt.new} new, {receipt.changed} changed, {receipt.quarantined} quarantined"
    _register(lake, catalog, landed_at, run_id, author)
    commit = Commit(author, f"land STAC items of {catalog.key} ({counts})", extra)
    with transaction(lake, commit):
        # Against what this transaction sees, which the other comparison may not have seen
        receipt = _compare(lake, catalog.key)
        lake.execute(f"DELETE FROM {_table(CATALOGS)} WHERE catalog = ?", [catalog.key])
        _describe(lake, catalog, landed_at, run_id)
        _append(lake, "stac_items", "JOIN stac_news AS news USING (record)", known)
        _append(lake, "stac_assets", "JOIN stac_news AS news USING (record)", known)
        _append(lake, "stac_quarantine", "JOIN stac_bad_news USING (record)", known)
        write_outcomes(lake, [*recorder.outcomes, recorder.outcome("landed", "land", result=receipt)])
    return replace(receipt, snapshot=snapshot_of(lake, commit))


def _register(lake: duckdb.DuckDBPyConnection, catalog: Catalog, landed_at: datetime, run_id: str, author: str) -> None:
    """Make sure that there is a row of the catalog, which only one landing at a time can replace."""
    if lake.execute(f"SELECT 1 FROM {_table(CATALOGS)} WHERE catalog = ?", [catalog.key]).fetchone() is None:
        with transaction(lake, Commit(author, f"register STAC catalog {catalog.key}", {"run_id": run_id})):
            _describe(lake, catalog, landed_at, run_id)


def _describe(lake: duckdb.DuckDBPyConnection, catalog: Catalog, landed_at: datetime, run_id: str) -> None:
    facts = [
        catalog.key,
        catalog.title,
        catalog.source.kind,
        catalog.documentation,
        catalog.licence.id,
        catalog.licence.commercial,
    ]
    marks = ", ".join("?" * len(CATALOG_COLUMNS))
    lake.execute(f"INSERT INTO {_table(CATALOGS)} VALUES ({marks})", [*facts, landed_at, run_id])


def _compare(lake: duckdb.DuckDBPyConnection, catalog: str) -> StacReceipt:
    """Fill ``stac_news`` (record, version) and ``stac_bad_news`` (record), and count."""
    lake.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE stac_compared AS
        WITH newest AS (
            SELECT record, collection, item_id, updated, item_sha256 FROM {_staging("stac_items")}
            QUALIFY row_number() OVER (
                PARTITION BY collection, item_id
                ORDER BY updated DESC NULLS LAST, item_sha256, stac_version DESC, source, record
            ) = 1
        ),
        held AS (
            SELECT collection, item_id, max(version) AS version, arg_max(item_sha256, version) AS item_sha256,
                max_by(coalesce(updated, '-infinity'), version) AS updated
            FROM {_table("stac_items")} WHERE catalog = ? GROUP BY collection, item_id
        )
        SELECT newest.record, coalesce(held.version, 0) + 1 AS version,
            CASE
                WHEN held.version IS NULL THEN 'new'
                WHEN held.item_sha256 = newest.item_sha256 THEN 'unchanged'
                WHEN newest.updated < held.updated THEN 'stale'
                ELSE 'changed'
            END AS finding
        FROM newest LEFT JOIN held USING (collection, item_id)
        """,
        [catalog],
    )
    lake.execute(
        "CREATE OR REPLACE TEMP TABLE stac_news AS"
        " SELECT record, version FROM stac_compared WHERE finding IN ('new', 'changed')"
    )
    lake.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE stac_bad_news AS
        SELECT min(record) AS record FROM {_staging("stac_quarantine")} AS refused
        WHERE NOT EXISTS (
            SELECT 1 FROM {_table("stac_quarantine")} AS held
            WHERE held.catalog = ? AND held.reason = refused.reason AND held.item::VARCHAR = refused.item::VARCHAR
                AND (held.source = refused.source OR refused.item_id IS NOT NULL)
        )
        GROUP BY reason, item::VARCHAR, CASE WHEN item_id IS NULL THEN source END
        """,
        [catalog],
    )
    findings = dict(lake.execute("SELECT finding, count(*) FROM stac_compared GROUP BY finding").fetchall())
    (assets,) = lake.execute(f"SELECT count(*) FROM {_staging('stac_assets')} JOIN stac_news USING (record)").fetchone() or (0,)
    (quarantined,) = lake.execute("SELECT count(*) FROM stac_bad_news").fetchone() or (0,)
    counts = {name: findings.get(name, 0) for name in ("new", "changed", "unchanged", "stale")}
    return StacReceipt(catalog, **counts, assets=assets, quarantined=quarantined)


def _append(lake: duckdb.DuckDBPyConnection, name: str, join: str, known: dict[str, Any]) -> None:
    columns = TABLES[name]
    given = [column for column in columns if column in known]
    values = ["?" if column in known else "news.version" if column == "version" else f"staged.{column}" for column in columns]
    lake.execute(
        f"INSERT INTO {_table(name)} SELECT {', '.join(values)} FROM {_staging(name)} AS staged {join} ORDER BY record",
        [known[column] for column in given],
    )


def _table(name: str) -> str:
    return identifier("lake", "landing", name)


def _staging(name: str) -> str:
    return f"staged_{name}"
