def model(dbt, session):
    from dataflows.prepared.locate import nearby

    areas = dbt.ref("stg_admin_areas").filter("geometry is not null")
    areas = areas.project("area_id, level, st_aswkb(geometry)::blob as geometry").to_arrow_table()
    return session.from_arrow(nearby(dbt.ref("prep_pv_admin_open").to_arrow_table(), areas, dbt.config.get("max_distance_m")))
