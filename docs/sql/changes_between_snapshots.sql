-- Question: What changed between two snapshots of the lake?
-- Shows: installations that are new, gone or say something else, with their capacity before and after.
-- Parameters: `before`, a snapshot that has the table (here that of the last build but one, or the only one); see `lake.snapshots()`. After is now.
SET VARIABLE before = (
    SELECT min(snapshot_id) FROM (
        FROM lake.snapshots() WHERE commit_message = 'build curated.pv_installations' ORDER BY snapshot_id DESC LIMIT 2
    )
);
WITH old AS (
    SELECT * FROM curated.pv_installations AT (VERSION => getvariable('before'))
),
compared AS (
    SELECT
        CASE
            WHEN old.installation_id IS NULL THEN 'new'
            WHEN now.installation_id IS NULL THEN 'gone'
            WHEN now.last_changed_snapshot IS DISTINCT FROM old.last_changed_snapshot THEN 'changed'
            ELSE 'the same'
        END AS change,
        old.capacity_mw AS capacity_mw_before,
        now.capacity_mw AS capacity_mw_after
    FROM old
    FULL JOIN curated.pv_installations AS now USING (installation_id)
)
SELECT
    change,
    count(*) AS installations,
    round(sum(capacity_mw_before), 1) AS capacity_mw_before,
    round(sum(capacity_mw_after), 1) AS capacity_mw_after
FROM compared
GROUP BY change
ORDER BY change
