{{ uspvdb("usa_uspvdb_v3_2025") }}
