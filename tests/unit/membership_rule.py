"""Random worlds of observations for the history of ids, and the rule of seniority in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

# Beyond 2^63 too: keys are unsigned
KEYS = (3, 5, 8, 2**63 + 1, 2**63 + 2, 2**64 - 3, 2**64 - 2, 2**64 - 1)
LOW_TRUST = {KEYS[2], KEYS[5]}
# An exact duplicate stands for nothing of its own while what it repeats is there
REPEATS = {KEYS[4]: KEYS[3], KEYS[7]: KEYS[1]}


@dataclass(frozen=True)
class Seen:
    """An observation: those that share a site are one cluster, those that share a region one component."""

    sites: frozenset[int]
    revision: int

    @property
    def regions(self) -> frozenset[int]:
        return frozenset(site // 2 for site in self.sites)


World = dict[int, Seen]


def originals(world: World) -> dict[int, int]:
    """What each observation stands for: itself, or what it repeats."""
    return {key: REPEATS[key] if REPEATS.get(key) in world else key for key in world}


def groups(world: World, attribute: str) -> dict[int, int]:
    """The least member of each original's connected group."""
    group = {key: key for key, original in originals(world).items() if key == original}
    for _ in group:
        for a, b in combinations(group, 2):
            if getattr(world[a], attribute) & getattr(world[b], attribute):
                group[a] = group[b] = min(group[a], group[b])
    return group


def clusters(world: World) -> dict[int, set[int]]:
    """Cluster key → members, duplicates among them."""
    of_original = groups(world, "sites")
    found: dict[int, set[int]] = {}
    for key, original in originals(world).items():
        found.setdefault(of_original[original], set()).add(key)
    return found


def creates(cluster_key: int, world: World) -> bool:
    of_original = groups(world, "sites")
    return any(key not in LOW_TRUST for key, cluster in of_original.items() if cluster == cluster_key)


def fingerprint(key: int, world: World) -> str:
    return f"{sorted(world[key].sites)} {world[key].revision} {originals(world)[key]}"


def touched(before: World, now: World) -> set[int]:
    return {
        key
        for key in before.keys() | now.keys()
        if key not in before or key not in now or fingerprint(key, before) != fingerprint(key, now)
    }


def nodes(before: World, now: World) -> set[int]:
    """Originals of the components that something touched belongs to, did belong to, or is linked with now."""
    changed = touched(before, now)
    changed |= {originals(now)[key] for key in changed if key in now}
    old, new = groups(before, "regions"), groups(now, "regions")
    seeds = changed | {key for key in new if any(other in new and now[key].regions & now[other].regions for other in changed)}
    reached = {old[key] for key in seeds if key in old}
    return {key for key in new if key in seeds or old.get(key) in reached}


@dataclass
class Rule:
    """The rule of seniority over everything at every step: slow, plain, and without any scope."""

    holders: dict[int, dict[int, int]] = field(default_factory=dict)  # id → observation → held since
    open_rows: dict[int, tuple[int | None, str, int]] = field(default_factory=dict)
    closed_rows: list[tuple[int, int | None, str, int, int]] = field(default_factory=list)

    def assign(self, world: World) -> dict[int, int | None]:
        """Observation → id, None in clusters that create no installation."""
        members = clusters(world)
        cluster_of = {key: cluster for cluster, keys in members.items() for key in keys if creates(cluster, world)}
        claims: dict[int, list[tuple[int, int]]] = {}
        for installation, since in self.holders.items():
            present = sorted((key != installation, held, key) for key, held in since.items() if key in cluster_of)
            if present:
                known_since = min(held for _, held, _ in present)
                claims.setdefault(cluster_of[present[0][2]], []).append((known_since, installation))
        return {
            key: (min(claims[cluster])[1] if cluster in claims else cluster) if creates(cluster, world) else None
            for cluster, keys in members.items()
            for key in keys
        }

    def step(self, world: World, snapshot: int) -> None:
        for key, installation in self.assign(world).items():
            row = (installation, fingerprint(key, world))
            if key in self.open_rows and self.open_rows[key][:2] == row:
                continue
            self._close(key, snapshot)
            self.open_rows[key] = (*row, snapshot)
            if installation is not None:
                self.holders.setdefault(installation, {}).setdefault(key, snapshot)
        for key in self.open_rows.keys() - world.keys():
            self._close(key, snapshot)

    def _close(self, key: int, snapshot: int) -> None:
        if key in self.open_rows:
            self.closed_rows.append((key, *self.open_rows.pop(key), snapshot))

    @property
    def rows(self) -> set[tuple]:
        return {(key, *row, None) for key, row in self.open_rows.items()} | set(self.closed_rows)
