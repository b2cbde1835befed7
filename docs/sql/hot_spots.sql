-- Question: Where does PV cluster more than chance would have it?
-- Shows: cells that are hot or cold spots of capacity (Getis and Ord's Gi*, the false discovery rate held), the strongest first.
-- Parameters: the measure ('capacity_mw_per_km2' or 'n_installations_per_km2').
SELECT
    area,
    class,
    h3_h3_to_string(cell) AS cell,
    round(1000 * value, 2) AS kw_per_km2,
    round(gi_star_z, 2) AS gi_star_z,
    q_value,
    round(h3_cell_to_lng(cell), 4) AS lon_deg,
    round(h3_cell_to_lat(cell), 4) AS lat_deg
FROM curated.pv_hotspots
WHERE measure = 'capacity_mw_per_km2' AND class <> 'none'
ORDER BY abs(gi_star_z) DESC, cell
