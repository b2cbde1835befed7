"""The seven datasets that look at Helia, each a module named like its dataset key."""

from dataflows.sample.views import (
    deu_ufz_open_field_pv_2015,
    global_harmonized_large_solar_farms_2020,
    global_wri_gppd_2021,
    ind_pv_solar_farms_2022,
    usa_cali_usgs_pv_2016,
    usa_gm_seus_v1_2025,
    usa_uspvdb_v3_2025,
)

VIEWS = (
    deu_ufz_open_field_pv_2015.VIEW,
    usa_gm_seus_v1_2025.VIEW,
    ind_pv_solar_farms_2022.VIEW,
    global_harmonized_large_solar_farms_2020.VIEW,
    usa_uspvdb_v3_2025.VIEW,
    global_wri_gppd_2021.VIEW,
    usa_cali_usgs_pv_2016.VIEW,
)
"""In the order of the manifest."""
