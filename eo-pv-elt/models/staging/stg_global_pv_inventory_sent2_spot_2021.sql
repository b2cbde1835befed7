-- install_date is 'YYYY-MM-…' or '<2016-…' (built before the first image): only the former is a year.
{{ observation(
    "global_pv_inventory_sent2_spot_2021",
    source_feature_id=text("unique_id"),
    installed_year="try_cast(regexp_extract(" ~ text("install_date") ~ ", '^(\\d{4})-', 1) as integer)",
    capacity_mw=quantity("capacity_mw", "MW"),
    reported_area_m2=quantity("area", "m2"),
) }}
