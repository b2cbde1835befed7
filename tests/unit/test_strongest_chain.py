"""The chain of links that explains why two observations are one installation, compared with all the chains there are."""

from __future__ import annotations

from itertools import combinations, pairwise

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from dataflows.prepared.refusals import strongest_chain
from dataflows.prepared.stored import Link

IDS = "abcdef"
links = st.dictionaries(st.sampled_from(list(combinations(IDS, 2))), st.integers(50, 99), min_size=1).map(
    lambda chances: sorted(
        (Link(*ends, "overlap", chance / 100, 0.0, 0.0, 0) for ends, chance in chances.items()), key=lambda link: link.rank
    )
)


@given(links)
def test_no_other_way_has_a_stronger_weakest_link(links: list[Link]) -> None:
    graph = nx.Graph([(link.observation_id_a, link.observation_id_b, {"rank": link.rank}) for link in links])
    for start, end in combinations(sorted(nx.node_connected_component(graph, links[0].observation_id_a)), 2):
        chain = strongest_chain(links, start, end)
        at = start
        for link in chain:
            (at,) = link.ends - {at}
        assert at == end
        ways = [[graph.edges[step]["rank"] for step in pairwise(way)] for way in nx.all_simple_paths(graph, start, end)]
        assert max(link.rank for link in chain) == min(max(way) for way in ways)
        assert sorted(link.rank for link in chain) in [sorted(way) for way in ways]


@given(links)
def test_from_an_observation_to_itself_there_is_nothing_to_tell(links: list[Link]) -> None:
    assert strongest_chain(links, "a", "a") == ()
