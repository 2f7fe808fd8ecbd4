# SPDX-License-Identifier: MIT
"""Which model is best at a workload, each with the best of its rows.

Compared is what the workload is about: throughput, or CPU time per request where wrk is the
limit or the requests do nothing but compute, the 99th percentile beside slow requests, requests
lost, bytes of an idle connection.
A configuration that shared its cores with wrk is never compared with one that did not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping

from ..ask.kinds import Kind
from ..ask.plan import OURS
from .analysis import CPU, P99, RPS, CellResult, Figure, Row, pairs
from .stats import ENOUGH, Comparison

# What must never happen is not typical: its worst block counts.
LOST = Figure(
    "requests lost", lambda s: s.extras.get("lost", 0.0), lambda v: f"{v:,.0f}", typical=max
)
BYTES = Figure(
    "bytes an idle connection", lambda s: s.extras.get("bytes_a_connection", 0.0), lambda v: f"{v:,.0f}"
)
FIGURES = {Kind.PARKED: BYTES, Kind.BESIDE: P99, Kind.CRASH: LOST, Kind.DRAIN: LOST}


def figure(result: CellResult) -> Figure:
    """In which its models are compared."""
    if result.cell.workload.memory_bytes:
        return RPS  # what is left in memory of the files that are asked for
    by_cpu = result.by_cpu or _computes_alike(result)
    return FIGURES.get(result.cell.workload.kind) or (CPU if by_cpu else RPS)


def _computes_alike(result: CellResult) -> bool:
    """Whether throughput is CPU per request and nothing else, but for what others take of the cores: where
    requests only compute, and all contenders can keep as many cores busy."""
    rows = [row for rows in contenders(result).values() for row in rows]
    cores = {row.configuration.usable_cores for row in rows}
    return result.cell.workload.computes_only and len(cores) == 1


def value(row: Row, figure: Figure) -> float:
    return figure.typical(figure.of(sample) for sample in row.valid)


def ranked(rows: Iterable[Row], figure: Figure) -> list[Row]:
    """Those that count, best first. A percentile of too few samples is given as 0, which is not
    the best there is."""
    sign = 1.0 if figure.less_is_better else -1.0
    counts = [
        row for row in rows
        if not row.void and (figure is not P99 or all(map(figure.of, row.valid)))
    ]  # fmt: skip
    return sorted(counts, key=lambda row: sign * value(row, figure))


def contenders(result: CellResult) -> dict[str, list[Row]]:
    """The rows of each of our models, without textbook switches; where there are not two of
    them, every configuration by itself. Of all only those with cores of their own, if any count."""
    found: dict[str, list[Row]] = {}
    for row in result.models:
        how = row.configuration
        if how.model in OURS and not (how.gil or how.anew) and how.dispatch != "connection":
            found.setdefault(how.model, []).append(row)
    if len(found) < 2:
        found = {row.label: [row] for row in result.models}
    own = {name: [row for row in rows if not row.configuration.shares_cores] for name, rows in found.items()}
    if any(not row.void for rows in own.values() for row in rows):
        return {name: rows for name, rows in own.items() if rows}
    return found


@dataclass(frozen=True)
class Standing:
    """bests: of each contender that counts its best row, the best first. ahead: how that compares
    with each of the others; None where a figure is 0. level: it, and those that are equal to it or
    not known to be behind; nobody where any was beside it in too few blocks to be known."""

    figure: Figure
    bests: Mapping[str, Row]
    ahead: Mapping[str, Comparison | None]
    level: tuple[str, ...]

    @property
    def first(self) -> Row:
        return next(iter(self.bests.values()))


def standing(result: CellResult) -> Standing | None:
    """None where no contender counts."""
    chosen = figure(result)
    names = {best[0].label: name for name, rows in contenders(result).items()
             if (best := ranked(rows, chosen))}  # fmt: skip
    bests = {names[row.label]: row for row in ranked(result.models, chosen) if row.label in names}
    if not bests:
        return None
    (name, first), *others = bests.items()
    ahead = {other: result.compare(first, row, chosen) for other, row in others}
    level = [name, *(other for other, row in others if not _is_ahead(first, row, ahead[other], chosen))]
    known = all(len(pairs(first, row, chosen)) >= ENOUGH for _, row in others)
    return Standing(chosen, bests, ahead, tuple(level if known else ()))


def _is_ahead(first: Row, other: Row, found: Comparison | None, figure: Figure) -> bool:
    """Where a figure is 0 in a block there is no ratio: then it is less in all blocks, or not ahead."""
    return found.decided if found else all(one < another for one, another in pairs(first, other, figure))
