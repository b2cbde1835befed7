def model(dbt, session):
    from dataflows.prepared.resolve import clusters

    return session.from_arrow(clusters(dbt.ref("prep_pv_nodes").to_arrow_table(), dbt.ref("prep_pv_edges").to_arrow_table()))
