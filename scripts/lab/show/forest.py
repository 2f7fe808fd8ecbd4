# SPDX-License-Identifier: MIT
"""What forest plots are made of: the ratios that decide, of the first to each of the others.

Nothing is judged here. Panels are by the figure in which cells are compared: what is more in
one is better, in another worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

from ..judge import best, verdict, words
from ..judge.analysis import CellResult, Figure, Row, pairs
from ..judge.stats import Comparison
from . import columns, overview


@dataclass(frozen=True)
class Ratio:
    """Of the first to a configuration of this model. blocks: the same in each block."""

    model: str
    found: Comparison
    blocks: tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """said: beside its ratios, or why there are none. ahead: the model that is so of all others, where
    one is. heading: above the lines of a cell."""

    name: str
    said: str
    ahead: str = ""
    ratios: tuple[Ratio, ...] = ()
    heading: bool = False


Panels = Mapping[Figure, Sequence[Line]]


def of_workloads(results: Sequence[CellResult]) -> Panels:
    """A line for each, with the best of each model."""
    panels: dict[Figure, list[Line]] = {}
    for result in filter(_compared, overview.chosen(results)):
        figure, standing = best.figure(result), best.standing(result)
        line = Line(result.cell.workload.name, "void")
        if standing:
            rows = [standing.bests[name] for name in best.contenders(result) if name in standing.bests]
            ratios = _ratios(result, standing.first, rows, figure)
            alone = bool(ratios) and all(ratio.found.decided for ratio in ratios)
            said = [overview.ahead(standing, brief=True), *verdict.left_out(result, standing)]
            ahead = standing.first.configuration.model if alone else ""
            line = Line(result.cell.workload.name, "; ".join(said), ahead, ratios)
        panels.setdefault(figure, []).append(line)
    return panels


def of_configurations(cells: Sequence[CellResult]) -> Panels:
    """Of one workload: a heading for each cell, and a line for every row but the first."""
    panels: dict[Figure, list[Line]] = {}
    for result in sorted(filter(_compared, cells), key=lambda r: r.cell.connections):
        figure, standing = best.figure(result), best.standing(result)
        first = standing.first if standing else None
        over = f"{first.label} ÷" if first else "void"
        lines = panels.setdefault(figure, [])
        lines.append(Line(f"{result.cell.connections:,} connections: {over}", "", heading=True))
        for row in result.rows:
            if row is not first:
                ratios = _ratios(result, first, [row], figure)
                lines.append(Line(columns.row_name(row), _said(row, ratios), ratios=ratios))
    return panels


def _compared(result: CellResult) -> bool:
    return result.cell.workload.kind.compared and len(result.rows) > 1


def _ratios(result: CellResult, first: Row | None, rows: Iterable[Row], figure: Figure) -> tuple[Ratio, ...]:
    """Without those that have none, and the first itself."""
    made = []
    for row in rows:
        found = result.compare(first, row, figure)
        if first and found and row is not first:
            blocks = tuple(one / other for one, other in pairs(first, row, figure))
            made.append(Ratio(row.configuration.model, found, blocks))
    return tuple(made)


def _said(row: Row, ratios: Sequence[Ratio]) -> str:
    if not ratios:
        return "void" if row.void else "no ratio"
    found = ratios[0].found
    return words.ratio_text(found) if found.decided else f"{found.ratio:.2f}, {found.state}"
