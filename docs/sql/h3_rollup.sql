-- Question: How does a coarse cell break down into finer ones?
-- Shows: each cell of resolution 4 with its children: how many hold PV, and what the fullest one has of the capacity.
-- Parameters: the coarser resolution (4).
SELECT
    h3_h3_to_string(parents.cell) AS cell,
    parents.n_installations,
    round(parents.capacity_mw, 1) AS capacity_mw,
    count(*) AS children_with_pv,
    sum(children.n_installations) AS n_installations_of_children,
    round(100 * max(children.capacity_mw) / nullif(parents.capacity_mw, 0), 1) AS fullest_child_pct
FROM curated.pv_h3 AS parents
JOIN curated.pv_h3 AS children ON children.parent_cell = parents.cell
WHERE parents.resolution = 4
GROUP BY parents.cell, parents.n_installations, parents.capacity_mw
ORDER BY parents.capacity_mw DESC, parents.cell
