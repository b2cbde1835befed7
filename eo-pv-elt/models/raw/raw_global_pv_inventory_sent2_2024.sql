{{ raw_dataset('global_pv_inventory_sent2_2024') }}
