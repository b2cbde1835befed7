{{ uspvdb("usa_eia_large_scale_pv_2023") }}
