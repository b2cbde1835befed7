-- Question: Which are the largest plants of each country?
-- Shows: the three sites of each country with the highest stated capacity (AC).
-- Parameters: how many (3).
SELECT country_code, country_name, name, capacity_mw, capacity_basis, installed_year, installation_id
FROM curated.pv_installations
WHERE part_of IS NULL AND capacity_mw IS NOT NULL AND country_code IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY country_code ORDER BY capacity_mw DESC, installation_id) <= 3
ORDER BY country_code, capacity_mw DESC
