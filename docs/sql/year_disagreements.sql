-- Question: About which sites do two sources disagree on the year?
-- Shows: sites whose sources state different years of commissioning, all of them, and which one the golden record took.
WITH years AS (
    SELECT
        installation_id,
        list_sort(list(DISTINCT installed_year || ' (' || dataset || ')')) AS stated,
        max(installed_year) - min(installed_year) AS year_gap
    FROM curated.pv_installation_observations
    JOIN curated.pv_observations USING (observation_id, dataset)
    WHERE installed_year IS NOT NULL
    GROUP BY installation_id
)
SELECT installation_id, name, installed_year AS taken, stated, year_gap
FROM curated.pv_installations
JOIN years USING (installation_id)
WHERE year_gap > 0
ORDER BY year_gap DESC, installation_id
