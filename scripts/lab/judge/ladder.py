# SPDX-License-Identifier: MIT
"""The ladder of --ladder: its rungs, the table of what each costs, and the claims that it decides.

A rung is a way to get a worker: a process, a thread or a coroutine, made before or anew, taken for
a request or for a connection. Other servers stand on the rung that they are built as.
"""

from __future__ import annotations

from typing import Any, Sequence

from ..ask.plan import ANEW
from ..ask.presets import LADDER, LADDER_PEERS
from . import best, claims, goals, stats, words
from .analysis import CPU, P99, RPS, CellResult, Figure, Row
from .claims import rung

CLAIMS = ("9", "10", "11", "12")
BEST, EQUAL, UNDECIDED = "best", "=", "?"
_TAKEN = {"prefork": "a process", "threads": "a thread", "coro": "a coroutine", "stealing": "a coroutine"}
# By the workload, in what it is shown, in the order of the columns.
COLUMNS: tuple[tuple[str, Figure], ...] = (
    ("hello", CPU), ("close", CPU), ("cpu", CPU), ("sleep", CPU), ("mix", CPU), ("block", RPS),
    ("interference", P99), ("skew", P99), ("unequal", P99), ("idle:500", goals.MEMORY),
    ("idle", best.BYTES),
)  # fmt: skip


def said(name: str) -> str:
    """A rung in words."""
    model, _, flags = name.partition(":")[0].partition("+")
    made = "anew" if ANEW in flags else "before"
    taken = "connection" if "connection" in flags else "request"
    where = {"coro:N": ", N loops in processes", "stealing:N": ", N threads that steal"}.get(name, "")
    return f"{_TAKEN[model]}, made {made}, for a {taken}{where}"


def table(results: Sequence[CellResult]) -> list[list[str]]:
    """The head, and a row for each rung and each other server on it. In each column the best is marked,
    what is equal to it, and where that is not decided; all else is behind."""
    cells = {result.cell.workload.name: result for result in results}
    columns = [(name, figure, cells[name]) for name, figure in COLUMNS if name in cells]
    found = [["taken", "configuration", *(f"{name}: {figure.name}" for name, figure, _ in columns)]]
    for each in LADDER:
        for name in (each, *(peer for peer, on in LADDER_PEERS.items() if on == each)):
            cells_of = [_cell(result, figure, name) for _, figure, result in columns]
            if any(cells_of):
                found.append([said(each), name, *(cell or words.NONE for cell in cells_of)])
    return found


def _cell(result: CellResult, figure: Figure, name: str) -> str:
    row = next((row for row in result.models if _named(row) == name), None)
    ranked = best.ranked(result.models, figure)
    if row is None:
        return ""
    if row not in ranked:
        return "void" if row.void else words.NONE
    value = figure.form(best.value(row, figure))
    if row is ranked[0]:
        return f"{value} {BEST}"
    found = result.compare(ranked[0], row, figure)
    state = found.state if found else stats.UNDECIDED
    return f"{value} {({stats.EQUAL: EQUAL, stats.UNDECIDED: UNDECIDED}).get(state, '')}".strip()


def _named(row: Row) -> str:
    return row.configuration.model if row.configuration.peer else rung(row.configuration)


def judge(results: Sequence[CellResult]) -> list[claims.Claim]:
    return claims.judge_results(CLAIMS, results)


def draw(results: Sequence[CellResult]) -> tuple[dict[str, Any], list[str]]:
    judged = judge(results)
    lines = [line for claim in judged for line in claim.lines(".")]
    return {"claims": {claim.number: claim.state for claim in judged}}, ["Claims:", "", *lines]
