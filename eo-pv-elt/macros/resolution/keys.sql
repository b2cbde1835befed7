{#- 64 bits of an observation_id: what the prepared tables join on, at a quarter of the id's size. -#}
{% macro observation_key(observation_id) -%}
    ('0x' || left({{ observation_id }}, 16))::ubigint
{%- endmacro %}

{#- Published id of an installation: the key of the observation that founded it. -#}
{% macro installation_id(installation_key) -%}
    'pv-' || {{ half_id(installation_key) }}
{%- endmacro %}

{#- The keys of a table as the text that ids begin with: a few keys are turned into text sooner than many ids into keys. -#}
{% macro half_id(observation_key) -%}
    printf('%016x', {{ observation_key }})
{%- endmacro %}

{#- The inverse of installation_id. -#}
{% macro installation_key_of(installation_id) -%}
    ('0x' || substr({{ installation_id }}, 4))::ubigint
{%- endmacro %}
