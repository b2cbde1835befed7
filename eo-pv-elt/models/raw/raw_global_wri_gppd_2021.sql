{{ raw_dataset('global_wri_gppd_2021') }}
