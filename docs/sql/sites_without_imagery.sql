-- Question: Of which sites is there no satellite scene yet?
-- Shows: sites that no chosen scene covers, the largest first.
SELECT installation_id, name, country_code, geometry_kind, round(area_m2) AS area_m2
FROM curated.pv_installations
ANTI JOIN curated.pv_scenes USING (installation_id)
WHERE part_of IS NULL
ORDER BY area_m2 DESC NULLS LAST, installation_id
