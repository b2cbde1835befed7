{{ raw_dataset('chn_med_res_pv_2024') }}
