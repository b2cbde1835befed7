-- Question: About which sites do two sources disagree on capacity?
-- Shows: pairs of observations of one site whose capacities differ, and what each states. AC is compared with AC, DC with DC; where one
--     states DC and the other does not, DC is divided by the usual ratio first (`dc_ac_ratio` in dbt_project.yml).
-- Parameters: the least ratio of the larger to the smaller (1.1).
WITH stated AS (
    SELECT installation_id, observation_id, dataset, capacity_mw, capacity_mw_dc
    FROM curated.pv_installation_observations
    JOIN curated.pv_observations USING (observation_id, dataset)
)
SELECT
    a.installation_id,
    a.dataset AS dataset_a,
    b.dataset AS dataset_b,
    a.capacity_mw AS capacity_mw_a,
    b.capacity_mw AS capacity_mw_b,
    a.capacity_mw_dc AS capacity_mw_dc_a,
    b.capacity_mw_dc AS capacity_mw_dc_b,
    round(links.capacity_ratio, 2) AS capacity_ratio
FROM curated.pv_links AS links
JOIN stated AS a ON a.observation_id = links.observation_id_a
JOIN stated AS b ON b.observation_id = links.observation_id_b AND b.installation_id = a.installation_id
WHERE links.accepted AND links.capacity_ratio >= 1.1
ORDER BY capacity_ratio DESC, a.observation_id, b.observation_id
