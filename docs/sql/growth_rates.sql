-- Question: How fast has PV grown?
-- Shows: growth of the world's capacity by year, and the mean yearly rate (compound) over the five years before.
SELECT
    year,
    round(capacity_mw_added, 1) AS added_mw,
    round(capacity_growth_pct, 1) AS growth_pct,
    round(100 * (pow(capacity_mw_cumulative / lag(capacity_mw_cumulative, 5) OVER (ORDER BY year), 1 / 5) - 1), 1) AS mean_growth_5_years_pct
FROM curated.pv_growth
WHERE level = 'world'
ORDER BY year
