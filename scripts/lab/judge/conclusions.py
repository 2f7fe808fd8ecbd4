# SPDX-License-Identifier: MIT
"""What a preset was run for: data for run.json, lines for people. Most presets have none."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from ..ask.plan import Plan
from . import crossover, external, goals, ladder
from .analysis import CellResult

Drawn = tuple[dict[str, Any], list[str]]

_BY_PRESET: dict[str, Callable[[Sequence[CellResult]], Drawn]] = {
    "floor": goals.draw,
    "crossover": crossover.draw,
    "external": external.draw,
    "ladder": ladder.draw,
}


def draw(plan: Plan, results: Sequence[CellResult]) -> Drawn:
    found = _BY_PRESET.get(plan.preset)
    return found(results) if found else ({}, [])
