-- Question: How old is what the lake says?
-- Shows: by dataset, the year it speaks of (of its vintage, else the latest year of its sites), and how many sites nothing newer knows.
WITH ages AS (
    SELECT
        dataset,
        coalesce(
            list_max(regexp_extract_all(any_value(vintage), '(?:19|20)\d\d')::INTEGER[]), max(installed_year)
        ) AS speaks_of_year
    FROM curated.pv_observations
    GROUP BY dataset
),
known AS (
    SELECT DISTINCT
        installation_id,
        dataset,
        speaks_of_year,
        coalesce(max(speaks_of_year) OVER (PARTITION BY installation_id), 0) > coalesce(speaks_of_year, 0) AS is_known_to_newer
    FROM curated.pv_installation_observations
    JOIN ages USING (dataset)
)
SELECT
    dataset,
    speaks_of_year,
    count(*) AS sites,
    count(*) FILTER (NOT is_known_to_newer) AS sites_nothing_newer_knows
FROM known
GROUP BY dataset, speaks_of_year
ORDER BY speaks_of_year DESC NULLS LAST, dataset
