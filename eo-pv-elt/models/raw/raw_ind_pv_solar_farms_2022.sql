{{ raw_dataset('ind_pv_solar_farms_2022') }}
