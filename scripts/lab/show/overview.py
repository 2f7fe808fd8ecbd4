# SPDX-License-Identifier: MIT
"""A run in one table: a row for each workload, a column for each model.

Each model enters with the best of its usual configurations; in what it is compared follows from
the workload. It opens report.html and is what README.md shows.
"""

from __future__ import annotations

import statistics
from typing import Sequence

from ..ask import workloads as work
from ..ask.plan import MODELS
from ..ask.workloads import WORKLOADS
from ..judge import analysis, stats, verdict, words
from ..judge.analysis import CellResult, Metric, Row
from . import columns, series, table

NO_WINNER = {work.PARKED, work.BESIDE, work.CRASH, work.DRAIN}
CONNECTIONS = "connections"
IN_NOISE = "within the noise"


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
        name, value, metric, sign = _figure(result)
        bests = {model: _best(result, model, metric, sign) for model in MODELS}
        cells = [f"{value(row)} {_size(row)}".strip() if row else "void or not run"
                 for row in bests.values()]  # fmt: skip
        ahead = words.NONE
        if result.cell.workload.kind not in NO_WINNER:
            alive = [row for row in bests.values() if row]
            ahead = _ahead(alive, metric, sign, noise[verdict.by_cpu(result)])
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


def _figure(result: CellResult) -> tuple[str, columns.Text, Metric, int]:
    """What is shown of a cell: its name, its text, what it is compared by, +1: more is better."""
    kind = result.cell.workload.kind
    if kind == work.PARKED:
        return ("bytes an idle connection", columns.EACH.text,
                lambda s: s.extras.get("bytes_a_connection", 0.0), -1)  # fmt: skip
    if kind in work.COUNTED:
        return "requests lost", columns.LOST.text, lambda s: s.extras.get("lost", 0.0), -1
    if kind == work.BESIDE:
        return "p99", columns.P99.text, analysis.p99_us, -1
    if verdict.by_cpu(result):
        return "CPU µs/request", columns.CPU.text, analysis.cpu_us, -1
    return "requests/s", columns.RPS.text, analysis.rps, 1


def _best(result: CellResult, model: str, metric: Metric, sign: int) -> Row | None:
    """Of the configurations that stick to the usual: no textbook switches, cores of their own
    unless there are no others."""
    usual = [
        row for row in result.models
        if row.configuration.model == model and not row.void
        and not row.configuration.gil and row.configuration.dispatch != "connection"
    ]  # fmt: skip
    own = [row for row in usual if not row.configuration.shares_cores] or usual

    return max(own, key=lambda row: sign * _median(row, metric)) if own else None


def _median(row: Row, metric: Metric) -> float:
    return statistics.median(metric(sample) for sample in row.valid)


def _size(row: Row) -> str:
    return f"({row.configuration.workers})" if row.configuration.pooled else ""


def _ahead(alive: Sequence[Row], metric: Metric, sign: int, noise: float) -> str:
    """The model that is ahead of every other, and of the next by how much; or of which models
    that is not known: a tie where all the intervals contain 1."""
    if len(alive) < 2:
        return words.NONE
    first, *others = sorted(alive, key=lambda row: -sign * _median(row, metric))
    ratios = [(row, analysis.ratio(first, row, metric)) for row in others]
    tied = [(row, found) for row, found in ratios if not found or verdict.is_tie(found, noise)]
    if tied:
        models = words.listed([row.configuration.model for row in (first, *(r for r, _ in tied))])
        noisy = any(found and verdict.in_noise(found, noise) for _, found in tied)
        if len(tied) == len(others):
            return IN_NOISE if noisy else "tie"
        return f"{models} {IN_NOISE}" if noisy else f"tie of {models}"
    nearest, found = ratios[0]
    text = words.ratio_text(found) if found else words.NONE
    return f"{first.configuration.model}, {text} × {nearest.configuration.model}"
