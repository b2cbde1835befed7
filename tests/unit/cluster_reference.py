"""The rules of clustering written down plainly: sets of keys, every guard evaluated anew from its members, no shortcuts."""

from __future__ import annotations

from itertools import combinations
from math import cos, hypot, inf, radians

from cluster_worlds import Row, World

# What rounding may differ by; caps and lattice of the worlds leave no case so close to the limit
SLACK_M = 1e-6


class Reference:
    """Clusters of a small world."""

    def __init__(self, world: World) -> None:
        self.rows = {row["observation_key"]: row for row in world.observations}
        self.links = sorted(
            world.links,
            key=lambda row: (-row["match_probability"], -row["iou"], row["distance_m"], row["key_a"], row["key_b"]),
        )
        self.phases = [set(ends(row)) for row in self.links if self.is_phase(row)]
        self.eligible = [row for row in self.links if row["same_site"] and set(ends(row)) not in self.phases]
        self.cluster = {key: frozenset([key]) for key in self.rows}
        self.exempt: dict[frozenset[int], float] = {}
        self.parent: dict[frozenset[int], frozenset[int]] = {}
        for row in self.eligible:
            if not self.is_low(row["key_a"]) and not self.is_low(row["key_b"]):
                self.try_to_unite(row)
        attached: set[int] = set()
        for row in self.eligible:
            lows = [key for key in ends(row) if self.is_low(key)]
            inside = self.cluster[row["key_a"]] == self.cluster[row["key_b"]]
            if len(lows) == 1 and (inside or lows[0] not in attached) and self.try_to_unite(row):
                attached.add(lows[0])
        self.relate()

    def is_phase(self, row: Row) -> bool:
        def listing(link: Row) -> tuple[int, str, str] | None:
            part = link["part_key"]
            if part is None or link["iou"] <= 0 or not self.rows[part]["one_row_per_site"]:
                return None
            return link["key_a"] + link["key_b"] - part, self.rows[part]["dataset"], self.rows[part]["level"]

        mine = listing(row)
        return mine is not None and sum(listing(link) == mine for link in self.links) > 1

    def is_low(self, key: int) -> bool:
        return self.rows[key]["trust"] == "low"

    def try_to_unite(self, row: Row) -> bool:
        left, right = (self.cluster[key] for key in ends(row))
        united = left | right
        exempt = max(self.exempt.get(left, 0.0), self.exempt.get(right, 0.0))
        if row["by_attribute"]:
            exempt = max(exempt, row["distance_m"], self.diagonal_m(frozenset(ends(row))))
        if left != right:
            cap = max(self.rows[key]["extent_cap_m"] for key in united)
            if self.diagonal_m(united) > cap + exempt + SLACK_M or not self.one_per_source(left, right):
                return False
            if any(phase <= united for phase in self.phases):
                return False
        self.exempt[united] = exempt
        self.cluster |= dict.fromkeys(united, united)
        return True

    def one_per_source(self, left: frozenset[int], right: frozenset[int]) -> bool:
        for one in left:
            for other in right:
                a, b = self.rows[one], self.rows[other]
                if a["dataset"] != b["dataset"]:
                    continue
                if a["one_row_per_site"] and a["level"] == b["level"]:
                    return False
                if not a["one_row_per_site"] and not self.joined(a["dataset"], left, right):
                    return False
        return True

    def joined(self, dataset: str, left: frozenset[int], right: frozenset[int]) -> bool:
        for row in self.eligible:
            of_dataset = all(self.rows[key]["dataset"] == dataset for key in ends(row))
            if of_dataset and len(left & set(ends(row))) == len(right & set(ends(row))) == 1:
                return True
        return False

    def diagonal_m(self, keys: frozenset[int]) -> float:
        rows = [self.rows[key] for key in keys]
        lats = [row["lat_deg"] for row in rows]
        lons = sorted(row["lon_deg"] for row in rows)
        # The shortest arc of longitudes is what the widest gap between neighbours leaves
        gaps = [right - left for left, right in zip(lons, [*lons[1:], lons[0] + 360], strict=True)]
        widest_parallel = max(cos(radians(lat)) for lat in lats)
        return hypot((360 - max(gaps)) * widest_parallel, max(lats) - min(lats)) * 111_195.08

    def relate(self) -> None:
        for row in self.links:
            if row["part_key"] is None:
                continue
            part = self.cluster[row["part_key"]]
            whole = self.cluster[row["key_a"] + row["key_b"] - row["part_key"]]
            creating = all(any(not self.is_low(key) for key in side) for side in (part, whole))
            if part != whole and creating and part not in self.parent and self.topmost(whole) != part:
                self.parent[part] = whole

    def topmost(self, cluster: frozenset[int]) -> frozenset[int]:
        return self.topmost(self.parent[cluster]) if cluster in self.parent else cluster

    def component(self, key: int) -> set[int]:
        reached: set[int] = set()
        border = {key}
        while border:
            reached |= border
            touching = [
                set(ends(row))
                for row in self.links
                if (row["same_site"] or row["part_key"] is not None) and border & set(ends(row))
            ]
            border = set().union(*touching) - reached
        return reached

    def strongest(self, key: int) -> int | None:
        for row in self.eligible:
            low_both = all(map(self.is_low, ends(row)))
            if key in ends(row) and self.cluster[row["key_a"]] == self.cluster[row["key_b"]] and not low_both:
                return row["key_a"] + row["key_b"] - key
        return None

    def rows_out(self) -> list[Row]:
        """As the table under test should be."""
        return [
            {
                "observation_key": key,
                "component_key": min(self.component(key)),
                "cluster_key": min(cluster),
                "parent_cluster_key": min(self.topmost(cluster)) if cluster in self.parent else None,
                "link_key": self.strongest(key),
                "creates_installation": any(not self.is_low(member) for member in cluster),
            }
            for key, cluster in sorted(self.cluster.items())
        ]


def ends(row: Row) -> tuple[int, int]:
    """Both keys of a link."""
    return row["key_a"], row["key_b"]


def violations(world: World, clusters: dict[int, set[int]]) -> list[str]:
    """What is wrong with clusters, by looking at nothing but the clusters; distances are geodesic.

    Args:
        world: that was resolved.
        clusters: cluster key → members.
    """
    from pyproj import Geod

    rows = {row["observation_key"]: row for row in world.observations}
    eligible = [row for row in world.links if row["same_site"]]
    phases = Reference(world).phases
    found = []
    for key, members in clusters.items():
        found += [f"{key}: a whole and its phase, {phase}" for phase in phases if phase <= members]
        inside = [row for row in eligible if set(ends(row)) <= members]
        for a, b in combinations(members, 2):
            one, other = rows[a], rows[b]
            alike = one["dataset"] == other["dataset"] and one["level"] == other["level"]
            if alike and one["one_row_per_site"]:
                found.append(f"{key}: {a} and {b} of {one['dataset']}")
        for dataset in {rows[member]["dataset"] for member in members if not rows[member]["one_row_per_site"]}:
            of_dataset = {member for member in members if rows[member]["dataset"] == dataset}
            if not connected(of_dataset, [ends(row) for row in inside]):
                found.append(f"{key}: rows of {dataset} without links among them")
        lengths = {(a, b): _geodesic_m(Geod(ellps="WGS84"), rows[a], rows[b]) for a, b in combinations(sorted(members), 2)}
        exempt = max((max(row["distance_m"], lengths[ends(row)]) for row in inside if row["by_attribute"]), default=0.0)
        cap = max(rows[member]["extent_cap_m"] for member in members)
        # 1.006: the guard measures on a sphere
        if max(lengths.values(), default=-inf) > 1.006 * (cap + exempt):
            found.append(f"{key}: too wide")
        core = {member for member in members if rows[member]["trust"] != "low"}
        if not connected(core, [ends(row) for row in inside]):
            found.append(f"{key}: held together by low trust")
        for low in members - core:
            if len(members) > 1 and not any(low in ends(row) and set(ends(row)) & core for row in inside):
                found.append(f"{key}: {low} supports nothing in it")
    return found


def connected(members: set[int], pairs: list[tuple[int, int]]) -> bool:
    """Whether pairs within ``members`` connect all of them."""
    reached = set(list(members)[:1])
    while grown := {end for pair in pairs if set(pair) <= members and reached & set(pair) for end in pair} - reached:
        reached |= grown
    return reached == members


def _geodesic_m(geod, one: Row, other: Row) -> float:
    return geod.inv(one["lon_deg"], one["lat_deg"], other["lon_deg"], other["lat_deg"])[2]
