"""The sample's irradiance agrees with itself: typical years read by pvlib, maps by rasterio, stations by h5py."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pvlib
import pytest
import rasterio

from dataflows.sample.context import publish_context
from dataflows.sample.world import true_sites

SEED = 20261120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("sunshine")
    publish_context(true_sites(100, SEED), SEED, where)
    return where


@pytest.fixture(scope="module")
def years(folder):
    read = [pvlib.iotools.read_pvgis_tmy(path) for path in sorted((folder / "pvgis").glob("*.csv"))]
    assert len(read) == 3
    return read


def mapped(folder, name, meta):
    with rasterio.open(folder / "solar_resource" / f"{name}.tif") as source:
        assert (source.crs.to_epsg(), source.dtypes) == (4326, ("float32",))
        return float(next(source.sample([(meta["inputs"]["longitude"], meta["inputs"]["latitude"])]))[0])


def test_a_typical_year_has_every_hour_of_its_months(years):
    for data, meta in years:
        assert len(data) == 8760
        assert [chosen["month"] for chosen in meta["months_selected"]] == list(range(1, 13))
        chosen = {row["month"]: row["year"] for row in meta["months_selected"]}
        assert all(stamp.year == chosen[stamp.month] for stamp in data.index)
        assert not ((data.index.month == 2) & (data.index.day == 29)).any()
        assert not data.isna().any().any()
        assert meta["descriptions"]["G(h)"] == "Global irradiance on the horizontal plane (W/m2)"


def test_irradiance_closes_and_the_sun_is_below_the_horizon_at_night(years):
    for data, meta in years:
        place = {"latitude": meta["inputs"]["latitude"], "longitude": meta["inputs"]["longitude"]}
        zenith = pvlib.solarposition.get_solarposition(data.index, **place)["zenith"]
        assert (data["ghi"][zenith > 91] == 0).all()
        by_day = zenith < 85
        closed = data["dhi"] + data["dni"] * np.cos(np.radians(zenith))
        np.testing.assert_allclose(closed[by_day], data["ghi"][by_day], atol=0.5)
        assert data["ghi"].max() < 1100
        assert data["temp_air"].between(-15, 45).all()
        summer, winter = data["ghi"][data.index.month == 7].mean(), data["ghi"][data.index.month == 12].mean()
        assert 2.5 < summer / winter < 7


def test_maps_and_typical_years_say_the_same(folder, years):
    for data, meta in years:
        # 365 days: a typical year has no leap day
        assert data["ghi"].sum() / 1000 == pytest.approx(365 * mapped(folder, "GHI", meta), rel=0.002)
        assert data["temp_air"].mean() == pytest.approx(mapped(folder, "TEMP", meta), abs=0.1)


def test_pvout_is_what_another_model_chain_makes_of_the_typical_years(folder, years):
    for data, meta in years:
        location = pvlib.location.Location(
            meta["inputs"]["latitude"], meta["inputs"]["longitude"], altitude=meta["inputs"]["elevation"]
        )
        system = pvlib.pvsystem.PVSystem(
            arrays=[
                pvlib.pvsystem.Array(
                    pvlib.pvsystem.FixedMount(surface_tilt=34, surface_azimuth=180),
                    module_parameters={"pdc0": 1000, "gamma_pdc": -0.0035},
                    temperature_model_parameters=pvlib.temperature.TEMPERATURE_MODEL_PARAMETERS["pvsyst"]["freestanding"],
                )
            ],
            inverter_parameters={"pdc0": 1000 / 0.96},
            losses_parameters={"soiling": 2, "shading": 0, "snow": 0, "mismatch": 2, "nameplate_rating": 0, "availability": 1},
        )
        chain = pvlib.modelchain.ModelChain.with_pvwatts(system, location, temperature_model="pvsyst")
        chain.run_model(data[["ghi", "dni", "dhi", "temp_air", "wind_speed"]])
        kwh_per_kwp = chain.results.ac.fillna(0).sum() / 1000
        assert kwh_per_kwp == pytest.approx(365 * mapped(folder, "PVOUT", meta), rel=0.06)


def test_maps_have_data_on_land_alone_and_truth_reads_them(folder):
    truth = pd.read_parquet(folder / "truth" / "context.parquet")
    assert truth[["ghi_kwh_m2_year", "pvout_kwh_kwp_year", "temperature_c"]].notna().all().all()
    for name, low, high in (("GHI", 3, 5), ("PVOUT", 3, 5.5), ("TEMP", 10, 18)):
        with rasterio.open(folder / "solar_resource" / f"{name}.tif") as source:
            values = source.read(1)
            assert np.isnan(source.nodata)
        assert 0.4 < np.isfinite(values).mean() < 0.95
        assert (low < np.nanmin(values)) & (np.nanmax(values) < high)


def test_stations_are_laid_out_as_nrel_does(folder):
    (path,) = (folder / "climate").iterdir()
    with h5py.File(path) as file:
        stations, times = len(file["meta"]), len(file["time_index"])
        assert {"latitude", "longitude", "elevation", "timezone", "country", "state", "county"} == set(file["meta"].dtype.names)
        stamps = pd.to_datetime(file["time_index"][:].astype(str), utc=True)
        assert (np.diff(stamps) == np.timedelta64(30, "m")).all()
        names = ("clearsky_ghi", "clearsky_dni", "clearsky_dhi", "solar_zenith_angle", "surface_pressure")
        assert set(names) == set(file) - {"meta", "time_index"}
        assert {file[name].shape for name in names} == {(times, stations)}
        scaled = {name: file[name][:] / file[name].attrs["scale_factor"] for name in names}
        zenith = scaled["solar_zenith_angle"]
        closed = scaled["clearsky_dhi"] + scaled["clearsky_dni"] * np.cos(np.radians(zenith))
        np.testing.assert_allclose(closed[zenith < 80], scaled["clearsky_ghi"][zenith < 80], atol=2)
        assert 800 < scaled["clearsky_ghi"].max() < 1100
