# SPDX-License-Identifier: MIT
"""Servers and load before other programs, where that is allowed.

A third program that wants a core for a tenth of a second costs a pool of many processes that
tenth. Waiting for quiet does not help where the program works because so many processes are
there. So what is measured gets a scheduling weight beside which others run only in what it leaves
idle: nice -20, and the same for the session's autogroup, since with autogroups the kernel weighs
sessions first and nice only within one. All that are compared get the same, and nothing changes
between them: among tasks of one weight the scheduler decides as it would at nice 0.

A database is not raised, as PostgreSQL opens a session for each of its processes, and so with
one behind the handler the server is not, nor wrk. A generator of requests at set times is, as it has its
core for itself.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

NORMAL = 0
RAISED = -20
LOWEST = 19
AUTOGROUP = Path("/proc/self/autogroup")
AUTOGROUP_TRIES, AUTOGROUP_PAUSE_S = 5, 0.1


def usual() -> int:
    """RAISED where this process may, else what it has."""
    return RAISED if may(RAISED) else os.getpriority(os.PRIO_PROCESS, 0)


def may(nice: int) -> bool:
    """Whether take() would succeed; found out by a child that tries."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            take(nice)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def take(nice: int) -> None:
    """For this process, first of a session of its own, and all that it starts.

    Raises OSError where this is not allowed. A kernel without autogroups has nothing to be told
    of them.
    """
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    if nice == NORMAL:
        return
    for left in range(AUTOGROUP_TRIES - 1, -1, -1):
        try:
            AUTOGROUP.write_text(str(nice))
            return
        except FileNotFoundError:
            return
        except BlockingIOError:  # without CAP_SYS_ADMIN, one every 0.1 s on the whole machine
            if left == 0:
                raise
            time.sleep(AUTOGROUP_PAUSE_S)


def lead(nice: int) -> None:
    """For the lab itself, beside children of that nice value: where they fill all cores it would
    otherwise wait for up to a quarter of a second before it could end a load. Its children do
    not inherit that; it has little to do while they are measured. Nothing where not allowed."""
    if nice < NORMAL:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
