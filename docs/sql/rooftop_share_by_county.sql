-- Question: Which counties have their PV on roofs?
-- Shows: by county, the share of sites and of sites with a known mount that are on roofs.
-- Parameters: the least number of sites (3).
SELECT
    country_code,
    region_name,
    county_name,
    n_installations,
    n_rooftop,
    n_ground,
    round(100 * n_rooftop / n_installations, 1) AS rooftop_pct,
    round(100 * n_rooftop / nullif(n_rooftop + n_ground + n_canopy, 0), 1) AS rooftop_pct_of_known
FROM curated.pv_by_admin
WHERE level = 'county' AND years = 'all' AND n_installations >= 3
ORDER BY rooftop_pct DESC, n_installations DESC, area_key
