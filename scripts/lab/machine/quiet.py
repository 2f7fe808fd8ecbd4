# SPDX-License-Identifier: MIT
"""Waiting for other programs to leave the cores alone, as long as patience lasts.

No statistics repair a comparison of two cores with one while a third program uses half a
core. Patience is one budget for a whole run: a machine that is never quiet is measured
as it is, and the results say so.
"""

from __future__ import annotations

import time
from typing import Collection

from . import procfs

QUIET_CORES = 0.15  # of others' work on the cores in use: more, and a sample is disturbed
_LOOK_S = 0.25


class Patience:
    def __init__(self, seconds: float, cpus: Collection[int]) -> None:
        self.left_s = seconds
        self._cpus = cpus
        self._look = True  # after a sample that was undisturbed, looking would only cost time

    def await_quiet(self) -> None:
        """Returns when the machine has been idle for a moment, or patience is over."""
        while self._look and self.left_s > 0:
            before = procfs.machine(self._cpus).busy_s
            begun = time.monotonic()
            time.sleep(_LOOK_S)
            elapsed = time.monotonic() - begun
            if (procfs.machine(self._cpus).busy_s - before) / elapsed < QUIET_CORES:
                return
            self.left_s -= elapsed

    def again(self, disturbed: bool, cost_s: float) -> bool:
        """Whether to repeat a measurement, which is so only while patience lasts."""
        self._look = disturbed
        if not disturbed or self.left_s <= 0:
            return False
        self.left_s -= cost_s
        return True
