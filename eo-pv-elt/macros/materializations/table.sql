{#-
  Tables are replaced in place, in one DuckLake transaction, instead of built under another name and renamed: readers see
  the old snapshot until the commit either way, and concurrent renames are what DuckLake 1.0 gets wrong (docs/adr/0002).
-#}
{% materialization table, adapter="duckdb", supported_languages=["sql", "python"] %}
    {%- set target_relation = this.incorporate(type="table") -%}
    {%- set partitioned_by = duckdb__get_partitioned_by(target_relation, false) -%}
    {%- set sorted_by = duckdb__get_sorted_by(target_relation, false) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {{ drop_existing() }}
    {% call statement("main", language=model["language"]) -%}
        {{ create_table_as(False, target_relation, compiled_code, model["language"], partitioned_by=partitioned_by, sorted_by=sorted_by) }}
    {%- endcall %}
    {{ set_commit_message(target_relation, "build") }}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [target_relation]}) }}
{% endmaterialization %}

{#- What has the model's name, dropped in the transaction that makes the table. -#}
{% macro drop_existing() -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- if existing_relation is not none %}
        {% call statement("replaced") -%}
            drop {{ existing_relation.type }} if exists {{ existing_relation }}
        {%- endcall %}
    {%- endif %}
{%- endmacro %}

{% macro set_commit_message(relation, verb) -%}
    {% call statement("commit_message") -%}
        call {{ relation.database }}.set_commit_message(
            'dbt', '{{ verb }} {{ relation.schema }}.{{ relation.identifier }}',
            extra_info => '{{ {"dbt_invocation_id": invocation_id} | tojson }}'
        )
    {%- endcall %}
{%- endmacro %}
