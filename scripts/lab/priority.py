# SPDX-License-Identifier: MIT
"""Servers and load before other programs, where that is allowed.

A third program that wants a core for a tenth of a second costs a pool of many processes that
tenth. Waiting for quiet does not help where the program works because so many processes are
there. So what is measured gets a scheduling weight beside which others run only in what it leaves
idle: nice -20, and the same for the session's autogroup, since with autogroups the kernel weighs
sessions first and nice only within one. All that are compared get the same, and nothing changes
between them: among tasks of one weight the scheduler decides as it would at nice 0.

A database is not raised, as PostgreSQL opens a session for each of its processes, and so with
one behind the handler nothing is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NORMAL = 0
RAISED = -20
LOWEST = 19
AUTOGROUP = Path("/proc/self/autogroup")


def usual() -> int:
    """RAISED where this process may, else NORMAL."""
    return RAISED if may(RAISED) else NORMAL


def may(nice: int) -> bool:
    """Whether take() would succeed; found out by a child that tries."""
    child = os.fork()
    if child == 0:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def take(nice: int) -> None:
    """For this process, first of a session of its own, and all that it starts.

    Raises PermissionError where this is not allowed. A kernel without autogroups has nothing
    to be told of them.
    """
    if nice == NORMAL:
        return
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    with suppress(OSError):
        AUTOGROUP.write_text(str(nice))

