-- Question: How large are the sites whose capacity nobody states?
-- Shows: capacity (DC) estimated from the outline, with its 90 % interval, of sites without a stated one.
SELECT
    s.installation_id,
    s.name,
    s.mount,
    round(s.area_m2) AS area_m2,
    round(e.capacity_mw_dc_estimated, 2) AS capacity_mw_dc_estimated,
    round(e.capacity_mw_dc_estimated_low, 2) AS low,
    round(e.capacity_mw_dc_estimated_high, 2) AS high
FROM curated.pv_capacity_estimated AS e
JOIN curated.pv_installations AS s USING (installation_id)
WHERE s.part_of IS NULL AND s.capacity_mw IS NULL AND s.capacity_mw_dc IS NULL
ORDER BY capacity_mw_dc_estimated DESC, installation_id
