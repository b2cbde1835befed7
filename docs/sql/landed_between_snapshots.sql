-- Question: Which data came into the lake, and when?
-- Shows: what DuckLake recorded of the table of landed versions between two snapshots: datasets, rows and snapshots.
-- Parameters: `first` and `last` snapshot; here all.
SET VARIABLE first = (SELECT min(snapshot_id) FROM lake.snapshots());
SET VARIABLE last = (SELECT max(snapshot_id) FROM lake.snapshots());
SELECT snapshot_id, change_type, dataset, vintage, rows_landed, licence
FROM ducklake_table_changes('lake', 'landing', 'dataset_versions', getvariable('first'), getvariable('last'))
ORDER BY snapshot_id, dataset
