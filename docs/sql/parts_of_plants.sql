-- Question: Which plants consist of several phases, arrays or rooftops?
-- Shows: plants with parts, and what the parts have beside the whole. The marts count the whole only.
SELECT
    plants.installation_id,
    plants.name,
    plants.capacity_mw,
    round(plants.area_m2 / 10000, 1) AS area_ha,
    count(*) AS parts,
    sum(parts.capacity_mw) AS parts_capacity_mw,
    round(sum(parts.area_m2) / 10000, 1) AS parts_area_ha,
    list_sort(list_distinct(list(parts.installed_year))) AS parts_years
FROM curated.pv_installations AS plants
JOIN curated.pv_installations AS parts ON parts.part_of = plants.installation_id
GROUP BY ALL
ORDER BY parts DESC, plants.installation_id
