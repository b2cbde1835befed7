{{ raw_dataset('uk_crowdsourced_pv_2020') }}
