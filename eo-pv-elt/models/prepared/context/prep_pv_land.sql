-- No rows yet: the columns stand so that the layers above can be built
select
    null::varchar as installation_id,
    null::varchar as land_cover,
    null::double as land_cover_share,
    null::varchar as land_use,
    null::varchar as land_use_class,
    null::double as land_use_share
where false
