# SPDX-License-Identifier: MIT
"""Whether a fault leaves anything behind: it is repeated, and what the server holds compared."""

import os
from typing import Callable, List

from support import processes
from support.server import Server
from support.variant import VARIANT, fewer
from support.waiting import eventually

# How often a fault is repeated; FAULT_ROUNDS=100 for a long trial.
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0"))
# What the allocator and the kernel's accounting of shared pages may differ by.
MEMORY_SLACK = 2 << 20


def rounds(count: int) -> int:
    """How often to repeat what is by default repeated this many times."""
    return ROUNDS or fewer(count)


def descriptors(server: Server) -> List[int]:
    """Open descriptors of the master and of each worker process."""
    return [processes.descriptors(pid) for pid in [server.pid, *server.worker_pids()]]


class Held:
    """What a quiet server holds, taken after a warm-up round; check() compares later."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._quiet()
        self._descriptors = descriptors(server)
        self._memory = server.memory()

    def _quiet(self) -> None:
        eventually("no connection is left", self._server.open_connections, lambda n: n == 0, 10)

    def check(self) -> None:
        self._quiet()

        def no_more(now: List[int]) -> bool:
            return len(now) == len(self._descriptors) and all(
                have <= had for have, had in zip(now, self._descriptors)
            )

        eventually(f"descriptors are back at {self._descriptors}",
                   lambda: descriptors(self._server), no_more)
        if VARIANT != "release":  # a sanitizer keeps what was freed for a while
            return
        limit = self._memory + MEMORY_SLACK
        eventually(f"memory is back at {self._memory}", self._server.memory, lambda n: n < limit)


def repeat(server: Server, count: int, fault: Callable[[], None]) -> None:
    """The fault, once to warm up and then count times; nothing may be left behind."""
    fault()
    held = Held(server)
    for _ in range(rounds(count)):
        fault()
    held.check()
