"""What sources say of the country, state and county of their sites, against what their coordinates lie in."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyproj
import shapely
from rich.console import Console
from rich.table import Table

from benchmarks.context.located import located
from benchmarks.entity_resolution.real_lake import MIRROR, real_observations
from db import connect

INDIA, USPVDB = "ind_pv_solar_farms_2022", "usa_uspvdb_v3_2025"
# A border of Natural Earth's 1:50 million map is off by up to that much
BORDER_KM = 10.0
# Names that sources use for one place
SAME_NAMES = {"orissa": "odisha", "uttaranchal": "uttarakhand", "st": "saint", "ste": "sainte"}
GENERIC = {"county", "parish", "borough", "census", "area", "city", "and", "municipality", "planning", "region"}


def measured(cache: Path, out: Console) -> dict[str, Any]:
    """Agreement by dataset (country), and of India's states and the United States' states and counties."""
    with connect(read_only=True, lake=located(cache)) as con:
        sites = _sites(con)
        areas = con.sql("SELECT * REPLACE (ST_AsWKB(geometry)::BLOB AS geometry) FROM staging.stg_admin_areas").df()
    tables = {
        f"country: {dataset}": compared(group, "country_iso3", "country_code", areas, "country")
        for dataset, group in sites.groupby("dataset")
        if group["country_iso3"].notna().any()
    }
    india = sites[sites["dataset"] == INDIA].merge(india_states(), on="source_feature_id")
    tables["state: India"] = compared(india, "state", "region_name", areas, "region", "IND")
    uspvdb = sites[sites["dataset"] == USPVDB].merge(uspvdb_states(), on="source_feature_id")
    uspvdb = uspvdb.assign(state_code="US-" + uspvdb["p_state"])
    tables["state: USPVDB"] = compared(uspvdb, "state_code", "region_code", areas, "region", "USA")
    if uspvdb["county_name"].notna().any():
        tables["county: USPVDB"] = compared(uspvdb, "p_county", "county_name", areas, "county", "USA")
    out.print(_table(tables))
    return tables


def _sites(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return con.sql(
        f"""
        SELECT dataset, source_feature_id, country_iso3, centroid_lon_deg AS lon, centroid_lat_deg AS lat, located.*
        FROM read_parquet('{real_observations()}') AS observations
        LEFT JOIN prepared.prep_pv_admin AS located ON observations.observation_id = located.installation_id
        WHERE h3_r8 IS NOT NULL
        """
    ).df()


def india_states() -> pd.DataFrame:
    """What the source says of each Indian farm: ``source_feature_id``, ``state``."""
    (file,) = (MIRROR / INDIA).glob("*.geojson")
    features = json.loads(file.read_text(encoding="utf-8"))["features"]
    properties = [feature["properties"] for feature in features]
    return pd.DataFrame(
        {"source_feature_id": [str(row["fid"]) for row in properties], "state": [row["State"] for row in properties]}
    )


def uspvdb_states() -> pd.DataFrame:
    """What the source says of each site: ``source_feature_id``, ``p_state`` (postal code), ``p_county``."""
    (file,) = (MIRROR / USPVDB).glob("*.csv")
    frame = pd.read_csv(file, encoding="utf-8-sig", dtype=str)
    return frame[["case_id", "p_state", "p_county"]].rename(columns={"case_id": "source_feature_id"})


def compared(
    sites: pd.DataFrame, published: str, found: str, areas: pd.DataFrame, level: str, country: str | None = None
) -> dict[str, Any]:
    """How many sites agree, and of how many the others are explained by what.

    Args:
        sites: with the columns ``published``, ``found``, ``lon``, ``lat``, ``country_match``, ``country_distance_m``.
        published: column of the source.
        found: column of ``prep_pv_admin``.
        areas: ``stg_admin_areas``.
        level: of the areas to which distances are measured.
        country: ISO code that those are of.
    """
    sites = sites[sites[published].notna()]
    agrees = sites[published] == sites[found]
    of_level = areas[(areas["level"] == level) & ((areas["country_iso3"] == country) if country else True)]
    label = {"country_iso3": "country_iso3", "state_code": "region_code"}.get(published, "name")
    named: dict[str, list[bytes]] = {}
    for name, geometry in zip(of_level[label], of_level["geometry"], strict=True):
        if isinstance(name, str):
            named.setdefault(_plain(name), []).append(bytes(geometry))
    reasons = {row.Index: _reason(row, published, found, named) for row in sites[~agrees].itertuples()}
    counts = pd.Series(reasons, dtype=object).value_counts().to_dict()
    spelt = counts.get("spelling", 0)
    examples = [
        f"{getattr(row, published)} ≠ {getattr(row, found)} at {row.lat:.3f}, {row.lon:.3f}: {reasons[row.Index]}"
        for row in sites[~agrees].itertuples()
        if reasons[row.Index] not in ("spelling",)
    ]
    return {
        "sites": len(sites),
        "agree": int(agrees.sum() + spelt),
        "agree_pct": round(100 * (agrees.sum() + spelt) / len(sites), 2),
        "nearest": int((sites["country_match"] == "nearest").sum()),
        "reasons": {str(reason): int(number) for reason, number in counts.items()},
        "examples": examples[:200],
    }


def _reason(row: Any, published: str, found: str, named: dict[str, list[bytes]]) -> str:
    said, got = getattr(row, published), getattr(row, found)
    if isinstance(got, str) and _plain(said) == _plain(got):
        return "spelling"
    if _plain(said) not in named:
        return "published unit has no boundary here"
    distance_km = min(_distance_km(row.lon, row.lat, shapely.from_wkb(wkb)) for wkb in named[_plain(said)])
    if not isinstance(got, str):
        return f"no boundary within reach, published one {'< 100' if distance_km < 100 else '≥ 100'} km off"
    if row.country_match == "disputed":
        return "disputed"
    if distance_km <= BORDER_KM:
        return f"published one is within {BORDER_KM:.0f} km"
    return "published one is 10–50 km off" if distance_km <= 50 else "published one is > 50 km off"


def _distance_km(lon: float, lat: float, area: shapely.Geometry) -> float:
    """Geodesic distance to the place of the area that is nearest in a plane local to the point."""
    crs = pyproj.CRS.from_proj4(f"+proj=aeqd +lon_0={lon} +lat_0={lat} +datum=WGS84")
    project = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform
    boundary = shapely.transform(area.boundary, lambda places: pd.DataFrame(project(*places.T)).T.to_numpy())
    return 0.0 if shapely.intersects_xy(area, lon, lat) else shapely.distance(boundary, shapely.Point(0, 0)) / 1000


def _plain(name: str) -> str:
    """Without case, accents, punctuation and words for what kind of unit it is."""
    text = unicodedata.normalize("NFKD", name.replace("&", " and ")).encode("ascii", "ignore").decode().casefold()
    words = "".join(character if character.isalnum() else " " for character in text.replace("'", "")).split()
    return "".join(SAME_NAMES.get(word, word) for word in words if word not in GENERIC) or text


def _table(tables: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="Published against located")
    for heading in ("", "sites", "agree", "%", "off the coast", "disagreements"):
        table.add_column(heading, justify="right" if heading in ("sites", "agree", "%", "off the coast") else "left")
    for name, row in tables.items():
        reasons = "; ".join(f"{reason}: {number}" for reason, number in row["reasons"].items())
        table.add_row(name, f"{row['sites']:,}", f"{row['agree']:,}", f"{row['agree_pct']:.2f}", str(row["nearest"]), reasons)
    return table
