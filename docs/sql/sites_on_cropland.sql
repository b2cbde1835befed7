-- Question: How much PV stands on cropland?
-- Shows: sites mostly on land of the class `crop`, the largest first, with the share of the site on it.
-- Parameters: the class of land cover ('crop'); the least share (0.5).
SELECT
    installation_id,
    name,
    region_name,
    land_cover,
    round(land_cover_share, 2) AS land_cover_share,
    round(area_m2 / 10000, 1) AS area_ha,
    capacity_mw
FROM curated.pv_installations
WHERE part_of IS NULL AND land_cover = 'crop' AND land_cover_share >= 0.5
ORDER BY area_m2 DESC NULLS LAST, installation_id
