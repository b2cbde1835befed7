{{ config(materialized="view") }}
-- depends_on: {{ ref("prep_pv_clusters") }}
-- depends_on: {{ ref("prep_pv_footprints") }}
-- Every compared pair, what speaks for it and what became of it.
{{ judged_links(ref("prep_pv_evidence"), ref("prep_pv_footprints")) }}
