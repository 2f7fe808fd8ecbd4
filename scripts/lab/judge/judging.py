# SPDX-License-Identifier: MIT
"""A goal and what was measured: PASS, FAIL, or VOID where nothing can be believed."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Callable, Sequence

from .analysis import Metric, Row


@dataclass(frozen=True)
class Line:
    passed: bool | None  # None: nothing that can be believed was measured
    criterion: str
    text: str

    def __str__(self) -> str:
        state = "VOID" if self.passed is None else "PASS" if self.passed else "FAIL"
        return f"{state} ({self.criterion}) {self.text}"


def spread(values: Sequence[float], form: Callable[[float], str]) -> str:
    return f"[{form(min(values))}, {form(max(values))}] in {len(values)} blocks"


def percent(value: float) -> str:
    return f"{value * 100:.1f} %"


def plain(value: float) -> str:
    return f"{value:.2f}"


def judge(
    criterion: str,
    text: str,
    values: Sequence[float],
    goal: float,
    at_least: bool,
    form: Callable[[float], str] = plain,
) -> Line:
    sign = "≥" if at_least else "≤"
    if not values:
        return Line(None, criterion, f"{text}: no block can be believed, goal {sign} {form(goal)}")
    middle = statistics.median(values)
    passed = middle >= goal if at_least else middle <= goal
    found = f"{form(middle)} {spread(values, form)}"
    return Line(passed, criterion, f"{text}: {found}, goal {sign} {form(goal)}")


def paired(first: Row | None, second: Row | None, metric: Metric) -> list[float]:
    """The ratio in each block in which both can be believed; none where either row is void."""
    if first is None or second is None or first.void or second.void:
        return []
    others = {sample.block: metric(sample) for sample in second.valid}
    return [
        metric(sample) / others[sample.block]
        for sample in first.valid
        if others.get(sample.block, 0) > 0
    ]
