-- Question: Which sites may I use commercially, and whom do I cite?
-- Shows: by combination of licences, sites and capacity; every licence of every observation of a site counts.
SELECT
    commercial_use,
    licence,
    count(*) AS sites,
    round(sum(capacity_mw), 1) AS capacity_mw,
    list_sort(list_distinct(flatten(list(datasets)))) AS datasets
FROM curated.pv_installations
WHERE part_of IS NULL
GROUP BY commercial_use, licence
ORDER BY sites DESC, licence
