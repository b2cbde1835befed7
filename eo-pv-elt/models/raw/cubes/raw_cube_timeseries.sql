{{ landed_or_empty("cube_timeseries", {
    "installation_id": "varchar", "collection": "varchar", "epsg": "integer", "period": "date", "item_id": "varchar",
    "datetime": "timestamptz", "variable": "varchar", "mean": "double", "median": "double", "stdev": "double", "min": "double", "max": "double",
    "covered_m2": "double", "clear_share": "double", "icechunk_snapshot": "varchar"
}) }}
