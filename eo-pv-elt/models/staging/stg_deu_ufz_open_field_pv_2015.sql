{{ observation(
    "deu_ufz_open_field_pv_2015",
    installed_year=year("Year"),
    capacity_mw=quantity("Power_kW", "kW"),
    reported_area_m2=quantity("Area_sqm", "m2"),
) }}
