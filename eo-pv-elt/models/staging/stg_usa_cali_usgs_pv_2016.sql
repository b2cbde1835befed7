{{ observation(
    "usa_cali_usgs_pv_2016",
    source_feature_id=text("polygon_id"),
    reported_area_m2=quantity("area_meters", "m2"),
) }}
