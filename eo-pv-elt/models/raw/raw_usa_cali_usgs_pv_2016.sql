{{ raw_dataset('usa_cali_usgs_pv_2016') }}
