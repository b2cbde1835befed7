-- Question: How sure is the lake of its sites?
-- Shows: sites by the number of datasets that know them, with their mean confidence.
SELECT
    len(datasets) AS n_datasets,
    count(*) AS sites,
    round(avg(confidence), 3) AS mean_confidence,
    round(sum(capacity_mw), 1) AS capacity_mw
FROM curated.pv_installations
WHERE part_of IS NULL
GROUP BY n_datasets
ORDER BY n_datasets
