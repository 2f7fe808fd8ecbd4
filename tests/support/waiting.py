# SPDX-License-Identifier: MIT
"""Waiting for a condition instead of for a length of time."""

import time
from typing import Callable, List, Optional, TypeVar

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


def in_time(longest: float, trial: Callable[[Callable[[], None]], None]) -> None:
    """Runs what has to act again and again in time, and calls its argument at each act.

    It may fail twice where more than `longest` seconds went by between two acts: then it was
    this process that had to wait, and not the server that was impatient.
    """
    acts: List[float] = []

    def act() -> None:
        acts.append(time.monotonic())

    for left in (2, 1, 0):
        acts.clear()
        act()
        try:
            return trial(act)
        except (AssertionError, OSError):
            act()
            if not left or max(after - before for before, after in zip(acts, acts[1:])) <= longest:
                raise
