-- Question: How much capacity came on line each year in each country?
-- Shows: what was added, what stands, and how many sites of the country have a year at all. Capacities are of sites that state one.
SELECT
    country_code,
    country_name,
    year,
    n_installations_added,
    round(capacity_mw_added, 1) AS added_mw,
    round(capacity_mw_cumulative, 1) AS standing_mw,
    round(100 * known_year_share, 1) AS dated_pct
FROM curated.pv_growth
WHERE level = 'country'
ORDER BY country_code, year
