"""Energy yield against what US plants reported to the EIA (GPPD), and against Global Solar Atlas' PVOUT in Benin and Kenya."""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import rasterio
from rich.console import Console
from rich.table import Table

from benchmarks.energy.pairs import TEST_FOLDS, fold
from benchmarks.entity_resolution.real_lake import MIRROR, real_lake
from dataflows.prepared.energy import assumptions as assumed
from dataflows.prepared.energy.energy_yield import IRRADIANCE, SITES, energy_yield
from db import connect

PIXELS = 400
"""Drawn from each raster."""

# GWh of 2013 to 2019, as the ten characters of a shapefile's names have it
GENERATION = {2013: "generation", **{2013 + number: f"generati_{number}" for number in range(1, 7)}}

YEARS = ", ".join(f'try_cast("{column}" AS double) AS y{year}' for year, column in GENERATION.items())
PLANTS = f"""
    WITH generated AS (
        SELECT * FROM (
            SELECT external_ids['eia_plant_code'] AS eia_plant_code, {YEARS}
            FROM lake.prepared.prep_pv_observations
            JOIN lake.landing.global_wri_gppd_2021 AS landed USING (source_file, source_row)
            WHERE dataset = 'global_wri_gppd_2021' AND external_ids['eia_plant_code'] IS NOT NULL
        ) UNPIVOT (gwh FOR year IN ({", ".join(f"y{year}" for year in GENERATION)}))
    ),
    plants AS (
        SELECT
            external_ids['eia_plant_code'] AS eia_plant_code, any_value(capacity_mw_dc) AS capacity_mw_dc,
            any_value(capacity_mw) AS capacity_mw, any_value(installed_year) AS installed_year,
            any_value(centroid_lon_deg) AS lon_deg, any_value(centroid_lat_deg) AS lat_deg,
            any_value(axis) AS axis, any_value(tilt_deg) AS tilt_deg, any_value(azimuth_deg) AS azimuth_deg,
            any_value(p_state) AS state
        FROM lake.prepared.prep_pv_observations
        JOIN lake.landing.usa_uspvdb_v3_2025 AS landed USING (source_file, source_row)
        WHERE dataset = 'usa_uspvdb_v3_2025' AND duplicate_of IS NULL
        -- a code that several sites share has the generation of all of them
        GROUP BY ALL HAVING count(*) = 1
    )
    SELECT plants.*, replace(year, 'y', '')::integer AS year, 1000 * gwh AS generated_mwh
    FROM plants
    JOIN generated USING (eia_plant_code)
    -- whole years only
    WHERE replace(year, 'y', '')::integer > installed_year AND gwh > 0 AND capacity_mw_dc > 0
    ORDER BY eia_plant_code, year
"""


def measure(out: Console) -> dict[str, Any]:
    """Print and return both comparisons, and the time that all real observations take."""
    return {"eia": _against_eia(out), "pvout": _against_pvout(out), "speed": _speed(out)}


def _speed(out: Console) -> dict[str, Any]:
    with connect(read_only=True, lake=real_lake()) as con:
        places = con.sql(
            "SELECT observation_id AS installation_id, centroid_lon_deg AS lon_deg, centroid_lat_deg AS lat_deg, axis,"
            " tilt_deg, azimuth_deg FROM lake.prepared.prep_pv_observations WHERE geometry IS NOT NULL"
        ).df()
    started = process_time()
    made = _yearly(places.assign(dc_ac_ratio=1.26, capacity_mw_dc_best=1.0, capacity_rule="dc"))
    measured = {"places": len(made), "cpu_seconds": round(process_time() - started, 1)}
    out.print(f"Energy of {measured['places']:,} real places by months: {measured['cpu_seconds']} s of processor time")
    return measured


def _against_eia(out: Console) -> dict[str, Any]:
    with connect(read_only=True, lake=real_lake()) as con:
        years = con.sql(PLANTS).df()
    plants = years.drop_duplicates("eia_plant_code").assign(
        installation_id=lambda table: table["eia_plant_code"],
        dc_ac_ratio=lambda table: (table["capacity_mw_dc"] / table["capacity_mw"]).where(lambda r: r.between(0.8, 2), 1.26),
        capacity_mw_dc_best=lambda table: table["capacity_mw_dc"],
        capacity_rule="dc",
    )
    made = _yearly(plants)
    years = years.merge(made, left_on="eia_plant_code", right_on="installation_id")
    table = Table(
        title="Modelled energy of US plants (clear skies × 0.75: no weather of the place) by what they reported to the EIA"
    )
    for heading in ("axis", "plants", "years", "modelled / reported", "5 %", "95 %", "median error", "years in 90 % interval"):
        table.add_column(heading, justify="left" if heading == "axis" else "right")
    measured = {}
    for axis, group in [("all", years), *years.groupby("axis_assumed")]:
        ratio = group["energy_mwh"] / group["generated_mwh"]
        covered = (
            (group["generated_mwh"] >= group["energy_mwh_low"]) & (group["generated_mwh"] <= group["energy_mwh_high"])
        ).mean()
        low, median, high = ratio.quantile([0.05, 0.5, 0.95])
        error = 100 * (ratio - 1).abs().median()
        n_plants = group["eia_plant_code"].nunique()
        table.add_row(
            axis,
            f"{n_plants:,}",
            f"{len(group):,}",
            f"{median:.3f}",
            f"{low:.2f}",
            f"{high:.2f}",
            f"{error:.1f} %",
            f"{100 * covered:.1f} %",
        )
        measured[axis] = {
            "plants": n_plants,
            "years": len(group),
            "ratio": median,
            "median_error_pct": error,
            "coverage": covered,
        }
    out.print(table)
    return {**measured, "calibration of trackers": _calibrated(years[years["axis_assumed"] != "fixed"], out)}


def _calibrated(years: pd.DataFrame, out: Console) -> dict[str, Any]:
    """``SIGMA_TRACKED_SKY`` as the states that are not kept for tests have it, and how many years of the others it covers."""
    ratio = np.abs(np.log(years["generated_mwh"] / years["energy_mwh"])) / assumed.Z_90
    stated = np.log(years["energy_mwh_high"] / years["energy_mwh"]) / assumed.Z_90
    others = stated**2 - assumed.SIGMA_TRACKED_SKY**2
    is_test = years["state"].map(fold).isin(TEST_FOLDS)
    learnt = float(np.sqrt(np.maximum(ratio**2 - others, 0))[~is_test].quantile(0.9))

    def covered(sigma: float) -> float:
        return float((ratio <= np.sqrt(others + sigma**2))[is_test].mean())

    found = {
        "learnt": learnt,
        "test_plants": int(years[is_test]["eia_plant_code"].nunique()),
        "test_states": int(years[is_test]["state"].nunique()),
        "covered_without": covered(0),
        "covered_as_learnt": covered(learnt),
        "covered": covered(assumed.SIGMA_TRACKED_SKY),
    }
    out.print(
        f"Trackers: sigma of the sky {learnt:.3f} as learnt, {assumed.SIGMA_TRACKED_SKY} as assumed. Of the years of"
        f" {found['test_plants']} plants in {found['test_states']} states kept for tests, {found['covered_without']:.1%} are in"
        f" the interval without it, {found['covered']:.1%} with it"
    )
    return found


def _against_pvout(out: Console) -> dict[str, Any]:
    table = Table(
        title="Specific yield of fixed, optimally tilted modules by PVOUT of Global Solar Atlas, at pixels and at real sites"
    )
    for heading in ("country", "places", "n", "method", "modelled / PVOUT", "5 %", "95 %", "in 90 % interval"):
        table.add_column(heading, justify="left" if heading in ("country", "places", "method") else "right")
    measured = {}
    for country, methods in {"benin": ("ghi", "clear_sky"), "kenya": ("clear_sky",)}.items():
        pixels = _pixels(country)
        for places, chosen in (("pixels", pixels), ("sites", _sites_in(country))):
            for method in methods if len(chosen) else ():
                given = chosen if method == "ghi" else chosen.drop(columns="ghi_kwh_m2_year")
                made = _yearly(given.assign(axis="fixed", dc_ac_ratio=1.0, capacity_mw_dc_best=1.0, capacity_rule="dc"))
                both = made.merge(chosen[["installation_id", "pvout"]], on="installation_id")
                ratio = both["specific_yield_kwh_kwp"] / both["pvout"]
                covered = ((both["pvout"] >= both["energy_mwh_low"]) & (both["pvout"] <= both["energy_mwh_high"])).mean()
                low, median, high = ratio.quantile([0.05, 0.5, 0.95])
                table.add_row(
                    country,
                    places,
                    f"{len(both):,}",
                    method,
                    f"{median:.3f}",
                    f"{low:.2f}",
                    f"{high:.2f}",
                    f"{100 * covered:.1f} %",
                )
                measured[f"{country}, {places}: {method}"] = {"n": len(both), "ratio": median, "low": low, "high": high}
    out.print(table)
    return measured


def _yearly(sites: pd.DataFrame) -> pd.DataFrame:
    """The rows of the year, of sites without a station; missing columns are completed."""
    floats = pa.float64()
    text = {"installation_id": pa.string(), "axis": pa.string(), "capacity_rule": pa.string(), "on_roof": pa.bool_()}
    given = sites.assign(**{**{name: None for name in SITES if name not in sites}, "on_roof": False})[list(SITES)]
    table = pa.Table.from_pandas(
        given, schema=pa.schema([(name, text.get(name, floats)) for name in SITES]), preserve_index=False
    )
    texts = ("source", "release", "station_id", "kind")
    none = {
        name: pa.array([], pa.timestamp("us", "UTC") if name == "time" else pa.string() if name in texts else floats)
        for name in IRRADIANCE
    }
    made = energy_yield(table, pa.table(none)).to_pandas()
    return made[made["month"].isna()]


def _pixels(country: str) -> pd.DataFrame:
    with rasterio.open(MIRROR / "solar_resource" / f"{country}_PVOUT.tif") as raster:
        values = raster.read(1)
        rows, columns = np.nonzero((values > 100) & (values < 4000))
        drawn = np.random.default_rng(0).choice(len(rows), min(PIXELS, len(rows)), replace=False)
        lon, lat = raster.xy(rows[drawn], columns[drawn])
    return _sampled(country, pd.DataFrame({"lon_deg": np.asarray(lon), "lat_deg": np.asarray(lat)}))


def _sites_in(country: str) -> pd.DataFrame:
    with rasterio.open(MIRROR / "solar_resource" / f"{country}_PVOUT.tif") as raster:
        west, south, east, north = raster.bounds
    with connect(read_only=True, lake=real_lake()) as con:
        sites = con.execute(
            "SELECT DISTINCT centroid_lon_deg AS lon_deg, centroid_lat_deg AS lat_deg FROM lake.prepared.prep_pv_observations"
            " WHERE trust <> 'low' AND centroid_lon_deg BETWEEN ? AND ? AND centroid_lat_deg BETWEEN ? AND ? ORDER BY ALL",
            [west, east, south, north],
        ).df()
    return _sampled(country, sites)


def _sampled(country: str, places: pd.DataFrame) -> pd.DataFrame:
    found = places.assign(installation_id=[f"{number:05d}" for number in range(len(places))], ghi_kwh_m2_year=np.nan)
    for name, column in (("PVOUT", "pvout"), ("GHI", "ghi_kwh_m2_year")):
        file = MIRROR / "solar_resource" / f"{country}_{name}.tif"
        if file.exists():
            with rasterio.open(file) as raster:
                found[column] = [float(value[0]) for value in raster.sample(places[["lon_deg", "lat_deg"]].to_numpy())]
    return found[found["pvout"].between(100, 4000)]
