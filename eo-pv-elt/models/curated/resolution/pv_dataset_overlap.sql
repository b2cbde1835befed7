{{ config(materialized="table") }}
-- Ordered pairs of datasets, each with itself too: how many installations both know.
with members as (
    select distinct installation_id, dataset from {{ ref("pv_installation_observations") }}
),

shared as (
    select a.dataset as dataset_a, b.dataset as dataset_b, count(*) as n_installations
    from members as a
    inner join members as b using (installation_id)
    group by all
),

compared as (
    select
        dataset_a,
        dataset_b,
        count(*) as n_links,
        count(*) filter (accepted) as n_accepted_links
    from (
        select dataset_a, dataset_b, accepted from {{ ref("pv_links") }}
        union all
        select dataset_b, dataset_a, accepted from {{ ref("pv_links") }} where dataset_a != dataset_b
    )
    group by all
),

totals as (
    select dataset, count(*) as n_installations from members group by dataset
)

select
    a.dataset as dataset_a,
    b.dataset as dataset_b,
    a.n_installations as n_installations_a,
    b.n_installations as n_installations_b,
    coalesce(shared.n_installations, 0) as n_installations_shared,
    coalesce(shared.n_installations, 0) / a.n_installations as share_of_a,
    coalesce(compared.n_links, 0) as n_links,
    coalesce(compared.n_accepted_links, 0) as n_accepted_links
from totals as a
cross join totals as b
left join shared on a.dataset = shared.dataset_a and b.dataset = shared.dataset_b
left join compared on a.dataset = compared.dataset_a and b.dataset = compared.dataset_b
