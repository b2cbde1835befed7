{{ landed_or_empty("stac_assets", {
    "catalog": "varchar", "collection": "varchar", "item_id": "varchar", "version": "integer", "asset_key": "varchar",
    "href": "varchar", "media_type": "varchar", "roles": "varchar[]", "title": "varchar", "bands": "varchar[]", "gsd_m": "double",
    "epsg": "integer", "proj_shape": "integer[]", "proj_transform": "double[]", "data_type": "varchar", "nodata": "double",
    "scale": "double", "value_offset": "double", "checksum": "varchar", "extra": "json"
}) }}
