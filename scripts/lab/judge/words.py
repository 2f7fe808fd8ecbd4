# SPDX-License-Identifier: MIT
"""Figures in words: the same wherever they are shown."""

from __future__ import annotations

from typing import Sequence

from . import stats
from .stats import EQUAL, UNDECIDED, WITHIN, Comparison

NONE = "–"


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def number(value: float, digits: int = 2) -> str:
    """Of what is in the hundreds, as a process switch in coroutine switches, no part is shown."""
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:,.0f}"


def ratio_text(found: Comparison, digits: int = 2) -> str:
    """With its interval; of how many pairs that is, sureness() says once for several, but where they
    are too few."""
    ratio, low, high = (number(each, digits) for each in (found.ratio, found.low, found.high))
    if found.n < stats.ENOUGH:
        return f"{ratio} (of {found.n} block{'s'[: found.n - 1]})"
    return f"{ratio} [{low}, {high}]"


def pairs(found: Sequence[Comparison]) -> str:
    """Of how many each is: "10", or "6 to 10"."""
    least, most = min(c.n for c in found), max(c.n for c in found)
    return f"{least}" if least == most else f"{least} to {most}"


def sureness(*found: Comparison) -> str:
    """How sure the intervals are, and of how many pairs: to stand behind them, or behind what they
    are of; empty where there are too few for any."""
    known = [c for c in found if c.n >= stats.ENOUGH]
    return f" ({percent(stats.CONFIDENCE)} of {pairs(known)} blocks)" if known else ""


def ratio_times(found: Comparison) -> str:
    """As in "coro 3.98 × threads(64) [3.95, 4.01]", without the first name."""
    ratio, space, interval = ratio_text(found).partition(" ")
    return f"{ratio} × {found.second}{space}{interval}"


def doubt(found: Comparison) -> str:
    """What keeps a comparison undecided."""
    more = found.more_blocks
    if more is None:
        return f"noise ±{percent(found.noise)}"
    return f"{more} more block{'s' if more > 1 else ''} may tell"


def compared(found: Sequence[Comparison]) -> list[str]:
    """What of several comparisons of the same one: the decided, the equal, the undecided."""
    decided = [ratio_times(c) for c in found if c.decided]
    equal = [c.second for c in found if c.state == EQUAL]
    undecided = [c for c in found if c.state == UNDECIDED]
    parts = [", ".join(decided)] if decided else []
    if equal:
        parts.append(f"equal to {listed(equal)} within ±{percent(WITHIN)}")
    if undecided:
        by_blocks = sorted(undecided, key=lambda c: c.more_blocks or 0)
        doubts = {c.more_blocks is None: doubt(c) for c in by_blocks}  # the most blocks that any takes
        ratios = ", ".join(map(ratio_times, undecided))
        parts.append(f"{ratios} undecided ({', '.join(doubts.values())})")
    return [f"{found[0].first} {parts[0]}", *parts[1:]]


def duration_text(us: float | None) -> str:
    if us is None:
        return NONE
    if us >= 1e6:
        return f"{us / 1e6:.3g} s"
    return f"{us / 1e3:.3g} ms" if us >= 1e3 else f"{us:.0f} µs"


def bytes_text(count: float) -> str:
    if count >= 1 << 20:
        return f"{count / (1 << 20):.1f} MB"
    return f"{count / 1024:.0f} KB"
