def model(dbt, session):
    from dataflows.prepared.statistics.tables import area_statistics

    inputs = dbt.ref("prep_study_cells"), dbt.ref("prep_study_sites"), dbt.ref("prep_study_areas")
    return session.from_arrow(area_statistics(*(table.to_arrow_table() for table in inputs)))
