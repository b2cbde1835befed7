"""Parts of an order: every job once, and no chunk in two of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflows.cubes.chip.orders import Failures, Job, Order

CHIPS = 300


def order(months: dict[int, list[int]]) -> Order:
    slots = np.arange(CHIPS)
    return Order(
        "made/epsg-1",
        1,
        {},
        {index: [Job(slot, []) for slot in sorted(chosen)] for index, chosen in months.items()},
        CHIPS,
        0,
        slots * 10.0,
        slots * -10.0,
        np.full((CHIPS, 2), 10.0),
        np.repeat(slots[:, None], 4, axis=1).astype(np.uint64),
        np.zeros((CHIPS, 4), np.bool_),
    )


@given(
    months=st.dictionaries(st.integers(0, 3), st.sets(st.integers(0, CHIPS - 1), min_size=1), max_size=4),
    most=st.integers(1, CHIPS),
    together=st.sampled_from([1, 2, 16, 64, 512]),
)
def test_parts_hold_every_job_once_and_share_no_chunk(months: dict[int, set[int]], most: int, together: int):
    parts = list(order(months).parts(most, together))
    found = [(index, job.slot) for part in parts for index, jobs in part.months.items() for job in jobs]
    assert found == [(index, slot) for index, slots in months.items() for slot in sorted(slots)]
    chunks = [{(index, job.slot // together) for index, jobs in part.months.items() for job in jobs} for part in parts]
    assert sum(map(len, chunks)) == len(set().union(*chunks))
    for part, held in zip(parts, chunks, strict=True):
        # A part goes beyond the number only to the end of its last chunk
        last = max(held)
        assert sum((index, job.slot // together) != last for index, jobs in part.months.items() for job in jobs) < most


@given(slots=st.sets(st.integers(0, CHIPS - 1), min_size=1), most=st.integers(1, CHIPS), together=st.sampled_from([1, 16, 64]))
def test_what_a_part_says_of_a_chip_is_what_the_order_says(slots: set[int], most: int, together: int):
    for part in order({2: sorted(slots)}).parts(most, together):
        for job in part.months[2]:
            at = job.slot - part.begin
            assert (part.top[at], part.left[at], part.key[at, 2]) == (job.slot * 10, job.slot * -10, job.slot)
        # Whole chunks: the process that fills one must know of all its chips
        last = part.months[2][-1].slot // together
        assert part.begin % together == 0
        assert part.begin + len(part.top) == min((last + 1) * together, CHIPS)


def test_failures_of_parts_add_up_and_the_first_reason_stays():
    ours, theirs = Failures(), Failures()
    ours.add(1, 0, "one")
    theirs.add(1, 0, "other", 3)
    theirs.add(2, 0, "two")
    ours.include(theirs)
    assert ours.chips == {(1, 0): 4, (2, 0): 1}
    assert ours.reasons == {(1, 0): "one", (2, 0): "two"}
