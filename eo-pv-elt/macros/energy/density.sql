{#- Natural logarithm of W/m² (DC) by a row of the seed capacity_density (alias density) for a site (alias sites). -#}
{% macro ln_density() -%}
    density.ln_w_m2
    + density.per_year * coalesce(least(greatest(sites.installed_year, density.year_min), density.year_max) - 2015, 0)
    + density.per_lat_deg * (least(greatest(abs(sites.centroid_lat_deg), density.lat_min_deg), density.lat_max_deg) - 40)
    + density.per_ln_area * ln(least(greatest(sites.area_m2, density.area_min_m2), density.area_max_m2) / 1e5)
{%- endmacro %}
