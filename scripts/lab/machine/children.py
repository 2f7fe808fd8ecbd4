# SPDX-License-Identifier: MIT
"""Child processes: started pinned, recorded, and none of them left behind.

Every child runs in a session of its own, so that Ctrl-C reaches the lab alone and the lab
decides the order of ending. A child is ended by its recorded id, together with the
descendants seen below it, each held by a descriptor so that a reused id is left alone.
Should the lab itself be killed, the kernel tells the child (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Iterator, Sequence

from . import cgroup, priority, procfs
from .program import STOPPING

PR_SET_PDEATHSIG = 1
ENDED_WITHIN_S = 5.0  # after SIGKILL, on a machine with much else to do
_libc = ctypes.CDLL(None, use_errno=True)


def _prepare(cpus: Sequence[int], nice: int, memory: cgroup.Memory | None) -> None:
    """What a child does between fork and exec."""
    # A SIGINT before the program has its handler must not end it (see wrk.py).
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    os.sched_setaffinity(0, cpus)
    priority.take(nice)
    if memory is not None:
        memory.join()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Children:
    """The processes started and not yet ended. A context manager: leaving it ends them all.

    nice: of those started from now on, see priority."""

    def __init__(self) -> None:
        self.nice = os.getpriority(os.PRIO_PROCESS, 0)
        self._alive: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._alive.values()):
            self.kill(child)

    def start(
        self,
        argv: Sequence[str],
        cpus: Sequence[int],
        cwd: Path,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        memory: cgroup.Memory | None = None,
    ) -> subprocess.Popen[bytes]:
        """memory: the cgroup it is to be in. Raises OSError where the program cannot be run."""
        # An interruption between the fork and the record would leave a process behind.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=partial(_prepare, cpus, self.nice, memory),
            )
            self._alive[child.pid] = child
        except subprocess.SubprocessError:
            what = "its priority or its cgroup was refused"
            raise OSError(errno.EPERM, what) from None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        return child

    def ended(self, child: subprocess.Popen[bytes]) -> None:
        """The child has been waited for; forget it."""
        self._alive.pop(child.pid, None)

    def terminate(self, child: subprocess.Popen[bytes], timeout_s: float) -> int | None:
        """SIGTERM, then wait. The exit status, or None if it had to be killed."""
        with _family(child) as family:
            child.terminate()
            try:
                status = child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill(child)
                return None
            _kill(family)
        self.ended(child)
        return status

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        with _family(child) as family:
            if child.poll() is None:
                child.kill()
                child.wait()
            _kill(family)
        self.ended(child)


@contextmanager
def _family(child: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Descriptors of the descendants now alive: each stays that process's, whoever gets its id."""
    with ExitStack() as opened:
        family: list[int] = []
        for pid in procfs.descendants(child.pid) if child.poll() is None else []:
            with suppress(ProcessLookupError):
                family.append(os.pidfd_open(pid))
                opened.callback(os.close, family[-1])
        yield family


def _kill(family: Sequence[int]) -> None:
    """They have ended when this returns; the kernel alone can make that last (ENDED_WITHIN_S)."""
    for process in family:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
    deadline = time.monotonic() + ENDED_WITHIN_S
    for process in family:
        ending = select.poll()
        ending.register(process, select.POLLIN)
        ending.poll(max(0.0, deadline - time.monotonic()) * 1e3)
