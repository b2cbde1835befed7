-- Question: Is PV clustered at all, and up to which distance?
-- Shows: Moran's I of each country, then Ripley's K of the chosen area as L(d) − d in metres (above the envelope: clustered).
SELECT
    area,
    statistic,
    measure,
    round(distance_m) AS distance_m,
    CASE statistic WHEN 'ripley_k' THEN round(sqrt(value / pi()) - distance_m) ELSE round(value, 3) END AS value,
    CASE statistic WHEN 'ripley_k' THEN round(sqrt(simulated_high / pi()) - distance_m) ELSE round(simulated_high, 3) END AS by_chance_up_to,
    p_simulated,
    n
FROM curated.pv_spatial_statistics
ORDER BY area, statistic, measure, distance_m
