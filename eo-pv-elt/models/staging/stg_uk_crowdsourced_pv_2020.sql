{{ observation(
    "uk_crowdsourced_pv_2020",
    source_feature_id=text("osm_id"),
    external_ids={"osm": text("osm_id"), "repd": text("repd_id")},
    installed_year=year("repd_operational_date"),
    capacity_mw="coalesce(" ~ quantity("capacity_repd_MWp", "MW") ~ ", " ~ quantity("capacity_osm_MWp", "MW") ~ ")",
    name="coalesce(" ~ text("repd_site_name") ~ ", " ~ text("osm_name") ~ ")",
    reported_area_m2=quantity("area_sqm", "m2"),
) }}
