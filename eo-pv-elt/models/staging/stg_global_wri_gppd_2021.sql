{{ observation(
    "global_wri_gppd_2021",
    source_feature_id=text("gppd_idnr"),
    external_ids={
        "gppd": text("gppd_idnr"),
        "eia_plant_code": "regexp_extract(" ~ text("gppd_idnr") ~ ", '^USA0*([1-9]\\d*)$', 1, 'c')",
    },
    installed_year=year("commission"),
    capacity_mw=quantity("capacity_m", "MW"),
    name=text("name"),
    operator=text("owner"),
    country_iso3=text("country"),
) }}
