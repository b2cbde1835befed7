"""A lock between the processes and threads of one machine.

Icechunk says of its own storage on a local folder that it is not safe for concurrent commits: of 64 commits by four processes,
four to six were lost, silently. The kernel lets the lock go when the process that holds it ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.errors import CubeLockedError

WAIT_S = 3600.0
POLL_S = 0.05


@contextmanager
def process_lock(file: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold a lock file exclusively; its folder is made where it is missing. The file stays, unlocked, afterwards.

    Args:
        file: the lock file.
        wait_s: seconds to wait for another holder; 0 gives up at once.

    Raises:
        CubeLockedError: another process or thread still holds it; names the process.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Opened for appending: whoever waits must not erase the holder's process id
    with file.open("a+") as lock:
        give_up = time.monotonic() + wait_s
        while not _taken(lock.fileno()):
            if time.monotonic() >= give_up:
                lock.seek(0)
                raise CubeLockedError(
                    f"{file} is held by process {lock.read().strip() or 'unknown'}.",
                    remedy="Wait for that build to finish, or end that process.",
                )
            time.sleep(POLL_S)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
