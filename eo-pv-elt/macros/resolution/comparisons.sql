{#-
  The comparisons of a pair: each turns evidence into a level, a text that match_weights.csv weighs, or null where there is
  nothing to compare. Columns are those of prep_pv_evidence and its CTE `compared`.
-#}
{% macro comparisons() -%}
    {{ return(["geometry", "capacity", "year", "name", "operator", "country", "kind", "id"]) }}
{%- endmacro %}

{% macro geometry_level() -%}
    case
        when distance_m > {{ var("absurd_distance_m") }} then 'absurd'
        when kind_a = 'polygon' and kind_b = 'polygon' then case
            when iou >= 0.8 then 'polygons: iou ≥ 0.8'
            when iou >= 0.5 then 'polygons: iou ≥ 0.5'
            when iou >= 0.25 then 'polygons: iou ≥ 0.25'
            when overlap >= 0.5 and iou >= 0.05 then 'polygons: contained, iou ≥ 0.05'
            when overlap >= 0.5 then 'polygons: contained'
            when overlap >= 0.1 then 'polygons: overlap ≥ 0.1'
            when distance_m = 0 then 'polygons: touch'
            when scaled_distance <= 0.5 then 'polygons: near'
            else 'polygons: apart'
        end
        when kind_a != kind_b then case
            when distance_m = 0 then 'point in polygon'
            {%- for bound in [0.25, 0.5, 1, 2, 4, 8] %}
            when scaled_distance <= {{ bound }} then 'point to polygon: ≤ {{ bound }}'
            {%- endfor %}
            else 'point to polygon: apart'
        end
        {%- for bound in [0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 32, 64] %}
        when scaled_distance <= {{ bound }} then 'points: ≤ {{ bound }}'
        {%- endfor %}
        else 'points: far'
    end
{%- endmacro %}

{% macro capacity_level() -%}
    case
        when capacity_log_ratio <= 0.02 then 'capacity: equal'
        when capacity_log_ratio <= 0.1 then 'capacity: ± 10 %'
        when capacity_log_ratio <= 0.35 then 'capacity: ± 40 %'
        when capacity_log_ratio <= 0.7 then 'capacity: factor 2'
        when capacity_log_ratio <= 1.6 then 'capacity: factor 5'
        when capacity_log_ratio is not null then 'capacity: other'
        when area_log_ratio <= 0.35 then 'area: ± 40 %'
        when area_log_ratio <= 1.1 then 'area: factor 3'
        when area_log_ratio is not null then 'area: other'
    end
{%- endmacro %}

{% macro year_level() -%}
    case
        when year_gap = 0 then 'year: same'
        when year_gap = 1 then 'year: next'
        when year_gap <= 3 then 'year: ± 3'
        when year_gap is not null then 'year: other'
    end
{%- endmacro %}

{% macro name_level() -%}
    case
        when name_similarity is null then null
        when name_similarity = 1 and numerals_agree then 'name: same'
        when name_similarity >= 0.6 and numerals_differ then 'name: numbered apart'
        when name_similarity >= 0.6 then 'name: similar'
        when name_similarity >= 0.3 then 'name: partly'
        else 'name: other'
    end
{%- endmacro %}

{% macro operator_level() -%}
    case
        when operator_similarity >= 0.6 then 'operator: similar'
        when operator_similarity is not null then 'operator: other'
    end
{%- endmacro %}

{% macro country_level() -%}
    case when country_a != country_b then 'country: other' end
{%- endmacro %}

{% macro kind_level() -%}
    case
        when level_a = level_b then null
        when level_a = 'rooftop' or level_b = 'rooftop' then 'level: rooftop and other'
        else 'level: array and plant'
    end
{%- endmacro %}

{% macro id_level() -%}
    case
        when len(shared_ids) > 0 then 'id: shared'
        when len(contradicting_ids) > 0 then 'id: other'
    end
{%- endmacro %}

{#- Letters in common over letters of the shorter list: 1 where one list holds the other. Null where either is empty. -#}
{% macro word_similarity(a, b) -%}
    case when len({{ a }}) > 0 and len({{ b }}) > 0 then greatest(
        length(array_to_string(list_intersect({{ a }}, {{ b }}), ''))
            / least(length(array_to_string({{ a }}, '')), length(array_to_string({{ b }}, ''))),
        -- misspelt words; 0.92 of Jaro–Winkler and more counts as similar, never as the same
        case when jaro_winkler_similarity(array_to_string({{ a }}, ' '), array_to_string({{ b }}, ' ')) >= 0.92 then 0.9 else 0 end
    ) end
{%- endmacro %}

{#- |ln| of the ratio of two capacities, the closest of like with like and of what does not say AC or DC. -#}
{% macro capacity_log_ratio(a, b) -%}
    case when 'modelled' not in ({{ a }}.capacity_basis, {{ b }}.capacity_basis) then least(
        abs(ln({{ a }}.capacity_ac_mw / {{ b }}.capacity_ac_mw)),
        abs(ln({{ a }}.capacity_dc_mw / {{ b }}.capacity_dc_mw)),
        case when {{ b }}.capacity_basis = 'stated' then abs(ln({{ a }}.capacity_dc_mw / {{ b }}.capacity_ac_mw)) end,
        case when {{ a }}.capacity_basis = 'stated' then abs(ln({{ a }}.capacity_ac_mw / {{ b }}.capacity_dc_mw)) end,
        -- neither in both: DC is turned into AC
        case
            when {{ a }}.capacity_ac_mw is null and {{ b }}.capacity_dc_mw is null
            then abs(ln({{ a }}.capacity_dc_mw / {{ var("dc_ac_ratio") }} / {{ b }}.capacity_ac_mw))
            when {{ b }}.capacity_ac_mw is null and {{ a }}.capacity_dc_mw is null
            then abs(ln({{ a }}.capacity_ac_mw / ({{ b }}.capacity_dc_mw / {{ var("dc_ac_ratio") }})))
        end
    ) end
{%- endmacro %}

{#- The evidence that speaks loudest, as a name for people. -#}
{% macro rule_id() -%}
    case
        when id_level = 'id: shared' then 'shared_id'
        when geometry_level in ('polygons: iou ≥ 0.8', 'polygons: iou ≥ 0.5', 'polygons: iou ≥ 0.25') then 'overlap'
        when geometry_level like 'polygons: contained%' then 'containment'
        when kind_a = 'polygon' and kind_b = 'polygon' then 'contact'
        when geometry_level = 'point in polygon' then 'point_in_polygon'
        when name_level in ('name: same', 'name: similar') then 'name_and_distance'
        else 'distance'
    end
{%- endmacro %}

{#-
  The end of a pair that lies within the other one, if either does: candidates for part_of. A polygon of which half or more
  is covered by a larger one, a point in a polygon, a rooftop's point within the circle of a plant's known area.
-#}
{% macro part_key() -%}
    case
        when kind_a = 'polygon' and kind_b = 'polygon' then case
            when overlap >= 0.5 and area_a_deg2 < 0.8 * area_b_deg2 and {{ level_rank("level_a") }} <= {{ level_rank("level_b") }} then key_a
            when overlap >= 0.5 and area_b_deg2 < 0.8 * area_a_deg2 and {{ level_rank("level_b") }} <= {{ level_rank("level_a") }} then key_b
        end
        when geometry_level = 'point in polygon' then case
            when kind_a = 'point' and coalesce(area_a_m2 < area_b_m2, true) and {{ level_rank("level_a") }} <= {{ level_rank("level_b") }} then key_a
            when kind_b = 'point' and coalesce(area_b_m2 < area_a_m2, true) and {{ level_rank("level_b") }} <= {{ level_rank("level_a") }} then key_b
        end
        when kind_a = 'point' and kind_b = 'point' then case
            when level_a = 'rooftop' and level_b != 'rooftop' and distance_m <= sqrt(area_b_m2 / pi()) and coalesce(area_a_m2 < 0.1 * area_b_m2, true) then key_a
            when level_b = 'rooftop' and level_a != 'rooftop' and distance_m <= sqrt(area_a_m2 / pi()) and coalesce(area_b_m2 < 0.1 * area_a_m2, true) then key_b
        end
    end
{%- endmacro %}

{% macro level_rank(level) -%}
    list_position(['rooftop', 'array', 'plant'], {{ level }})
{%- endmacro %}
