# SPDX-License-Identifier: MIT
"""Child processes: started pinned, recorded, and none of them left behind.

Every child runs in a session of its own, so that Ctrl-C reaches the lab alone and the lab
decides the order of ending. A child is ended by its recorded id, together with the
descendants seen below it, each checked by its start time so that a reused id is left alone.
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
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Callable, Sequence

from . import cgroup, priority, procfs
from .program import STOPPING

PR_SET_PDEATHSIG = 1
ENDED_WITHIN_S = 5.0  # after SIGKILL, on a machine with much else to do
_libc = ctypes.CDLL(None, use_errno=True)


def _prepare(
    cpus: Sequence[int], nice: int, memory: cgroup.Memory | None
) -> Callable[[], None]:
    """What runs in the child between fork and exec."""

    def prepare() -> None:
        # A SIGINT before the program has its handler must not end it (see wrk.py).
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        os.sched_setaffinity(0, cpus)
        priority.take(nice)
        if memory is not None:
            memory.join()
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    return prepare


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
                preexec_fn=_prepare(cpus, self.nice, memory),
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
        family = _family(child.pid)
        child.terminate()
        try:
            status = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill(child)
            return None
        _kill_survivors(family)
        self.ended(child)
        return status

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        family = _family(child.pid)
        if child.poll() is None:
            child.kill()
            child.wait()
        _kill_survivors(family)
        self.ended(child)


def _family(pid: int) -> dict[int, int | None]:
    """The descendants now alive, each with its start time."""
    return {child: procfs.start_ticks(child) for child in procfs.descendants(pid)}


def _kill_survivors(family: dict[int, int | None]) -> None:
    """They have ended when this returns; the kernel alone can make that last (ENDED_WITHIN_S)."""
    killed = select.poll()
    with ExitStack() as handles:
        left = 0
        for pid, started in family.items():
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            handles.callback(os.close, handle)
            # The handle stays this process's, whoever gets its id; its start says whose it is.
            if started is None or procfs.start_ticks(pid) != started:
                continue
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            killed.register(handle, select.POLLIN)
            left += 1
        deadline = time.monotonic() + ENDED_WITHIN_S
        while left > 0 and (rest_s := deadline - time.monotonic()) > 0:
            for handle, _event in killed.poll(rest_s * 1e3):
                killed.unregister(handle)
                left -= 1
