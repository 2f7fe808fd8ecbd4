# SPDX-License-Identifier: MIT
"""Waiting for a condition instead of for a length of time."""

import time
from pathlib import Path
from typing import Callable, Optional, TypeVar

from support.variant import patience

T = TypeVar("T")


def eventually(
    what: str,
    probe: Callable[[], T],
    holds: Optional[Callable[[T], bool]] = None,
    within: float = 5.0,
    every: float = 0.01,
) -> T:
    """Calls probe until its result holds (is true, unless told otherwise); returns it.

    Fails with `what` and the last result when that takes longer than `within`
    seconds of a release build.
    """

    def good(value: T) -> bool:
        return bool(value) if holds is None else holds(value)

    limit = time.monotonic() + patience(within)
    while True:
        value = probe()
        if good(value):
            return value
        if time.monotonic() > limit:
            raise AssertionError(f"not within {patience(within):g} s: {what}; last seen: {value!r}")
        time.sleep(every)


def _waited() -> float:
    """Seconds for which this thread could have run and had no core."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def in_time(longest: float, trial: Callable[[], None]) -> None:
    """Runs what has to act again and again in time. It may fail twice where this process had to wait for
    a core for more than `longest` seconds meanwhile: it was late then, and not the server impatient."""
    for left in (2, 1, 0):
        before = _waited()
        try:
            return trial()
        except (AssertionError, OSError):
            if not left or _waited() - before <= longest:
                raise
