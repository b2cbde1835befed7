"""Hamilton's executor for Dask, waiting instead of polling; imported where a cluster is used, for Dask takes its time."""

from __future__ import annotations

from contextlib import suppress

from distributed import wait
from hamilton.execution.executors import TaskFuture, TaskFutureWrappingPythonFuture, base_execute_task
from hamilton.execution.grouping import TaskImplementation
from hamilton.execution.state import TaskState
from hamilton.plugins.h_dask import DaskExecutor

POLL_S = 0.02


class _AwaitedFuture(TaskFutureWrappingPythonFuture):
    """A task's future that is waited for a moment whenever it is asked for its state."""

    def get_state(self) -> TaskState:
        with suppress(TimeoutError):
            wait([self.future], timeout=POLL_S)
        return super().get_state()


class WaitingDaskExecutor(DaskExecutor):
    """Processes of a cluster for parallel tasks."""

    def submit_task(self, task: TaskImplementation) -> TaskFuture:
        """Hand a task to a process."""
        # Not pure: it writes, and what it writes into differs in nothing that Dask could tell
        return _AwaitedFuture(self.client.submit(base_execute_task, task, pure=False))
