{{ landed_or_empty("cube_chip_statistics", {
    "installation_id": "varchar", "chip_number": "smallint", "collection": "varchar", "epsg": "integer", "period": "date",
    "item_id": "varchar", "band": "varchar", "n_pixels": "bigint", "min": "double", "max": "double", "mean": "double",
    "variance": "double", "skewness": "double", "entropy_bits": "double", "icechunk_snapshot": "varchar"
}) }}
