-- Question: Do the countries that sources state agree with where the sites lie?
-- Shows: by dataset, observations whose stated country is that of the boundary they lie in, and those of another.
SELECT
    o.dataset,
    count(*) AS observations,
    count(*) FILTER (o.country_iso3 = s.country_code) AS agree,
    count(*) FILTER (o.country_iso3 <> s.country_code) AS disagree,
    round(100 * avg((o.country_iso3 = s.country_code)::INTEGER), 1) AS agree_pct
FROM curated.pv_installations AS s
JOIN curated.pv_installation_observations USING (installation_id)
JOIN curated.pv_observations AS o USING (observation_id)
WHERE o.country_iso3 IS NOT NULL AND s.country_code IS NOT NULL
GROUP BY o.dataset
ORDER BY o.dataset
