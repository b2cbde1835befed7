{{ raw_context("nsrdb", {
    "series": "varchar", "latitude": "double", "longitude": "double", "elevation": "double", "time_index": "timestamptz",
    "ghi": "double", "dni": "double", "dhi": "double", "clearsky_ghi": "double", "clearsky_dni": "double", "clearsky_dhi": "double",
    "air_temperature": "double", "wind_speed": "double"
}) }}
