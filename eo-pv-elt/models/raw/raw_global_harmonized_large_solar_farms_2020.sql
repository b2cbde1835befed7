{{ raw_dataset('global_harmonized_large_solar_farms_2020') }}
