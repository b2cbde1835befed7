{{ raw_dataset('deu_osm_pv_2023') }}
