-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as installation_id,
    null::double as building_share,
    null::integer as n_buildings,
    null::varchar as mount,
    null::double as mount_probability,
    null::varchar as mount_rule
where false
