-- Question: Which sites stand where the sun yields most?
-- Shows: sites by the yield of an optimally tilted system there (Global Solar Atlas' PVOUT), and its horizontal irradiation.
-- Parameters: how many (20).
SELECT
    installation_id,
    name,
    region_name,
    capacity_mw,
    pvout_kwh_kwp_year,
    ghi_kwh_m2_year,
    temperature_c
FROM curated.pv_installations
WHERE part_of IS NULL AND pvout_kwh_kwp_year IS NOT NULL
ORDER BY pvout_kwh_kwp_year DESC, installation_id
LIMIT 20
