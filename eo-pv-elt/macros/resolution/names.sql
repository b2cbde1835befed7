{#-
  What tells sites apart in a name: lower-case words without accents, without what every solar site is called, and, apart
  from the words, its numerals ('Phase II', 'Solar 2', 'B').
-#}
{% macro name_words(name) -%}
    list_distinct(list_filter(
        string_split_regex(
            -- elisions, possessives and ordinals ('d'Arles', 'Jane's', 'Nº') leave no single letters, which would be numerals
            regexp_replace({{ plain_letters(name) }}, '\b[a-z][''’º°]|[''’]s\b', ' ', 'g'),
            '[^a-z0-9]+'
        ),
        lambda word: word != ''
    ))
{%- endmacro %}

{#- Letters that have no accent to strip are spelt as in English. -#}
{% macro plain_letters(name) -%}
    translate(replace(strip_accents(lower({{ name }})), 'ß', 'ss'), 'øłđıæœ', 'oldiao')
{%- endmacro %}

{% macro without_generic_words(words) -%}
    list_sort(list_filter({{ words }}, lambda word: not {{ is_generic("word") }} and not {{ is_numeral("word") }}))
{%- endmacro %}

{% macro numerals(words) -%}
    list_sort(list_distinct(list_transform(
        list_filter({{ words }}, lambda word: {{ is_numeral("word") }} and not {{ is_generic("word") }}),
        lambda word: coalesce({{ numeral_values() }}[word], ltrim(word, '0'))
    )))
{%- endmacro %}

{% macro is_generic(word) -%}
    list_contains([{% for generic in generic_words() %}'{{ generic }}'{{ ", " if not loop.last }}{% endfor %}], {{ word }})
{%- endmacro %}

{% macro is_numeral(word) -%}
    regexp_full_match({{ word }}, '\d+|[a-z]|ii|iii|iv|vi|vii|viii|ix|xi|xii|one|two|three|four|five')
{%- endmacro %}

{% macro numeral_values() -%}
    map {
        'i': '1', 'ii': '2', 'iii': '3', 'iv': '4', 'v': '5', 'vi': '6', 'vii': '7', 'viii': '8', 'ix': '9', 'x': '10',
        'xi': '11', 'xii': '12', 'one': '1', 'two': '2', 'three': '3', 'four': '4', 'five': '5'
    }
{%- endmacro %}

{#- Words of kind and of legal form, in the languages of the datasets. -#}
{% macro generic_words() -%}
    {{ return([
        "ag", "and", "array", "bv", "center", "centre", "co", "community", "company", "corp", "csg", "de", "del", "der", "die",
        "du", "eg", "el", "energy", "energia", "et", "facility", "farm", "farms", "field", "fotovoltaica", "fotovoltaico",
        "fv", "garden", "gmbh", "green", "ground", "holdings", "hybrid", "inc", "kg", "kraftwerk", "la", "las", "le", "les",
        "limited", "llc", "los", "lp", "ltd", "mbh", "of", "oy", "park", "parc", "parque", "phase", "photovoltaic",
        "photovoltaics", "photovoltaik", "plant", "planta", "plc", "power", "project", "projekt", "pty", "pv", "renewable",
        "renewables", "sa", "sas", "se", "site", "solaire", "solar", "solarpark", "spa", "srl", "station", "storage", "sun",
        "system", "the", "und", "usina", "y"
    ]) }}
{%- endmacro %}
