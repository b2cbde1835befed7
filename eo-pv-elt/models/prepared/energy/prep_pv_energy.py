def model(dbt, session):
    from dataflows.prepared.energy.energy_yield import energy_yield

    irradiance = dbt.ref("stg_irradiance").filter("kind <> 'clear_sky'")
    return session.from_arrow(energy_yield(dbt.ref("prep_pv_systems").to_arrow_table(), irradiance.to_arrow_table()))
