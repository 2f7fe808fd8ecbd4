# SPDX-License-Identifier: MIT
"""How long a freshly started server must be loaded before its throughput shows no trend.

Looked for once for each configuration of a cell, in its first block, in windows of one
second; the later blocks warm up for as long as was found to be needed. Caches, pools and
stacks fill in the same way every time, so looking again would double the time of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

WINDOW_S = 1.0
MOST_WINDOWS = 5
TREND = 0.05  # two windows this close show none


@dataclass(frozen=True)
class WarmUp:
    """windows: requests/s of each. needed_s: before the first window that was steady."""

    windows: tuple[float, ...]
    needed_s: float
    steady: bool


def steady_from(windows: Sequence[float]) -> int | None:
    """The first of the last windows that show no trend; None while there is one.

    Two windows within TREND, or three of which the last is between or beyond in the other
    direction: noise that goes up and down is not a trend.
    """
    if len(windows) >= 2:
        before, last = windows[-2:]
        if abs(last - before) <= TREND * max(last, before):
            return len(windows) - 2
    if len(windows) >= 3:
        first, middle, last = windows[-3:]
        if (middle - first) * (last - middle) < 0:
            return len(windows) - 3
    return None


def found(windows: Sequence[float]) -> WarmUp | None:
    """The warm-up these windows show to be enough; None while more have to be looked at."""
    index = steady_from(windows)
    if index is None and len(windows) < MOST_WINDOWS:
        return None
    needed = len(windows) if index is None else index
    return WarmUp(tuple(windows), needed * WINDOW_S, index is not None)
