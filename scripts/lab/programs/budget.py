# SPDX-License-Identifier: MIT
"""How long a run takes, and what it goes on with: blocks more of the cells whose ratios are wider
than asked, while the plan's budget lasts."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from ..ask.plan import Cell, Plan
from ..measure import syscalls
from ..judge import best, stats
from ..judge.analysis import CellResult
from ..judge.stats import Comparison
from ..show.document import Run

# Starting, checking, reading counters and draining, around a step's load.
OVERHEAD_S = 0.25
STARTING_S = 4e-6  # of a pool, by the square of its size: each worker finds all before it in the way
STEADY_S = 2.6  # until a configuration is found steady, in its first block
NEEDED_S = 0.25  # that this makes a later block's warm-up longer
SYSCALLS_S = 1.3


def seconds_planned(plan: Plan) -> float:
    """An estimate of the plan's own blocks."""
    found = 0.0
    for cell in plan.cells:
        for configuration in cell.configurations:
            load_s = plan.duration_of(cell, configuration) + cell.workload.overhead_s
            start_s = OVERHEAD_S + (0.0 if configuration.anew else STARTING_S * configuration.workers**2)
            found += plan.blocks * (start_s + plan.warmup_s + load_s)
            if plan.steady:
                found += STEADY_S - plan.warmup_s + (plan.blocks - 1) * NEEDED_S
            if plan.syscalls and syscalls.countable(cell):
                found += SYSCALLS_S
    return found


def seconds_of(plan: Plan, cell: Cell) -> float:
    """Of a block more of one cell."""
    return seconds_planned(replace(plan, cells=(cell,), blocks=1, steady=False, syscalls=False))


def ratios(result: CellResult) -> list[Comparison]:
    """Of the best of each model, every two, in what the cell's verdict compares."""
    found = best.standing(result) if result.cell.workload.kind.compared else None
    if found is None:
        return []
    compared = (result.compare(*two, found.figure) for two in itertools.combinations(found.bests.values(), 2))
    return [c for c in compared if c]


def widths(result: CellResult) -> dict[str, float]:
    """How far the interval of each of these reaches to both sides: 0.03 for ±3 %, infinite where nothing
    is known of it."""
    return {
        f"{result.cell.workload.name} {c.first} ÷ {c.second}": (
            math.sqrt(c.high / c.low) - 1 if c.n >= stats.ENOUGH else math.inf
        )
        for c in ratios(result)
    }


def known(run: Run) -> str:
    """What the progress line says of the ratios, if there are to be any."""
    found = {name: width for result in run.results() for name, width in widths(result).items()}
    finite = [name for name in found if found[name] < math.inf]
    if not any(cell.workload.kind.compared for cell in run.plan.cells):
        return ""
    if not finite:
        return "no ratio is known yet"
    narrow = sum(width <= run.plan.precision for width in found.values())
    widest = max(finite, key=lambda name: found[name])
    return (
        f"{narrow} of {len(found)} ratios within ±{run.plan.precision * 100:g} %, "
        f"widest {widest} ±{found[widest] * 100:.0f} %"
    )


def next_cell(run: Run, seconds_left: float) -> Cell | None:
    """Of the cells with a ratio wider than asked, a block of which fits into the time left, one with a
    ratio that is undecided, and of those one that had the fewest; None where there is none."""
    plan = run.plan
    wide = [
        result
        for result in (run.results() if seconds_left > 0 else [])
        if max(widths(result).values(), default=0.0) > plan.precision
        and seconds_of(plan, result.cell) <= seconds_left
    ]

    def turn(result: CellResult) -> tuple[bool, int]:
        decided = all(c.state != stats.UNDECIDED for c in ratios(result))
        return decided, plan.blocks_of(result.cell)

    return min(wide, key=turn).cell if wide else None
