{{ config(materialized="table") }}
-- Ordered pairs of datasets, each with itself too: how many installations both know.
with combinations as (
    select datasets, count(*) as n_installations from {{ ref("prep_pv_installations") }} group by datasets
),

members as (
    select datasets, unnest(datasets) as dataset, n_installations from combinations
),

shared as (
    select a.dataset as dataset_a, b.dataset as dataset_b, sum(a.n_installations)::bigint as n_installations
    from members as a
    inner join members as b using (datasets)
    group by all
),

links as (
    select dataset_a, dataset_b, count(*) as n_links, count(*) filter (accepted) as n_accepted_links
    from {{ ref("pv_links") }}
    group by all
),

compared as (
    select dataset_a, dataset_b, sum(n_links)::bigint as n_links, sum(n_accepted_links)::bigint as n_accepted_links
    from (
        from links
        union all
        select dataset_b, dataset_a, n_links, n_accepted_links from links where dataset_a != dataset_b
    )
    group by all
),

totals as (
    select dataset, sum(n_installations)::bigint as n_installations from members group by dataset
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
