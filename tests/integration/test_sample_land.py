"""Land, buildings and sunshine of the sample lake's installations, compared with the truth of their sites."""

from __future__ import annotations

import numpy as np
import pytest
from sample_lake import SampleLake
from sample_truth import beside_truth

from db import connect


@pytest.fixture(scope="module")
def lake(sample_lake: SampleLake):
    with connect(read_only=True, lake=sample_lake.settings) as con:
        yield con


def test_context_is_read_around_pv_alone(lake, sample_lake):
    facts = sample_lake.world.context
    for name, published in (("building", facts.buildings), ("land_use", facts.land_uses), ("land_cover", facts.land_covers)):
        (landed,) = lake.sql(f"SELECT count(*) FROM landing.overture_{name}").fetchone()
        assert 0.05 * published < landed < 0.7 * published, name


def test_land_cover_and_use_are_the_true_ones(lake, sample_lake):
    found = beside_truth(lake, sample_lake.world, "prepared.prep_pv_land")
    for column in ("land_cover", "land_use", "land_use_class"):
        same = found[column].fillna("") == found[f"true_{column}"].fillna("")
        # outlines end well inside their parcel, points up to 900 m from the site may be in another one
        assert same[found["geometry_kind"] == "polygon"].all(), column
        assert same.mean() > 0.98, column
    outlined = found["geometry_kind"] == "polygon"
    assert found["land_cover_share"][outlined].min() > 0.999


def test_shares_on_buildings_are_the_true_ones_but_for_how_outlines_were_drawn(lake, sample_lake):
    found = beside_truth(lake, sample_lake.world, "prepared.prep_pv_buildings")
    # a bow tie, repaired, is half of the rectangle around the outline
    outlined = found[(found["geometry_kind"] == "polygon") & ~found["was_repaired"]]
    off = (outlined["building_share"] - outlined["true_building_share"]).abs()
    # a metre of displacement and 3 % of size at a roof of a few metres
    assert off.max() < 0.1
    assert np.mean(off) < 0.005


def test_mounts_are_the_true_ones_where_outlines_are_known(lake, sample_lake):
    found = beside_truth(lake, sample_lake.world, "prepared.prep_pv_buildings")
    outlined = found[(found["geometry_kind"] == "polygon") & ~found["was_repaired"]]
    assert outlined["mount"].eq(outlined["true_mount"]).all()
    assert set(outlined["mount"]) == {"ground", "rooftop", "canopy"}
    assert {"on_canopy", "over_parking"} <= set(outlined["mount_rule"][outlined["true_mount"] == "canopy"])
    # two of them are above a building that is underground; without any building around, the share is not known
    assert (outlined["building_share"][outlined["true_mount"] == "ground"].fillna(0) < 0.05).all()


def test_the_sun_is_that_of_the_pixel_or_of_its_neighbour(lake, sample_lake):
    found = beside_truth(lake, sample_lake.world, "prepared.prep_pv_resource")
    for column in ("ghi_kwh_m2_year", "pvout_kwh_kwp_year"):
        off = (found[column] / found[f"true_{column}"] - 1).abs()
        assert off.max() < 0.01, column
        assert (off < 1e-6).mean() > 0.9, column
    assert (found["temperature_c"] - found["true_temperature_c"]).abs().max() < 0.3
    # typical years of three of the seven towns; stations with a clear sky alone are not asked
    assert set(found["irradiance_source"].dropna()) == {"pvgis_tmy"}
    assert 0.3 < found["irradiance_station_id"].notna().mean() < 0.6
