"""Parallel blocks of a driver wait for their tasks without working."""

from __future__ import annotations

import time

from hamilton import ad_hoc_utils
from hamilton.htypes import Collect, Parallelizable

from dataflows.run import build_driver

PAUSE_S = 0.4


def item() -> Parallelizable[int]:
    yield from (1, 2, 3)


def slept(item: int) -> int:
    time.sleep(PAUSE_S)
    return item


def total(slept: Collect[int]) -> int:
    return sum(slept)


def test_waiting_for_parallel_tasks_leaves_the_processor_to_them():
    module = ad_hoc_utils.create_temporary_module(item, slept, total)
    driver = build_driver(module, workers=2)
    started, worked = time.perf_counter(), time.thread_time()
    assert driver.execute(["total"])["total"] == 6
    waited = time.perf_counter() - started
    assert waited >= 2 * PAUSE_S
    assert time.thread_time() - worked < 0.25 * waited
