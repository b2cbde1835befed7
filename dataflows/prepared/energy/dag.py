"""Energy of each installation, month by month: sites → systems, stations → energy of 1 kWp by the best method → energy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from dataflows.prepared.energy import assumptions as assumed
from dataflows.prepared.energy import climatology
from dataflows.prepared.energy import stations as weather
from dataflows.prepared.energy.climatology import Places
from dataflows.prepared.energy.stations import Station
from dataflows.prepared.energy.systems import systems as systems_of
from dataflows.prepared.energy.uncertainty import interval_factors

Floats = NDArray[np.float64]

CELL_DEG = 1.0
"""Places that share a sky where there is no station; the sun's height changes by half a degree at most."""


def sites(installations: pa.Table) -> pd.DataFrame:
    """Installations whose capacity and place are known, in the order of their ids."""
    table = installations.to_pandas()
    known = table["capacity_mw_dc_best"].gt(0) & table["lat_deg"].notna() & table["lon_deg"].notna()
    return table[known].sort_values("installation_id", ignore_index=True)


def systems(sites: pd.DataFrame) -> pd.DataFrame:
    """Orientation, with the rule that it follows."""
    return systems_of(sites)


def stations(irradiance: pa.Table) -> list[Station]:
    """Stations whose series hold a year, newest release of each, in the order of source and id."""
    table = irradiance.to_pandas()
    found = []
    for _, series in table.groupby(["source", "station_id"], sort=True):
        newest = series[series["release"] == series["release"].max()] if series["release"].notna().any() else series
        station = weather.station(newest)
        if station is not None:
            found.append(station)
    return found


def station_index(sites: pd.DataFrame, stations: list[Station]) -> pd.DataFrame:
    """``station`` (position in ``stations``, -1 for none) and ``station_km`` of each site."""
    index, km = weather.nearest(sites["lon_deg"].to_numpy(), sites["lat_deg"].to_numpy(), stations)
    return pd.DataFrame({"station": index, "station_km": km}, index=sites.index)


def method(sites: pd.DataFrame, station_index: pd.DataFrame) -> pd.Series:
    """The best method that each site's data allow."""
    chosen = np.select(
        [station_index["station"] >= 0, sites["pvout_kwh_kwp_year"].gt(0), sites["ghi_kwh_m2_year"].gt(0)],
        ["tmy", "pvout", "ghi"],
        default="clear_sky",
    )
    return pd.Series(chosen, index=sites.index)


def kwh_by_station(
    sites: pd.DataFrame, systems: pd.DataFrame, stations: list[Station], station_index: pd.DataFrame, method: pd.Series
) -> pd.DataFrame:
    """Energy of 1 kWp in each month, kWh, of the sites beside a station; each different system is simulated once."""
    chosen = method == "tmy"
    systems = _rounded(sites[chosen], systems[chosen]).assign(station=station_index.loc[chosen, "station"])
    number, different = _different(systems)
    kwh = np.empty((len(different), 12))
    for (station, axis, tilt, azimuth), rows in different.groupby(["station", "axis", "tilt", "azimuth"]).indices.items():
        kwh[rows] = stations[station].monthly_kwh(axis, tilt, azimuth, different["ratio"].to_numpy()[rows])
    return _months(kwh[number], systems.index)


def kwh_by_climate(sites: pd.DataFrame, systems: pd.DataFrame, method: pd.Series) -> pd.DataFrame:
    """The same of all other sites: by PVOUT, by yearly irradiation, or by an assumed clear-sky index."""
    chosen = method != "tmy"
    rest = sites[chosen]
    cells = _rounded(rest, systems[chosen])
    cells["place"], places = _places(rest)
    cells = _under_skies(cells, places, rest)
    kwh = _by_cell(places, cells)
    # PVOUT is that of fixed modules at their best: only the ratio to them is of the model
    by_pvout = (method[chosen] == "pvout").to_numpy()
    if by_pvout.any():
        lat_deg = places.lat_deg[cells.loc[by_pvout, "place"].to_numpy()]
        reference = cells[by_pvout].assign(
            axis="fixed",
            tilt=assumed.best_tilt_deg(lat_deg).round(),
            azimuth=np.where(lat_deg >= 0, 180.0, 0.0),
            ratio=1.0,
        )
        pvout = rest.loc[by_pvout, "pvout_kwh_kwp_year"].to_numpy(dtype=float)
        kwh[by_pvout] *= (pvout / _by_cell(places, reference).sum(axis=1))[:, None]
    return _months(kwh, cells.index)


def yields(
    sites: pd.DataFrame,
    systems: pd.DataFrame,
    stations: list[Station],
    station_index: pd.DataFrame,
    method: pd.Series,
    kwh_by_station: pd.DataFrame,
    kwh_by_climate: pd.DataFrame,
) -> pa.Table:
    """Thirteen rows a site: its months, and the year (``month`` null), whose energy is exactly their sum."""
    kwh = pd.concat([kwh_by_station, kwh_by_climate]).loc[sites.index].to_numpy()
    capacity_kw = 1000 * sites["capacity_mw_dc_best"].to_numpy(dtype=float)
    energy = kwh * capacity_kw[:, None] / 1000
    judged = pd.concat([sites, systems, station_index], axis=1).assign(method=method)
    (low, high), (low_month, high_month) = (interval_factors(judged, monthly=monthly) for monthly in (False, True))
    energies = np.column_stack([energy, energy.sum(axis=1)])
    n = len(sites)
    near = station_index["station"].to_numpy()
    sources = np.array([*(s.source for s in stations), None], dtype=object)[near]
    ids = np.array([*(s.station_id for s in stations), None], dtype=object)[near]
    thirteen = pa.array(np.repeat(np.arange(n), 13))

    def each(values: object) -> pa.Array:
        # Texts are converted once a site, not once a row
        return pa.array(np.asarray(values), from_pandas=True).take(thirteen)

    return pa.table(
        {
            "installation_id": each(sites["installation_id"]),
            "month": pa.array(np.tile(np.arange(1, 14), n), pa.int32(), mask=np.tile(np.arange(1, 14) == 13, n)),
            "energy_mwh": energies.ravel(),
            "energy_mwh_low": (energies * np.column_stack([*[low_month] * 12, low])).ravel(),
            "energy_mwh_high": (energies * np.column_stack([*[high_month] * 12, high])).ravel(),
            "specific_yield_kwh_kwp": (energies / capacity_kw[:, None] * 1000).ravel(),
            "capacity_mw_dc_best": each(sites["capacity_mw_dc_best"].astype(float)),
            "capacity_rule": each(sites["capacity_rule"].astype(object)).cast(pa.string()),
            "method": each(method.astype(object)).cast(pa.string()),
            "axis_assumed": each(systems["axis_assumed"].astype(object)).cast(pa.string()),
            "tilt_assumed_deg": each(systems["tilt_assumed_deg"].astype(float)),
            "azimuth_assumed_deg": each(systems["azimuth_assumed_deg"].astype(float)),
            "orientation_rule": each(systems["orientation_rule"].astype(object)).cast(pa.string()),
            "yield_station_source": each(sources).cast(pa.string()),
            "yield_station_id": each(ids).cast(pa.string()),
            "yield_station_distance_m": each(np.where(near >= 0, 1000 * station_index["station_km"], np.nan)),
        }
    )


def _rounded(sites: pd.DataFrame, systems: pd.DataFrame) -> pd.DataFrame:
    """``axis``, ``tilt``, ``azimuth`` and ``ratio``, rounded to what makes less than a per mille of difference or so."""
    return pd.DataFrame(
        {
            "axis": systems["axis_assumed"],
            "tilt": systems["tilt_assumed_deg"].fillna(0).round(),
            "azimuth": (systems["azimuth_assumed_deg"].fillna(180) / 5).round() * 5 % 360,
            "ratio": (sites["dc_ac_ratio"].astype(float) / 0.05).round() * 0.05,
        },
        index=sites.index,
    )


def _places(sites: pd.DataFrame) -> tuple[NDArray[np.int64], Places]:
    """The place of each site, and the places: middles of cells of ``CELL_DEG``."""

    def middles(degrees: pd.Series, furthest: float) -> Floats:
        return np.clip(np.floor(degrees / CELL_DEG) * CELL_DEG + CELL_DEG / 2, -furthest, furthest).to_numpy(dtype=float)

    middle = pd.DataFrame({"lon": middles(sites["lon_deg"], 179.5), "lat": middles(sites["lat_deg"], 89.5)})
    number, different = _different(middle)
    lon, lat = different["lon"].to_numpy(), different["lat"].to_numpy()
    return number, Places(lat, *climatology.atmosphere(lon, lat))


def _under_skies(cells: pd.DataFrame, places: Places, sites: pd.DataFrame) -> pd.DataFrame:
    """Add ``index`` (clear-sky index, in steps of 0.02) and ``temperature`` (whole °C)."""
    ghi = sites["ghi_kwh_m2_year"].to_numpy(dtype=float, na_value=np.nan)
    known = ghi > 0
    index = np.full(len(cells), assumed.CLEAR_SKY_INDEX)
    if known.any():
        clear_ghi = climatology.clear_sky_ghi(places)[cells["place"].to_numpy()]
        index[known] = np.clip(ghi[known] / clear_ghi[known], 0.2, 1.0)
    temperature = sites["temperature_c"].to_numpy(dtype=float, na_value=np.nan)
    guessed = assumed.mean_temperature_c(sites["lat_deg"].to_numpy(dtype=float))
    return cells.assign(
        index=(index / 0.02).round() * 0.02, temperature=np.where(np.isnan(temperature), guessed, temperature).round()
    )


def _by_cell(places: Places, cells: pd.DataFrame) -> Floats:
    """Energy of 1 kWp in each month, kWh, (n, 12); each different row is computed once."""
    number, different = _different(cells)
    return climatology.monthly_kwh(places, different)[number]


def _different(rows: pd.DataFrame) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Position of each row among those that differ, and these, in the order of their first appearance."""
    number = rows.groupby(list(rows.columns), sort=False, dropna=False).ngroup().to_numpy()
    first = ~pd.Series(number).duplicated().to_numpy()
    return number, rows[first].reset_index(drop=True)


def _months(kwh: Floats, index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(kwh.reshape(-1, 12), index=index)
