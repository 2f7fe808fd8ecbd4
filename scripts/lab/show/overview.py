# SPDX-License-Identifier: MIT
"""A run in one table: a row for each workload, a column for each model.

Each model enters with the best of its usual configurations; in what it is compared follows from
the workload. It opens report.html and is what README.md shows.
"""

from __future__ import annotations

from typing import Sequence

from ..ask.plan import MODELS
from ..ask.workloads import WORKLOADS
from ..judge import analysis, best, stats, verdict, words
from ..judge.analysis import CellResult, Metric, Row
from ..judge.best import Standing
from . import columns, series, table

CONNECTIONS = "connections"
IN_NOISE = "within the noise"
# What is shown of a cell, by what it is compared by.
FIGURES: dict[Metric, tuple[str, columns.Text]] = {
    analysis.rps: ("requests/s", columns.RPS.text),
    analysis.cpu_us: ("CPU µs/request", columns.CPU.text),
    analysis.p99_us: ("p99", columns.P99.text),
    best.lost: ("requests lost", columns.LOST.text),
    best.bytes_each: ("bytes an idle connection", columns.EACH.text),
}


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
    noise = {cpu: table.noise_floor(results, cpu) for cpu in (False, True)}
    for result in chosen(results):
        stick = best.yardstick(result)
        name, text = FIGURES[stick.metric]
        standing = best.standing({model: _usual(result, model) for model in MODELS}, stick)
        bests = [standing.bests.get(model) if standing else None for model in MODELS]
        cells = [f"{text(row)} {_size(row)}".strip() if row else "void or not run"
                 for row in bests]  # fmt: skip
        ahead = words.NONE
        if standing and result.cell.workload.kind.compared:
            ahead = _ahead(standing, noise[verdict.by_cpu(result)])
        found.append([result.cell.workload.name, f"{result.cell.connections:,}", name,
                      *cells, ahead])  # fmt: skip
    return found


def reading_line(blocks: int) -> str:
    noise = (
        f", or '{IN_NOISE}' where it does not, but a configuration against itself is as far from 1"
    )
    return (
        f"{table.interval_line(blocks)}. In parentheses: the pool's size, the best of "
        "those that had cores of their own, without --gil and --dispatch=connection; 'ahead' is the ratio to the next model, a tie where its interval "
        f"contains 1{noise if blocks < stats.ENOUGH_BLOCKS else ''}."
    )


def _usual(result: CellResult, model: str) -> list[Row]:
    """The configurations that stick to the usual: no textbook switches, cores of their own
    unless there are no others."""
    usual = [
        row for row in result.models
        if row.configuration.model == model
        and not row.configuration.gil and row.configuration.dispatch != "connection"
    ]  # fmt: skip
    return [row for row in usual if not row.void and not row.configuration.shares_cores] or usual


def _size(row: Row) -> str:
    return f"({row.configuration.workers})" if row.configuration.pooled else ""


def _ahead(standing: Standing, noise: float) -> str:
    """The model that is ahead of every other, and of the next by how much; or of which models
    that is not known: a tie where all the intervals contain 1."""
    if not standing.ahead:
        return words.NONE
    first = standing.first.configuration.model
    tied = {m: found for m, found in standing.ahead.items() if not found or verdict.is_tie(found, noise)}
    if tied:
        noisy = any(found and verdict.in_noise(found, noise) for found in tied.values())
        if len(tied) == len(standing.ahead):
            return IN_NOISE if noisy else "tie"
        models = words.listed([first, *tied])
        return f"{models} {IN_NOISE}" if noisy else f"tie of {models}"
    nearest, found = next(iter(standing.ahead.items()))
    text = words.ratio_text(found) if found else words.NONE
    return f"{first}, {text} × {nearest}"
