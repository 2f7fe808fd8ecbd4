# SPDX-License-Identifier: MIT
"""What is judged and how: a figure by its whole interval; and the speed goals, all in one table.

A figure passes when the whole interval is on the goal's side and fails when none of it is. Where
the goal lies inside, or there are too few blocks, the measurement decides nothing: VOID, as where
nothing can be believed.

GOALS is what --floor judges, each against the floor server or another server of the same run, or
a figure of its own. scripts/lab/README.md lists them.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Sequence

from ..measure.sample import Sample
from . import best, stats, words
from .analysis import CPU, RPS, CellResult, Figure, Row, comparable
from .stats import Comparison

PASS, FAIL, VOID = "PASS", "FAIL", "VOID"


@dataclass(frozen=True)
class Judged:
    """found: None where nothing can be believed; why says what is the matter."""

    text: str
    found: Comparison | None
    goal: float
    at_least: bool
    evidence: str
    why: str = ""

    @property
    def state(self) -> str:
        sign = operator.ge if self.at_least else operator.le
        passed = self.found.holds(sign, self.goal) if self.found else None
        return VOID if passed is None else PASS if passed else FAIL

    def __str__(self) -> str:
        goal = f"goal {bound(self.goal, self.at_least)}"
        if self.found is None:
            return f"{self.text}: {self.why or 'no block can be believed'}, {goal}"
        undecided = ""
        if self.found.n < stats.ENOUGH:
            undecided = f"; undecided: it takes {stats.ENOUGH} blocks"
        elif self.state == VOID:
            undecided = "; undecided: the goal lies inside, more blocks are needed"
        return f"{self.text}: {words.ratio_text(self.found)}{words.sureness(self.found)}, {goal}{undecided}"


def bound(goal: float, at_least: bool) -> str:
    return f"{'≥' if at_least else '≤'} {words.number(goal)}"


def why(*rows: Row | None) -> str:
    """The first reason for which blocks of these rows do not count."""
    voids = (f"{row.label}: {row.void_reasons[0]}" for row in rows if row and row.void_reasons)
    return next(voids, "")


# --- figures --------------------------------------------------------------------------------


def own(row: Row, samples: Iterable[Sample], value: Callable[[Sample], float]) -> Comparison | None:
    """A figure that is compared with no other row's."""
    return None if row.void else stats.alone([value(sample) for sample in samples], first=row.label)


def _share(row: Row) -> Comparison | None:
    """Of the ceiling of waiting, as far as each window can show it."""
    ceiling = row.ceiling.rps or 0.0
    return own(row, row.valid, lambda s: comparable(row, s, RPS) / ceiling) if ceiling else None


def _starved(row: Row) -> Comparison | None:
    """Of all samples: a gate voids those in which a connection starves."""
    known = [s.load.unanswered for s in row.samples if s.load and s.load.unanswered is not None]
    return stats.alone([float(each) for each in known], first=row.label)


MEMORY = Figure("memory", lambda s: s.extras["memory_total_bytes"], words.bytes_text)
SHARE, STARVED, BYTES = "share of the ceiling", "connections never answered", best.BYTES.name
# Of two rows, as the ratio of the first to the second; or of the first alone.
TO_ANOTHER = {figure.name: figure for figure in (CPU, RPS, MEMORY)}
OF_ITS_OWN: dict[str, Callable[[Row], Comparison | None]] = {
    SHARE: _share,
    STARVED: _starved,
    BYTES: lambda row: own(row, row.valid, best.BYTES.of),
}


# --- the goals ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Goal:
    """For each number of connections and each configuration of ours; other: "" for none."""

    workload: str
    connections: tuple[int, ...]
    figure: str
    ours: tuple[str, ...]
    other: str
    value: float
    at_least: bool = False


POOLS_OF_4 = ("prefork(4)", "threads(4)")
POOLS = ("prefork(64)", "threads(64)")
ALL = (*POOLS, "coro")
GOALS = (
    Goal("hello", (64, 256), CPU.name, ("coro",), "floor", 1.05),
    Goal("hello", (64,), CPU.name, ("coro",), "nginx", 0.75),
    Goal("hello", (64,), CPU.name, POOLS_OF_4, "floor", 1.20),
    Goal("hello", (64, 256), CPU.name, POOLS, "floor", 1.25),
    Goal("hello", (64, 256), STARVED, POOLS, "", 0),
    Goal("hello", (64, 256), RPS.name, ("prefork(64)",), "apache-prefork(64)", 6.0, True),
    Goal("hello", (64, 256), RPS.name, ("threads(64)",), "apache-worker(64)", 6.0, True),
    Goal("hello", (64, 256), RPS.name, ("threads(64)",), "apache-event(64)", 6.0, True),
    Goal("pipeline", (64,), RPS.name, ALL, "nginx", 8.0, True),
    Goal("pipeline", (64,), RPS.name, ALL, "floor", 0.7, True),
    Goal("close", (64,), CPU.name, ALL, "nginx", 1.0),
    Goal("files-1m", (16,), CPU.name, ALL, "nginx", 1.0),
    Goal("idle", (4,), BYTES, ALL, "", 150),
    Goal("idle", (4,), MEMORY.name, ("coro",), "nginx", 1.0),
    Goal("sleep", (256,), SHARE, ALL, "", 0.97, True),
)
ELSEWHERE = (
    "a coroutine's switch and a generator's round trip: scripts/bench-coro, next in make bench-floor",
    "100,000 idle connections on six loops: scripts/idle-connections, last in make bench-floor",
)


def judge(results: Sequence[CellResult]) -> list[Judged]:
    """Every goal whose cell was run."""
    cells = {(r.cell.workload.name, r.cell.connections): r for r in results}
    return [
        _judge(goal, result, ours)
        for goal in GOALS
        for connections in goal.connections
        if (result := cells.get((goal.workload, connections)))
        for ours in goal.ours
    ]


def _judge(goal: Goal, result: CellResult, label: str) -> Judged:
    names = [label, goal.other] if goal.other else [label]
    rows = [row for name in names if (row := result.row(name))]
    if len(rows) == len(names):
        if goal.other:
            found = result.compare(rows[0], rows[1], TO_ANOTHER[goal.figure])
        else:
            found = OF_ITS_OWN[goal.figure](*rows)
        reason = why(*rows)
    else:
        absent = next(name for name in names if result.row(name) is None)
        found, reason = None, f"{absent} did not run"
    text = f"{result.cell.name}: {goal.figure}, {' ÷ '.join(names)}"
    return Judged(text, found, goal.value, goal.at_least, result.cell.name, reason)


def draw(results: Sequence[CellResult]) -> tuple[dict[str, Any], list[str]]:
    judged = judge(results)
    data = {"goals": [{"state": x.state, "workload": x.evidence, "text": str(x)} for x in judged]}
    counts = [sum(each.state == state for each in judged) for state in (PASS, FAIL, VOID)]
    text = ["Goals:", "", *(f"{each.state} {each}" for each in judged)]
    text += [f"elsewhere: {line}" for line in ELSEWHERE]
    text.append(f"{counts[0]} passed, {counts[1]} failed, {counts[2]} void")
    return data, text
