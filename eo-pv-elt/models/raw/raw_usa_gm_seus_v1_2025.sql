{{ raw_dataset('usa_gm_seus_v1_2025') }}
