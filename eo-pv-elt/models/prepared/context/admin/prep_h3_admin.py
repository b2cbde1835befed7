def model(dbt, session):
    from dataflows.prepared.locate import cover

    areas = dbt.ref("stg_admin_areas").filter("geometry is not null")
    areas = areas.project("area_id, level, st_aswkb(geometry)::blob as geometry").to_arrow_table()
    return session.from_arrow(cover(areas, dbt.config.get("coarsest_resolution"), dbt.config.get("finest_resolution")))
