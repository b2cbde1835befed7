def model(dbt, session):
    from dataflows.prepared.statistics.tables import hotspots

    return session.from_arrow(hotspots(dbt.ref("prep_study_cells").to_arrow_table()))
