{{ raw_dataset('usa_uspvdb_v3_2025') }}
