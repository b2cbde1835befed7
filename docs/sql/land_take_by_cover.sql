-- Question: What was the land before, or around? On which cover does PV stand?
-- Shows: sites, their area and its share of the area of all, by class of land cover. Where no cover is known, the class is null.
SELECT
    land_cover,
    count(*) AS sites,
    round(sum(area_m2) / 10000, 1) AS area_ha,
    round(100 * sum(area_m2) / sum(sum(area_m2)) OVER (), 1) AS area_pct
FROM curated.pv_installations
WHERE part_of IS NULL
GROUP BY land_cover
ORDER BY area_ha DESC NULLS LAST, land_cover
