-- Question: How much energy does the PV of each region make?
-- Shows: by region, energy (AC) of an average year with its interval, and the yield per kWp; of sites whose capacity is known or
--     estimated from their outline.
SELECT
    s.country_code,
    s.region_name,
    count(*) AS sites,
    round(sum(e.energy_mwh) / 1000, 1) AS energy_gwh,
    round(sum(e.energy_mwh_low) / 1000, 1) AS energy_gwh_low,
    round(sum(e.energy_mwh_high) / 1000, 1) AS energy_gwh_high,
    round(sum(e.energy_mwh) / sum(e.energy_mwh / e.specific_yield_kwh_kwp)) AS specific_yield_kwh_kwp
FROM curated.pv_energy_yield AS e
JOIN curated.pv_installations AS s USING (installation_id)
WHERE e.month IS NULL AND s.part_of IS NULL
GROUP BY s.country_code, s.region_name
ORDER BY energy_gwh DESC, s.region_name
