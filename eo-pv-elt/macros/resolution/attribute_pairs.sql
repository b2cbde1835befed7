{#-
  Pairs that a name or an id suggests, wherever their positions are. `some` and `all` are relations with the columns of
  prep_pv_footprints; `some` is a part of `all`. Each yields key_a < key_b, each pair once.
-#}

{#- Sites of two datasets that share a word of their names, within var('named_radius_m'). -#}
{% macro pairs_by_words(some, all) -%}
select distinct {{ pair_keys() }}
from ({{ words_on_the_grid(some, 1) }}) as one_word
inner join ({{ words_on_the_grid(all, 0) }}) as other_word on one_word.word = other_word.word and one_word.cell = other_word.cell
where one_dataset_name != other_dataset_name
    and {{ great_circle_m("one_lon_deg", "one_lat_deg", "other_lon_deg", "other_lat_deg") }} <= {{ var("named_radius_m") }}
{%- endmacro %}

{% macro words_on_the_grid(relation, rings) -%}
    {%- set side = "one" if rings else "other" -%}
    {#- neighbours of resolution-3 cells reach h3_reach() × 69 km, which is more than named_radius_m -#}
    select
        {{ side }},
        {{ side }}_dataset_name,
        {{ side }}_lon_deg,
        {{ side }}_lat_deg,
        word,
        unnest(h3_grid_disk(h3_latlng_to_cell({{ side }}_lat_deg, {{ side }}_lon_deg, 3), {{ rings }})) as cell
    from (
        select
            observation_key as {{ side }},
            dataset as {{ side }}_dataset_name,
            centroid_lon_deg as {{ side }}_lon_deg,
            centroid_lat_deg as {{ side }}_lat_deg,
            unnest(name_words) as word
        from {{ relation }}
    )
{%- endmacro %}

{#- Sites of two datasets in one country that have the same name, within var('same_name_radius_m'). -#}
{% macro pairs_by_name(some, all) -%}
select distinct least(one.observation_key, other.observation_key) as key_a, greatest(one.observation_key, other.observation_key) as key_b
from {{ some }} as one
inner join {{ all }} as other
    on one.name_words = other.name_words
    and one.name_numerals = other.name_numerals
    and one.country_iso3 = other.country_iso3
where len(one.name_words) > 0
    and one.dataset != other.dataset
    and {{ great_circle_m("one.centroid_lon_deg", "one.centroid_lat_deg", "other.centroid_lon_deg", "other.centroid_lat_deg") }}
        <= {{ var("same_name_radius_m") }}
{%- endmacro %}

{#- Observations of two datasets with the same id in the same register, at any distance. -#}
{% macro pairs_by_id(some, all) -%}
select distinct {{ pair_keys() }}
from (select observation_key as one, dataset as one_dataset_name, unnest(map_entries(external_ids)) as id from {{ some }}) as one_id
inner join (select observation_key as other, dataset as other_dataset_name, unnest(map_entries(external_ids)) as id from {{ all }}) as other_id
    on one_id.id = other_id.id
where one_dataset_name != other_dataset_name
{%- endmacro %}
