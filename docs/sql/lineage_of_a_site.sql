-- Question: Where does what is said of a site come from?
-- Shows: every published row that is the site: dataset, DOI, file, row, checksum, and which attributes were taken from it.
-- Parameters: `installation_id`; here that of the site with most observations.
SET VARIABLE installation = (
    SELECT installation_id FROM curated.pv_installations ORDER BY n_observations DESC, installation_id LIMIT 1
);
SELECT
    o.dataset,
    v.doi,
    o.source_file,
    o.source_row,
    o.source_sha256,
    o.source_feature_id,
    m.rule_id,
    round(m.match_probability, 3) AS match_probability,
    list_filter(
        [
            CASE WHEN s.geometry_source = o.observation_id THEN 'geometry' END,
            CASE WHEN s.capacity_mw_source = o.observation_id THEN 'capacity_mw' END,
            CASE WHEN s.area_m2_source = o.observation_id THEN 'area_m2' END,
            CASE WHEN s.installed_year_source = o.observation_id THEN 'installed_year' END,
            CASE WHEN s.name_source = o.observation_id THEN 'name' END
        ],
        lambda attribute: attribute IS NOT NULL
    ) AS taken_from_it
FROM curated.pv_installations AS s
JOIN curated.pv_installation_observations AS m USING (installation_id)
JOIN curated.pv_observations AS o USING (observation_id)
JOIN landing.dataset_versions AS v ON v.dataset = o.dataset AND v.ingest_run_id = o.ingest_run_id
WHERE s.installation_id = getvariable('installation')
ORDER BY o.dataset, o.source_row
