-- Question: Do rooftops and ground-mounted plants stand on different land?
-- Shows: sites by class of land cover, a column a kind of mount.
PIVOT (
    SELECT coalesce(land_cover, 'not known') AS land_cover, mount, installation_id
    FROM curated.pv_installations
    WHERE part_of IS NULL
)
ON mount IN ('rooftop', 'ground', 'canopy', 'unknown')
USING count(installation_id)
GROUP BY land_cover
ORDER BY land_cover
