-- Question: How large are the sites whose capacity nobody states?
-- Shows: capacity (DC) estimated from the outline, with its 90 % interval, of sites without a stated one.
SELECT
    s.installation_id,
    s.name,
    s.mount,
    round(s.area_m2, 1) AS area_m2,
    round(1000 * e.capacity_mw_dc_estimated, 1) AS estimated_kw_dc,
    round(1000 * e.capacity_mw_dc_estimated_low, 1) AS low_kw_dc,
    round(1000 * e.capacity_mw_dc_estimated_high, 1) AS high_kw_dc
FROM curated.pv_capacity_estimated AS e
JOIN curated.pv_installations AS s USING (installation_id)
WHERE s.part_of IS NULL AND s.capacity_mw IS NULL AND s.capacity_mw_dc IS NULL
ORDER BY estimated_kw_dc DESC, installation_id
