{{ observation(
    "ind_pv_solar_farms_2022",
    source_feature_id=text("fid"),
    reported_area_m2=quantity("Area", "m2"),
) }}
