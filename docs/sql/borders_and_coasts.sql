-- Question: Which sites lie on a border, off a coast or in a disputed place?
-- Shows: sites whose country is not simply that whose boundary they lie within, and the country that their source states.
SELECT
    installation_id,
    name,
    country_match,
    country_code,
    country_iso3 AS published_country,
    country_distance_m,
    claimed_by,
    round(centroid_lon_deg, 4) AS lon_deg,
    round(centroid_lat_deg, 4) AS lat_deg
FROM curated.pv_installations
LEFT JOIN prepared.prep_pv_admin AS admin USING (installation_id, country_code, country_match)
WHERE country_match IS DISTINCT FROM 'within'
ORDER BY country_match, installation_id
