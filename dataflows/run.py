"""Builds Hamilton drivers; the one place that knows about executors, caching and adapters."""

from __future__ import annotations

import logging
from concurrent.futures import wait
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hamilton import driver
from hamilton.execution.executors import MultiThreadingExecutor, TaskFuture, TaskFutureWrappingPythonFuture
from hamilton.execution.grouping import TaskImplementation
from hamilton.execution.state import TaskState
from hamilton.lifecycle.base import LifecycleAdapter

if TYPE_CHECKING:
    from distributed import Client

# Hamilton reports every failing node itself, with a screenful of text; the caller reports it once.
logging.getLogger("hamilton.execution").setLevel(logging.CRITICAL)
logging.getLogger("hamilton.driver").setLevel(logging.CRITICAL)
logging.getLogger("hamilton.caching").setLevel(logging.ERROR)

POLL_S = 0.01


class _AwaitedFuture(TaskFutureWrappingPythonFuture):
    """A task's future that is waited for a moment whenever it is asked for its state."""

    def get_state(self) -> TaskState:
        wait([self.future], timeout=POLL_S)
        return super().get_state()


class WaitingThreadsExecutor(MultiThreadingExecutor):
    """Threads for parallel tasks.

    Hamilton asks its tasks for their state in a loop without a pause: with its own executor that loop takes a whole core, and
    the interpreter lock, from the tasks that it waits for.
    """

    def submit_task(self, task: TaskImplementation) -> TaskFuture:
        """Hand a task to a thread."""
        return _AwaitedFuture(super().submit_task(task).future)


def build_driver(
    *modules: ModuleType,
    config: dict[str, Any] | None = None,
    adapters: tuple[LifecycleAdapter, ...] = (),
    cache_dir: Path | None = None,
    recompute: tuple[str, ...] = (),
    workers: int | None = None,
    cluster: Client | None = None,
) -> driver.Driver:
    """A driver over ``modules``.

    Args:
        modules: Hamilton modules; node names are their functions' names.
        config: values for ``config.when`` and constants.
        adapters: lifecycle hooks.
        cache_dir: where results of nodes marked ``@cache(...)`` are kept; no caching when omitted. Every other node is
            executed each time and is no part of a key.
        recompute: cached nodes to execute all the same.
        workers: threads for ``Parallelizable`` blocks; without these or a cluster, no parallel blocks are allowed.
        cluster: does ``Parallelizable`` blocks in its processes; inputs and results are pickled.
    """
    builder = driver.Builder().with_modules(*modules).with_config(config or {})
    if adapters:
        builder = builder.with_adapters(*adapters)
    if cache_dir is not None:
        builder = builder.with_cache(
            path=str(cache_dir), default_behavior="ignore", recompute=list(recompute), log_to_file=False
        )
    if cluster is not None:
        from dataflows.run_on_dask import WaitingDaskExecutor

        builder = builder.enable_dynamic_execution(allow_experimental_mode=True).with_remote_executor(
            WaitingDaskExecutor(client=cluster)
        )
    elif workers is not None:
        builder = builder.enable_dynamic_execution(allow_experimental_mode=True).with_remote_executor(
            WaitingThreadsExecutor(max_tasks=workers)
        )
    return builder.build()
