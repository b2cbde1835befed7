{#- Which of several areas a site is in (docs/administrative-areas.md); expressions over the candidates of prep_pv_admin. -#}

{#- What the areas of one country have in common. -#}
{% macro country_key() -%}
    coalesce(country_iso3, country_iso2)
{%- endmacro %}

{#-
  Best first: an area that covers the site before one that is near; Overture's boundaries, which follow the coast, before those
  of Natural Earth, which are simplified; what is not disputed; the nearest; the smallest, so that an enclave counts that was
  not cut out of what surrounds it. The id makes the order total: a point on a common border is in one area, always the same.
-#}
{% macro area_order() -%}
    not is_covering, source != 'overture', coalesce(is_disputed, false), distance_m, area_m2, area_id
{%- endmacro %}

{#- How a region or county was found; null where none was. -#}
{% macro division_match(division) -%}
    case when {{ division }}.is_covering then 'within' when not {{ division }}.is_covering then 'nearest' end
{%- endmacro %}
