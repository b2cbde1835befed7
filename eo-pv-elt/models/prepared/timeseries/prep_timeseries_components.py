def model(dbt, session):
    from dataflows.prepared.statistics.decomposition import timeseries_components

    return session.from_arrow(timeseries_components(dbt.ref("prep_pv_monthly").to_arrow_table()))
