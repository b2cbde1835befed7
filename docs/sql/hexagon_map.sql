-- Question: Where is PV dense? A hexagon map.
-- Shows: H3 cells of one resolution with their outline (WKT, EPSG:4326), for any GIS.
-- Parameters: the resolution (6), from 3 to 8.
SELECT
    h3_h3_to_string(cell) AS cell,
    n_installations,
    round(capacity_mw, 1) AS capacity_mw,
    round(1000 * capacity_mw_per_km2, 1) AS kw_per_km2,
    h3_cell_to_boundary_wkt(cell) AS boundary_wkt
FROM curated.pv_h3
WHERE resolution = 6 AND n_installations > 0
ORDER BY capacity_mw DESC, cell
