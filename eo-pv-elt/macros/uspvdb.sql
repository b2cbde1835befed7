{#- The mapping that all versions of the US Large-Scale Solar PV Database share. -#}
{% macro uspvdb(dataset, reported_mount="null") -%}
{{ observation(
    dataset,
    source_feature_id=text("case_id"),
    external_ids={"eia_plant_code": text("eia_id"), "uspvdb": text("case_id")},
    installed_year=year("p_year"),
    capacity_mw=quantity("p_cap_ac", "MW"),
    capacity_mw_dc=quantity("p_cap_dc", "MW"),
    axis=axis("p_axis"),
    reported_mount=reported_mount,
    tilt_deg=angle("p_tilt", 90),
    azimuth_deg=angle("p_azimuth", 360),
    name=text("p_name"),
    reported_area_m2=quantity("p_area", "m2"),
) }}
{%- endmacro %}
