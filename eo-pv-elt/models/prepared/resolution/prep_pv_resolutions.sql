{{ config(materialized="table") }}
-- depends_on: {{ ref("prep_pv_installations") }}
-- depends_on: {{ ref("prep_pv_installation_observations") }}
-- depends_on: {{ ref("pv_links") }}
-- depends_on: {{ ref("pv_dataset_overlap") }}
-- depends_on: {{ ref("pv_installation_changes") }}
{# A run of a part of the models ('--select prepared') is no complete resolution: the next one has to begin anew. #}
select
    {{ "coalesce(max(resolution_id), '" ~ invocation_id ~ "')" if resolves_to_the_end() else "'incomplete'" }} as resolution_id,
    '{{ resolution_method() }}' as method,
    (select max(snapshot_id) from {{ this.database }}.snapshots()) as snapshot,
    count(*) as n_touched,
    coalesce(bool_or(everything), false) as everything
from {{ ref("prep_pv_touched") }}
