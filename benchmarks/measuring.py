"""One measurement, one fresh process: what an operation takes in seconds and memory, imports excluded from both.

The child (:func:`measure`) prints one line of JSON; the parent (:func:`in_child`) reads it. Seconds are those of the operation
alone, inside the process. Memory is the peak resident set of the whole process, and its increase over the same interpreter with
the same modules imported and nothing done yet.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import psutil

REPOSITORY_ROOT = Path(__file__).resolve().parents[1]
STATUS = Path("/proc/self/status")
QUIET_CORES = 0.15

# Compiled modules are kept, whatever the environment says: to compile all imports takes ten seconds a process
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}


@dataclass(frozen=True)
class Measurement:
    """Seconds and bytes of one operation in a process of its own; ``details`` is whatever the operation returned.

    ``cpu_seconds`` are those of all threads: on a busy machine they repeat better than ``seconds`` do. ``foreign_cores`` says
    how busy it was: the cores that other processes kept at work meanwhile, on average.
    """

    seconds: float
    cpu_seconds: float
    peak_rss: int
    idle_rss: int
    details: dict[str, Any]
    foreign_cores: float = 0.0

    @property
    def added_rss(self) -> int:
        """Bytes by which the operation raised the peak above the idle interpreter."""
        return self.peak_rss - self.idle_rss


def peak_rss() -> int:
    """Peak resident set of this process in bytes."""
    if STATUS.exists():
        # Not ru_maxrss: on Linux that one survives exec, so a large parent would show in its child
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(operation: Callable[[], dict[str, Any]], verified: Callable[[], dict[str, Any]] | None = None) -> None:
    """Run the operation once and print its measurement; call it in the child, after all imports.

    Args:
        operation: what is measured; returns details.
        verified: more details, such as a checksum of the result; made after seconds and memory have been taken.
    """
    idle = psutil.Process().memory_info().rss
    started, cpu_started = perf_counter(), process_time()
    details = operation()
    seconds, cpu_seconds = perf_counter() - started, process_time() - cpu_started
    peak = peak_rss()
    details |= verified() if verified is not None else {}
    print(json.dumps(asdict(Measurement(seconds, cpu_seconds, peak, idle, details))))


def in_child(module: str, *arguments: str) -> Measurement:
    """Run ``python -m module arguments`` and return what it measured.

    Raises:
        subprocess.CalledProcessError: the child failed; its standard error has been passed on.
    """
    command = [sys.executable, "-m", module, *arguments]
    started, busy, own = perf_counter(), _busy_seconds(), _children_seconds()
    done = subprocess.run(command, cwd=REPOSITORY_ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True)
    foreign = (_busy_seconds() - busy) - (_children_seconds() - own)
    measurement = Measurement(**json.loads(done.stdout.splitlines()[-1]))
    return replace(measurement, foreign_cores=round(max(foreign, 0) / (perf_counter() - started), 2))


def least_disturbed(attempts: int, run: Callable[[], Measurement], *, long_s: float = inf) -> Measurement:
    """The first run that had the machine to itself or took ``long_s`` seconds, else the least disturbed of several."""
    runs: list[Measurement] = []
    while len(runs) < attempts and not (runs and (runs[-1].foreign_cores <= QUIET_CORES or runs[-1].seconds >= long_s)):
        runs.append(run())
    return min(runs, key=lambda run: run.foreign_cores)


def medians(runs: list[Measurement], details: dict[str, Any]) -> Measurement:
    """Median of each quantity of several runs, and the most that was disturbed; ``details`` get every run's seconds."""
    return replace(
        runs[0],
        seconds=median(run.seconds for run in runs),
        cpu_seconds=median(run.cpu_seconds for run in runs),
        peak_rss=int(median(run.peak_rss for run in runs)),
        idle_rss=int(median(run.idle_rss for run in runs)),
        foreign_cores=max(run.foreign_cores for run in runs),
        details={"all_seconds": [round(run.seconds, 3) for run in runs], **details},
    )


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def warm(path: Path) -> None:
    """Bring a file, or the files of a folder, into the page cache, so that no competitor pays for the disk."""
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file():
            with file.open("rb") as stream:
                while stream.read(1 << 24):
                    pass
