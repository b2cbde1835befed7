{{ uspvdb("usa_uspvdb_v3_2025", reported_mount=mount("p_sys_type")) }}
