{#- Post-hook of prep_pv_memberships: what a newer row replaces, or whose observation is gone, ends with this snapshot. -#}
{% macro close_memberships() -%}
    {%- set snapshot = "(select max(snapshot_id) from " ~ this.database ~ ".snapshots())" -%}
    update {{ this }} as membership
    set valid_to_snapshot = {{ snapshot }}
    where valid_to_snapshot is null
        and valid_from_snapshot < {{ snapshot }}
        and (
            observation_key in (select observation_key from {{ this }} where valid_from_snapshot = {{ snapshot }})
            or observation_key not in (select observation_key from {{ prepared("prep_pv_footprints") }})
        )
{%- endmacro %}
