"""The assets of an item as rows: what the projection, raster and eo extensions say, of whatever version.

What an asset does not state it inherits from the item: ``gsd``, and, but for thumbnails, overviews and metadata, the grid.
"""

from __future__ import annotations

import re
from typing import Any

from dataflows.raw.stac_identity import canonical_json

_DATA_FIELDS = ("data_type", "nodata", "raster:scale", "raster:offset")
_NOT_ON_THE_GRID = frozenset({"thumbnail", "overview", "metadata"})
_CONSUMED = frozenset(
    {"href", "type", "roles", "title", "gsd", "proj:code", "proj:epsg", "proj:shape", "proj:transform", "file:checksum"}
)


def asset_rows(item: dict[str, Any]) -> list[dict[str, Any]]:
    """One row an asset, in the item's order; keys are columns of ``landing.stac_assets``.

    Shapes are (rows, columns); transforms are the six numbers of an affine, in the order of ``affine.Affine``; ``gsd_m`` is in
    metres. A value that the bands of an asset do not share is NULL; each band's own is in ``extra``.
    """
    return [_row(key, asset, item["properties"]) for key, asset in item["assets"].items()]


def _row(key: str, asset: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    roles = _texts(asset.get("roles"))
    bands = merged_bands(asset)
    names = [band_name(band) for band in bands]
    shared = {name: _shared(asset, bands, name) for name in _DATA_FIELDS}
    epsg, shape, transform = _grid(asset, properties if not _NOT_ON_THE_GRID & set(roles or ()) else {})
    return {
        "asset_key": key,
        "href": asset["href"],
        "media_type": _text(asset.get("type")),
        "roles": roles,
        "title": _text(asset.get("title")),
        "bands": names if any(names) else None,
        "gsd_m": _number(asset.get("gsd", _finest(bands, properties.get("gsd")))),
        "epsg": epsg,
        "proj_shape": shape,
        "proj_transform": transform,
        "data_type": _text(shared["data_type"]),
        "nodata": _number(shared["nodata"]),
        "scale": _number(shared["raster:scale"]),
        "value_offset": _number(shared["raster:offset"]),
        "checksum": _text(asset.get("file:checksum")),
        "extra": canonical_json({name: value for name, value in asset.items() if name not in _CONSUMED}),
    }


def merged_bands(asset: dict[str, Any]) -> list[dict[str, Any]]:
    """The bands of an asset in the file's order: ``bands`` of STAC 1.1, or ``eo:bands`` and ``raster:bands`` side by side.

    Names are those of STAC 1.1: ``raster:scale``, ``raster:offset``, ``eo:common_name``.
    """
    lists = [_objects(asset.get(name)) for name in ("bands", "eo:bands", "raster:bands")]
    renamed = {"scale": "raster:scale", "offset": "raster:offset", "common_name": "eo:common_name"}
    merged: list[dict[str, Any]] = [{} for _ in range(max(map(len, lists)))]
    # What stands first wins
    for described in reversed(lists):
        for band, more in zip(merged, described, strict=False):
            band.update({renamed.get(name, name): value for name, value in more.items() if value is not None})
    return merged


def band_name(band: dict[str, Any]) -> str | None:
    """Common name of a band where it has one, else its name."""
    return _text(band.get("eo:common_name")) or _text(band.get("name"))


def _shared(asset: dict[str, Any], bands: list[dict[str, Any]], name: str) -> Any:
    """What an asset says of all its bands, or all its bands say alike."""
    if asset.get(name) is not None:
        return asset[name]
    values = [band.get(name) for band in bands]
    return values[0] if values and all(value == values[0] for value in values) else None


def _grid(asset: dict[str, Any], properties: dict[str, Any]) -> tuple[int | None, list[int] | None, list[float] | None]:
    """EPSG code, shape and transform.

    Shape and transform belong together and to their CRS: both are inherited, or neither.
    """
    own, inherited = epsg_of(asset), epsg_of(properties)
    shape, transform = _shape(asset.get("proj:shape")), _affine(asset.get("proj:transform"))
    if shape is None and transform is None and own in (None, inherited):
        shape, transform = _shape(properties.get("proj:shape")), _affine(properties.get("proj:transform"))
    return inherited if own is None else own, shape, transform


def epsg_of(fields: dict[str, Any]) -> int | None:
    """EPSG code of ``proj:code`` (version 2) or ``proj:epsg`` (before); ``None`` where the CRS has none, or is not stated."""
    if isinstance(code := fields.get("proj:code"), str) and (match := re.fullmatch(r"EPSG:(\d+)", code.strip(), re.IGNORECASE)):
        return int(match[1])
    epsg = fields.get("proj:epsg")
    return int(epsg) if isinstance(epsg, int | float) and not isinstance(epsg, bool) and epsg == epsg // 1 > 0 else None


def _shape(value: Any) -> list[int] | None:
    numbers = _numbers(value)
    return [int(number) for number in numbers] if numbers is not None and len(numbers) == 2 and min(numbers) > 0 else None


def _affine(value: Any) -> list[float] | None:
    """The first six of six or nine numbers; nothing where they are no affine of a raster, which has a pixel size."""
    numbers = _numbers(value)
    if numbers is None or len(numbers) not in (6, 9):
        return None
    a, b, _, d, e, _ = numbers[:6]
    return numbers[:6] if a * e - b * d != 0 else None


def _numbers(value: Any) -> list[float] | None:
    if not isinstance(value, list) or any(isinstance(part, bool) or not isinstance(part, int | float) for part in value):
        return None
    return [float(part) for part in value]


def _number(value: Any) -> float | None:
    """A number, also one that JSON can only spell: ``"nan"``, ``"-inf"``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _finest(bands: list[dict[str, Any]], otherwise: Any) -> Any:
    sizes = [size for band in bands if (size := _number(band.get("gsd"))) is not None]
    return min(sizes) if sizes else otherwise


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> list[str] | None:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
