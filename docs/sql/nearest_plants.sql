-- Question: Which plants are nearest to a point?
-- Shows: the ten nearest sites, with their distance on the sphere. Longitude comes before latitude.
-- Parameters: the point (-19.94, 44.57), longitude and latitude in degrees.
SELECT
    installation_id,
    name,
    capacity_mw,
    installed_year,
    round(ST_Distance_Sphere(ST_Point(centroid_lon_deg, centroid_lat_deg), ST_Point(-19.94, 44.57)) / 1000, 2) AS distance_km
FROM curated.pv_installations
WHERE part_of IS NULL
ORDER BY distance_km, installation_id
LIMIT 10
