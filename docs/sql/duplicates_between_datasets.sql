-- Question: How much do datasets repeat each other?
-- Shows: for each ordered pair of datasets, the share of the sites of the first that the second knows too.
SELECT dataset_a, dataset_b, n_installations_a, n_installations_shared, round(100 * share_of_a, 1) AS shared_pct
FROM curated.pv_dataset_overlap
WHERE dataset_a <> dataset_b
ORDER BY share_of_a DESC, dataset_a, dataset_b
