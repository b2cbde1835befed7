"""Columns of Overture Maps' GeoParquet files, by feature type.

Names, order and types follow files of real releases (buildings) and the schema's reference pages (the other types):
https://docs.overturemaps.org/schema/.
"""

from __future__ import annotations

import pyarrow as pa

BBOX = pa.struct([(side, pa.float32()) for side in ("xmin", "xmax", "ymin", "ymax")])

SOURCES = pa.list_(
    pa.struct(
        [
            ("property", pa.string()),
            ("dataset", pa.string()),
            ("license", pa.string()),
            ("record_id", pa.string()),
            ("update_time", pa.string()),
            ("confidence", pa.float64()),
            ("between", pa.list_(pa.float64())),
        ]
    )
)

NAMES = pa.struct(
    [
        ("primary", pa.string()),
        ("common", pa.map_(pa.string(), pa.string())),
        (
            "rules",
            pa.list_(
                pa.struct(
                    [
                        ("variant", pa.string()),
                        ("language", pa.string()),
                        ("perspectives", pa.struct([("mode", pa.string()), ("countries", pa.list_(pa.string()))])),
                        ("value", pa.string()),
                        ("between", pa.list_(pa.float64())),
                        ("side", pa.string()),
                    ]
                )
            ),
        ),
    ]
)

CARTOGRAPHY = pa.struct([(hint, pa.int32()) for hint in ("prominence", "min_zoom", "max_zoom", "sort_key")])

_COMMON = [("id", pa.string()), ("geometry", pa.binary()), ("bbox", BBOX), ("version", pa.int32()), ("sources", SOURCES)]

DIVISION_AREA = pa.schema(
    [
        *_COMMON,
        ("country", pa.string()),
        ("subtype", pa.string()),
        ("class", pa.string()),
        ("names", NAMES),
        ("is_land", pa.bool_()),
        ("is_territorial", pa.bool_()),
        ("region", pa.string()),
        ("division_id", pa.string()),
        ("admin_level", pa.int32()),
    ]
)

BUILDING = pa.schema(
    [
        *_COMMON,
        ("subtype", pa.string()),
        ("class", pa.string()),
        ("names", NAMES),
        ("level", pa.int32()),
        ("has_parts", pa.bool_()),
        ("height", pa.float64()),
        ("is_underground", pa.bool_()),
        ("num_floors", pa.int32()),
        ("num_floors_underground", pa.int32()),
        ("min_height", pa.float64()),
        ("min_floor", pa.int32()),
        ("facade_color", pa.string()),
        ("facade_material", pa.string()),
        ("roof_material", pa.string()),
        ("roof_shape", pa.string()),
        ("roof_direction", pa.float64()),
        ("roof_orientation", pa.string()),
        ("roof_color", pa.string()),
        ("roof_height", pa.float64()),
    ]
)

LAND_USE = pa.schema(
    [
        *_COMMON,
        ("subtype", pa.string()),
        ("class", pa.string()),
        ("surface", pa.string()),
        ("names", NAMES),
        ("level", pa.int32()),
        ("source_tags", pa.map_(pa.string(), pa.string())),
        ("wikidata", pa.string()),
        ("elevation", pa.int32()),
    ]
)

INFRASTRUCTURE = pa.schema(
    [
        *_COMMON,
        ("subtype", pa.string()),
        ("class", pa.string()),
        ("height", pa.float64()),
        ("surface", pa.string()),
        ("names", NAMES),
        ("level", pa.int32()),
        ("source_tags", pa.map_(pa.string(), pa.string())),
        ("wikidata", pa.string()),
    ]
)

LAND_COVER = pa.schema([*_COMMON, ("subtype", pa.string()), ("cartography", CARTOGRAPHY)])
