# SPDX-License-Identifier: MIT
"""A run in one table: a row for each workload, a column for each model.

Each model enters with the best of its usual configurations; in what it is compared follows from
the workload. It opens report.html and is what README.md shows.
"""

from __future__ import annotations

from typing import Sequence

from ..ask.kinds import Kind
from ..ask.plan import MODELS
from ..ask.workloads import WORKLOADS
from ..judge import best, curves, stats, words
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
    found = [["workload", "ahead", CONNECTIONS, "figure", *MODELS]]
    for result in chosen(results):
        if result.cell.workload.kind is Kind.OPEN:
            found.append(_open(result))
            continue
        figure, standing = best.figure(result), best.standing(result)
        order = reversed(standing.bests.values()) if standing else ()
        bests = {row.configuration.model: row for row in order}
        cells = [
            f"{figure.form(best.value(row, figure))} {_size(row)}".strip() if row else "not compared"
            for row in map(bests.get, MODELS)
        ]
        said = words.NONE
        if standing and result.cell.workload.kind.compared:
            said = ahead(standing)
        found.append([result.cell.workload.name, said, f"{result.cell.connections:,}", figure.name, *cells])
    return found


def _open(result: CellResult) -> list[str]:
    each = {c.configuration.model: f"{curves.felt(c)} {_size(c.closed)}".strip() for c in curves.of(result)}
    cells = [each.get(model, "not compared") for model in MODELS]
    return [result.cell.workload.name, words.NONE, f"{result.cell.connections:,}", curves.FELT, *cells]


def reading_line(blocks: int) -> str:
    return (
        f"{table.interval_line(blocks)}. In parentheses: the pool's size, the best of "
        "those that had cores of their own, without --gil and --dispatch=connection; 'ahead' is the ratio to the next model that is not equal, "
        f"equal: to within ±{words.percent(stats.WITHIN)}."
    )


def _size(row: Row) -> str:
    return f"({row.configuration.workers})" if row.configuration.pooled else ""


def ahead(standing: Standing, brief: bool = False) -> str:
    """The model that is ahead of every other, with those that are equal to it; of the next model by how much,
    unless brief with the interval; and those of which it is not decided."""
    (first, *_), said, by = standing.bests, list[str](), ""
    states = {m: found.state if found else stats.UNDECIDED for m, found in standing.ahead.items()}
    for word in (stats.EQUAL, stats.UNDECIDED):
        level = [m for m, state in states.items() if state == word]
        if level:
            said.append(f"{word}: {words.listed(level if said else [first, *level])}")
    for model, found in standing.ahead.items():
        if found and found.decided and not by:
            ratio = words.number(found.ratio) if brief else words.ratio_text(found)
            by = f", {ratio} × {model}" + ("" if brief else f", n = {found.n}")
    head, *rest = said or [first]
    return "; ".join([f"{head}{by}", *rest]) if states else words.NONE
