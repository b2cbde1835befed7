{{ landed_or_empty("stac_items", {
    "catalog": "varchar", "collection": "varchar", "item_id": "varchar", "version": "integer", "stac_version": "varchar",
    "datetime": "timestamptz", "start_datetime": "timestamptz", "end_datetime": "timestamptz", "updated": "timestamptz",
    "geometry": "geometry", "properties": "json", "item_sha256": "varchar", "source": "varchar", "ingested_at": "timestamptz",
    "ingest_run_id": "varchar"
}) }}
