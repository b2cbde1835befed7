-- No rows yet: the columns stand so that the layers above can be built
select
    null::ubigint as cell,
    null::utinyint as resolution,
    null::varchar as area_id,
    null::varchar as level,
    null::boolean as is_interior
where false
