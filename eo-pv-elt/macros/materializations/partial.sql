{#-
  A table of which a build replaces only the rows that it has to (docs/adr/0007): the pre-hook deletes what no longer holds,
  the model's query yields what takes its place, both in one DuckLake transaction. Where there is no table yet, with
  --full-refresh, or where everything has to be resolved again, the table is replaced as a whole.

  A model asks `replaces_part()` to know whether it has to yield a part only.
-#}
{% materialization partial, adapter="duckdb", supported_languages=["sql", "python"] %}
    {%- set target_relation = this.incorporate(type="table") -%}
    {%- set part = replaces_part() -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- if part -%}
        {{ run_hooks(pre_hooks, inside_transaction=True) }}
        {% call statement("main", language=model["language"]) -%}
            {{ insert_rows(target_relation, compiled_code, model["language"]) }}
        {%- endcall %}
    {%- else -%}
        {{ drop_existing() }}
        {% call statement("main", language=model["language"]) -%}
            {{ create_table_as(False, target_relation, compiled_code, model["language"]) }}
        {%- endcall %}
    {%- endif -%}
    {{ set_commit_message(target_relation, "update" if part else "build") }}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [target_relation]}) }}
{% endmaterialization %}

{% macro insert_rows(relation, compiled_code, language) -%}
    {%- if language == "sql" -%}
        insert into {{ relation }} by name {{ compiled_code }}
    {%- else -%}
{{ compiled_code }}

def materialize(rows, session):
    session.register("rows_to_insert", rows)
    session.execute('insert into {{ relation }} by name select * from rows_to_insert')
    session.unregister("rows_to_insert")
    {%- endif -%}
{%- endmacro %}

{#- Whether the model that asks keeps the rows it has and yields a part only. A history (`history: true`) always does. -#}
{% macro replaces_part() -%}
    {%- if not execute or not flags.INTROSPECT or load_relation(this) is none -%}
        {{ return(false) }}
    {%- elif config.get("history") -%}
        {{ return(true) }}
    {%- elif should_full_refresh() -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(not resolves_everything()) }}
{%- endmacro %}

{#- Whether prep_pv_touched, which is built before whatever asks, holds every observation. -#}
{% macro resolves_everything() -%}
    {{ return(run_query("select count(*) from " ~ prepared("prep_pv_touched") ~ " where everything").rows[0][0] > 0) }}
{%- endmacro %}

{#- A table of the prepared layer by its name: for hooks, and for models that read what a later model left in the last build. -#}
{% macro prepared(identifier) -%}
    {{ return(api.Relation.create(database=this.database, schema="prepared", identifier=identifier, type="table")) }}
{%- endmacro %}

{#- Pre-hook of a partial table: deletes the rows of which one of `columns` is a `key` in one of the prepared `tables`. -#}
{% macro delete_rows(columns, tables, key="observation_key") -%}
    {%- if replaces_part() -%}
        {%- set keys -%}
            {%- for table in tables %}select {{ key }} from {{ prepared(table) }}{{ " union " if not loop.last }}{% endfor -%}
        {%- endset -%}
        delete from {{ this }}
        where {% for column in columns %}{{ column }} in ({{ keys }}){{ " or " if not loop.last }}{% endfor %}
    {%- endif -%}
{%- endmacro %}

{#- dbt asks this of every Python model, also where there is no connection to look with (--no-introspect). -#}
{% macro is_incremental() -%}
    {{ return(flags.INTROSPECT and dbt.is_incremental()) }}
{%- endmacro %}
