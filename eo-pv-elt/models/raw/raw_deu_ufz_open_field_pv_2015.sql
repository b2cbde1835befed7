{{ raw_dataset('deu_ufz_open_field_pv_2015') }}
