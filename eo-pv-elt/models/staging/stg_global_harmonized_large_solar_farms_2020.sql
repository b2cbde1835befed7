{{ observation(
    "global_harmonized_large_solar_farms_2020",
    source_feature_id=text("sol_id"),
    capacity_mw=quantity("power", "MW"),
    reported_area_m2=quantity("landscape.area", "km2"),
    country_iso3=text("GID_0"),
) }}
