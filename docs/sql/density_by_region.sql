-- Question: Which regions have most PV per area?
-- Shows: capacity and sites per 1,000 km² within the region's boundary, and the share of land that PV of known area covers.
SELECT
    country_code,
    region_code,
    region_name,
    round(boundary_area_km2) AS boundary_area_km2,
    n_installations,
    round(1000 * n_installations_per_km2, 1) AS sites_per_1000_km2,
    round(1000 * capacity_mw_per_km2, 1) AS mw_per_1000_km2,
    round(1e6 * area_share, 1) AS area_ppm
FROM curated.pv_by_admin
WHERE level = 'region' AND years = 'all' AND boundary_area_km2 IS NOT NULL
ORDER BY mw_per_1000_km2 DESC, area_key
