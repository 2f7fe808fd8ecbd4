# SPDX-License-Identifier: MIT
"""A run in one table: a row for each workload, a column for each model.

Each model enters with the best of its usual configurations; in what it is compared follows from
the workload. It opens report.html and is what README.md shows.
"""

from __future__ import annotations

from typing import Sequence

from ..ask.plan import MODELS
from ..ask.workloads import WORKLOADS
from ..judge import best, stats, words
from ..judge.analysis import CellResult, Row
from ..judge.best import Standing
from . import series, table

CONNECTIONS = "connections"


def chosen(results: Sequence[CellResult]) -> list[CellResult]:
    """One cell a workload: at its own number of connections, or the nearest to that. Those with a
    limit of memory are steps of one comparison, which is told as a whole (see external)."""
    found = []
    free = [result for result in results if not result.cell.workload.memory_bytes]
    for name, cells in series.by_workload(free).items():
        usual = WORKLOADS[name].connections if name in WORKLOADS else 64
        found.append(min(cells, key=lambda r: abs(r.cell.connections - usual)))
    return found


def rows(results: Sequence[CellResult]) -> list[list[str]]:
    """The head, and a row for each workload of a run."""
    found = [["workload", CONNECTIONS, "figure", *MODELS, "ahead"]]
    for result in chosen(results):
        figure, standing = best.figure(result), best.standing(result)
        order = reversed(standing.bests.values()) if standing else ()
        bests = {row.configuration.model: row for row in order}
        cells = [
            f"{figure.form(best.value(row, figure))} {_size(row)}".strip() if row else "not compared"
            for row in map(bests.get, MODELS)
        ]
        ahead = words.NONE
        if standing and result.cell.workload.kind.compared:
            ahead = _ahead(standing)
        found.append([result.cell.workload.name, f"{result.cell.connections:,}", figure.name,
                      *cells, ahead])  # fmt: skip
    return found


def reading_line(blocks: int) -> str:
    return (
        f"{table.interval_line(blocks)}. In parentheses: the pool's size, the best of "
        "those that had cores of their own, without --gil and --dispatch=connection; 'ahead' is the ratio to the next model that is not equal, "
        f"equal: to within ±{words.percent(stats.WITHIN)}."
    )


def _size(row: Row) -> str:
    return f"({row.configuration.workers})" if row.configuration.pooled else ""


def _ahead(standing: Standing) -> str:
    """The model that is ahead of every other, and of the next by how much; or those that are equal
    to it, or of which that is not decided."""
    if not standing.ahead:
        return words.NONE
    first = next(iter(standing.bests))
    for word in (stats.UNDECIDED, stats.EQUAL):
        level = [m for m, found in standing.ahead.items() if not found or found.state == word]
        if level:
            return f"{word}: {words.listed([first, *level])}"
    nearest, found = next(iter(standing.ahead.items()))
    return f"{first}, {words.ratio_text(found)} × {nearest}, n = {found.n}" if found else words.NONE
