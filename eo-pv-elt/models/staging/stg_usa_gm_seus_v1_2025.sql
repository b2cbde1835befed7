-- capMW is DC; solar-thermal arrays (modType csp) are landed too and keep their name in the raw view.
{{ observation(
    "usa_gm_seus_v1_2025",
    source_feature_id=text("arrayID"),
    external_ids={"gm_seus": text("arrayID")},
    installed_year=year("instYr"),
    capacity_mw_dc=quantity("capMW", "MW"),
    axis=axis("mount"),
    tilt_deg=angle("tilt", 90),
    azimuth_deg=angle("avgAzimuth", 360),
    reported_area_m2=quantity("totArea", "m2"),
) }}
