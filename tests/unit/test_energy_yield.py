"""Energy of installations: a station's year against pvlib's own ModelChain, methods, intervals and orientation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pvlib
import pyarrow as pa
import pytest
from energy_worlds import DENVER, NO_STATIONS, series

from dataflows.prepared.energy.energy_yield import SITES, energy_yield
from dataflows.prepared.energy.stations import Station, nearest, station
from dataflows.prepared.energy.systems import systems
from db.errors import BuildError


@cache
def denver() -> Station:
    found = station(series(*DENVER, cloud=0.7))
    assert found is not None
    return found


def site(**said: object) -> dict[str, object]:
    known = {
        "installation_id": "pv-1",
        "lon_deg": DENVER[0],
        "lat_deg": DENVER[1],
        "on_roof": False,
        "dc_ac_ratio": 1.26,
        "capacity_mw_dc_best": 2.0,
        "capacity_rule": "dc",
    }
    return {**dict.fromkeys(SITES), **known, **said}


def made(*sites: dict[str, object], irradiance: pa.Table = NO_STATIONS) -> pd.DataFrame:
    floats = {name for name in SITES if name not in ("installation_id", "axis", "on_roof", "capacity_rule")}
    types = {"on_roof": pa.bool_(), **dict.fromkeys(floats, pa.float64())}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in SITES])
    return energy_yield(pa.Table.from_pylist(list(sites), schema=schema), irradiance).to_pandas()


def year_of(table: pd.DataFrame, name: str) -> pd.Series:
    return table[table["month"].isna()].set_index("installation_id")[name]


@pytest.mark.parametrize(
    ("axis", "tilt", "azimuth", "ratio"), [("fixed", 25, 180, 1.3), ("fixed", 10, 235, 1.0), ("single", 0, 180, 1.3)]
)
def test_a_stations_year_is_that_of_pvlibs_model_chain(axis: str, tilt: float, azimuth: float, ratio: float) -> None:
    rows = series(*DENVER, cloud=0.7)
    mount: pvlib.pvsystem.AbstractMount = pvlib.pvsystem.FixedMount(tilt, azimuth)
    if axis == "single":
        mount = pvlib.pvsystem.SingleAxisTrackerMount(axis_azimuth=180, max_angle=60, backtrack=True, gcr=0.4)
    array = pvlib.pvsystem.Array(
        mount,
        albedo=0.2,
        module_parameters={"pdc0": 1.0, "gamma_pdc": -0.0037},
        temperature_model_parameters={"u0": 25.0, "u1": 6.84},
    )
    plant = pvlib.pvsystem.PVSystem([array], inverter_parameters={"pdc0": 1 / ratio / 0.96, "eta_inv_nom": 0.96})
    chain = pvlib.modelchain.ModelChain.with_pvwatts(
        plant,
        pvlib.location.Location(DENVER[1], DENVER[0], altitude=0),
        transposition_model="haydavies",
        aoi_model="physical",
        temperature_model="faiman",
        losses_model="pvwatts",
    )
    weather = rows.set_index("time").rename(
        columns={
            "ghi_w_m2": "ghi",
            "dni_w_m2": "dni",
            "dhi_w_m2": "dhi",
            "temperature_c": "temp_air",
            "wind_speed_m_s": "wind_speed",
        }
    )
    chain.run_model(weather[["ghi", "dni", "dhi", "temp_air", "wind_speed"]])
    expected = chain.results.ac.fillna(0).clip(lower=0).groupby(chain.results.ac.index.month).sum()
    (ours,) = denver().monthly_kwh(axis, tilt, azimuth, np.array([ratio]))
    assert ours == pytest.approx(expected.to_numpy(), rel=2e-3)
    assert 800 < ours.sum() < 2500


def test_months_add_up_to_the_year_and_intervals_hold_them() -> None:
    irradiance = pa.Table.from_pandas(series(*DENVER, cloud=0.7), preserve_index=False)
    beside = site(installation_id="pv-beside", axis="single")
    far = site(installation_id="pv-far", lon_deg=30.0, lat_deg=-5.0, axis="fixed", pvout_kwh_kwp_year=1500.0)
    table = made(beside, far, irradiance=irradiance)
    assert len(table) == 26
    for _, rows in table.groupby("installation_id"):
        months, year = rows[rows["month"].notna()], rows[rows["month"].isna()]
        assert sorted(months["month"]) == list(range(1, 13))
        assert months["energy_mwh"].sum() == pytest.approx(year["energy_mwh"].item(), rel=1e-12)
    assert (table["energy_mwh_low"] < table["energy_mwh"]).all()
    assert (table["energy_mwh"] < table["energy_mwh_high"]).all()
    assert year_of(table, "method").to_dict() == {"pv-beside": "tmy", "pv-far": "pvout"}
    assert year_of(table, "specific_yield_kwh_kwp")["pv-beside"] * 2 == pytest.approx(year_of(table, "energy_mwh")["pv-beside"])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (series(*DENVER, kind="clear_sky"), "clear skies"),
        (series(*DENVER, days=14), "a fortnight"),
        (series(*DENVER, days=330), "eleven months"),
        (series(*DENVER).assign(dni_w_m2=np.nan), "no direct light"),
        (series(*DENVER).iloc[::4], "every fourth hour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_holds_no_year_is_no_station(given: pd.DataFrame, why: str) -> None:
    assert station(given) is None


def test_a_typical_year_may_have_months_of_several_years() -> None:
    rows = series(*DENVER, cloud=0.7)
    times = rows["time"].map(lambda time: time.replace(year=2007 + time.month % 5 * 2 if time.month != 2 else 2011))
    found = station(rows.assign(time=times).sample(frac=1, random_state=1))
    assert found is not None
    ratio = np.array([1.2])
    assert found.monthly_kwh("fixed", 25, 180, ratio) == pytest.approx(denver().monthly_kwh("fixed", 25, 180, ratio), rel=0.02)


def test_the_nearest_station_across_the_antimeridian_and_none_beyond_reach() -> None:
    stations = [
        replace(denver(), station_id=name, lon_deg=lon, lat_deg=lat)
        for name, lon, lat in (("west", 179.9, 10.0), ("far", -170.0, 10.0))
    ]
    index, km = nearest(np.array([-179.9, 178.0, -170.0]), np.array([10.0, 10.0, 10.0]), stations)
    assert index.tolist() == [0, -1, 1]
    expected_km = 2 * 6371.0088 * np.sin(np.radians(0.1)) * np.cos(np.radians(10))
    assert km[0] == pytest.approx(expected_km, rel=1e-3)
    assert np.isinf(km[1])


def test_pvout_is_what_fixed_modules_at_their_best_yield() -> None:
    best = site(installation_id="pv-best", axis="fixed", dc_ac_ratio=1.0, lon_deg=2.5, lat_deg=9.5, pvout_kwh_kwp_year=1450.0)
    tracking = site(
        installation_id="pv-tracking", axis="single", dc_ac_ratio=1.0, lon_deg=2.5, lat_deg=9.5, pvout_kwh_kwp_year=1450.0
    )
    found = year_of(made(best, tracking), "specific_yield_kwh_kwp")
    assert found["pv-best"] == pytest.approx(1450, rel=2e-3)
    assert 1.05 * 1450 < found["pv-tracking"] < 1.35 * 1450


def test_more_is_asked_where_less_is_known() -> None:
    def width(**said: object) -> float:
        row = made(site(**said)).iloc[-1]
        return float(np.log(row["energy_mwh_high"] / row["energy_mwh_low"]))

    best = {"axis": "fixed", "tilt_deg": 25.0, "azimuth_deg": 180.0, "pvout_kwh_kwp_year": 1500.0}
    widths = [
        width(**best),
        width(**{**best, "tilt_deg": None}),
        width(**{**best, "axis": None, "tilt_deg": None}),
        width(**{**best, "axis": None, "tilt_deg": None, "capacity_rule": "ac"}),
        width(**{"axis": None, "capacity_rule": "ac"}),
        width(**{"axis": None, "capacity_rule": "area", "capacity_low_factor": 0.5, "capacity_high_factor": 1.7}),
    ]
    assert widths == sorted(widths)
    # published angles and capacity: 5 % of PVOUT, 4 % each of losses and years, 1 % each of orientation and capacity
    assert widths[0] == pytest.approx(2 * 1.645 * np.sqrt(0.05**2 + 2 * 0.04**2 + 2 * 0.01**2), rel=1e-3)


def test_trackers_are_less_sure_under_a_sky_of_which_nothing_is_known() -> None:
    def width(**said: object) -> float:
        row = made(site(**said)).iloc[-1]
        assert np.log(row["energy_mwh_high"] / row["energy_mwh"]) == pytest.approx(
            np.log(row["energy_mwh"] / row["energy_mwh_low"])
        )
        return float(np.log(row["energy_mwh_high"] / row["energy_mwh"]))

    published = {"axis": "fixed", "tilt_deg": 25.0, "azimuth_deg": 180.0}
    # 15 % of clear skies, of trackers as much of direct light; 4 % each of losses and years, 1 % of orientation and capacity
    common = 0.15**2 + 2 * 0.04**2 + 2 * 0.01**2
    assert width(**published) == pytest.approx(1.645 * np.sqrt(common), rel=1e-3)
    assert width(axis="single") == pytest.approx(1.645 * np.sqrt(common + 0.15**2), rel=1e-3)
    assert width(axis="single", pvout_kwh_kwp_year=1500.0) == pytest.approx(width(**published, pvout_kwh_kwp_year=1500.0))


def test_without_capacity_or_place_there_is_no_energy() -> None:
    assert made(site(capacity_mw_dc_best=None), site(lat_deg=None)).empty


def test_a_missing_column_is_named() -> None:
    with pytest.raises(BuildError, match="dc_ac_ratio"):
        energy_yield(pa.table({name: [] for name in SITES if name != "dc_ac_ratio"}), NO_STATIONS)


def test_orientation_is_as_published_or_as_assumed() -> None:
    nan = np.nan
    sites = pd.DataFrame(
        [
            ("fixed", 20.0, 170.0, 40.0),
            ("fixed", nan, 180.0, 40.0),
            ("fixed", 20.0, 0.0, 40.0),  # faces the pole: not stated
            ("fixed", 5.0, 0.0, 40.0),  # nearly flat
            ("fixed", 20.0, 10.0, -30.0),
            ("fixed", nan, nan, -30.0),
            ("single", 52.0, 90.0, 40.0),
            ("dual", nan, nan, 40.0),
            ("mixed", 20.0, 180.0, 40.0),
            (None, nan, nan, 0.0),
        ],
        columns=["axis", "tilt_deg", "azimuth_deg", "lat_deg"],
    )
    found = systems(sites)
    assert found["orientation_rule"].tolist() == [
        *["published", "assumed_angles", "assumed_angles", "published", "published", "assumed_angles"],
        *["tracker", "tracker", "assumed_axis", "assumed_axis"],
    ]
    assert found["azimuth_assumed_deg"].tolist()[:6] == [170, 180, 180, 0, 10, 0]
    assert found["tilt_assumed_deg"].round(1).tolist()[:6] == [20.0, 31.5, 20.0, 5.0, 20.0, 27.3]
    assert found["axis_assumed"].tolist()[-4:] == ["single", "dual", "fixed", "fixed"]
    assert found.loc[6:7, ["tilt_assumed_deg", "azimuth_assumed_deg"]].isna().all(axis=None)
