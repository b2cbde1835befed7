{#- SQL expressions that turn published values into canonical ones. Each takes the published column's name. -#}

{#- Text without surrounding blanks and line breaks; what stands for 'no value' becomes null. -#}
{% macro text(column) -%}
    case
        when lower(trim(regexp_replace({{ adapter.quote(column) }}::varchar, '\s+', ' ', 'g')))
            not in ('{{ var("null_tokens") | join("', '") }}')
        then trim(regexp_replace({{ adapter.quote(column) }}::varchar, '\s+', ' ', 'g'))
    end
{%- endmacro %}

{#- A finite number; thousands separators are dropped, what is not a number or stands for 'no value' becomes null. -#}
{% macro number(column) -%}
    {%- set value = "try_cast(replace(" ~ adapter.quote(column) ~ "::varchar, ',', '') as double)" -%}
    case when isfinite({{ value }}) and {{ value }} not in ({{ var("null_numbers") | join(", ") }}) then {{ value }} end
{%- endmacro %}

{#- A number in the canonical unit of its kind: MW for power, m² for area. -#}
{% macro quantity(column, unit) -%}
    {%- set factors = {"W": 1e-6, "kW": 1e-3, "MW": 1, "GW": 1e3, "m2": 1, "ha": 1e4, "km2": 1e6} -%}
    {%- if unit not in factors -%}
        {{ exceptions.raise_compiler_error("Unknown unit " ~ unit ~ " of column " ~ column ~ "; known: " ~ factors.keys() | join(", ")) }}
    {%- endif -%}
    {{ number(column) }}{{ " * " ~ factors[unit] if factors[unit] != 1 }}
{%- endmacro %}

{#- What modules are mounted on: rooftop, ground, canopy, floating, or mixed where the publisher names several; null where none is named. -#}
{% macro mount(column) -%}
    {%- set value = "lower(" ~ adapter.quote(column) ~ "::varchar)" -%}
    {%- set kinds = ["rooftop", "ground", "canopy", "floating"] -%}
    case
        when {% for kind in kinds %}contains({{ value }}, '{{ kind }}')::integer{{ " + " if not loop.last }}{% endfor %} > 1 then 'mixed'
        {%- for kind in kinds %}
        when contains({{ value }}, '{{ kind }}') then '{{ kind }}'
        {%- endfor %}
    end
{%- endmacro %}

{#- An angle in degrees; what is outside its range becomes null. -#}
{% macro angle(column, max_deg) -%}
    case when {{ number(column) }} between 0 and {{ max_deg }} then {{ number(column) }} end
{%- endmacro %}

{#- How modules follow the sun: fixed, single, dual, or mixed where the publisher names several; null where none is named. -#}
{% macro axis(column) -%}
    {%- set value = "lower(" ~ adapter.quote(column) ~ "::varchar)" -%}
    case
        when contains({{ value }}, 'mixed')
            or {% for kind in ["fixed", "single", "dual"] %}contains({{ value }}, '{{ kind }}')::integer{{ " + " if not loop.last }}{% endfor %} > 1
        then 'mixed'
        {%- for kind in ["fixed", "single", "dual"] %}
        when contains({{ value }}, '{{ kind }}') then '{{ kind }}'
        {%- endfor %}
    end
{%- endmacro %}

{#- A year of commissioning; years outside the range that vars state become null. -#}
{% macro year(column) -%}
    case
        when {{ number(column) }} between {{ var("first_year") }} and {{ var("last_year") }}
        then {{ number(column) }}::integer
    end
{%- endmacro %}
