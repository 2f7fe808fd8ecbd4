# SPDX-License-Identifier: MIT
"""What plots are made of: rows as points with whiskers, over connections or a row each.

What cannot be drawn is said: of void rows the table gives the reasons. Whiskers are the interval of the row's own
median (stats.median_interval); which of two rows is faster is judged by the ratios in the table,
not by whether these overlap.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Callable, Iterable, Sequence

from ..measure.sample import Sample
from ..judge import stats
from ..judge.analysis import CellResult, Row

Value = Callable[[Sample], float | None]


@dataclass(frozen=True)
class Point:
    """Of one row: the median over its valid blocks and the interval of that median."""

    at: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """label: as in the table. model: decides the colour; size: the dashes. missing: which points, and
    why. ceiling: of the one point that there is."""

    label: str
    model: str
    size: int
    points: tuple[Point, ...]
    missing: str
    ceiling: float | None


@dataclass(frozen=True)
class Metric:
    name: str
    axis: str
    value: Value
    scale: float = 1.0


def _percentile(name: str) -> Value:
    return lambda s: s.load.percentiles_us[name] if s.load else None


THROUGHPUT = Metric("throughput", "requests/s", lambda s: s.rps)
P50 = Metric("p50", "p50 latency, ms", _percentile("p50"), 1e-3)
P99 = Metric("p99", "p99 latency, ms", _percentile("p99"), 1e-3)
CPU = Metric("cpu", "server CPU µs/request", lambda s: s.cpu_us)
METRICS = (THROUGHPUT, P50, P99)


def point(row: Row, at: float, metric: Metric) -> Point | None:
    """None for a void row, and where a block had too few samples for this percentile."""
    if row.void:
        return None
    values = [metric.value(sample) for sample in row.valid]
    known = [value * metric.scale for value in values if value is not None]
    if not known or len(known) < len(values) or min(known) <= 0:
        return None
    low, high = stats.median_interval(known)
    return Point(at, statistics.median(known), low, high)


def by_workload(results: Iterable[CellResult]) -> dict[str, list[CellResult]]:
    found: dict[str, list[CellResult]] = {}
    for result in results:
        found.setdefault(result.cell.workload.name, []).append(result)
    return found


def lines(results: Sequence[CellResult], metric: Metric) -> list[Series]:
    """Configurations measured at two connection counts or more."""
    rows: dict[str, list[tuple[int, Row]]] = {}
    for result in sorted(results, key=lambda r: r.cell.connections):
        for row in result.rows:
            rows.setdefault(row.label, []).append((result.cell.connections, row))
    return [_series(each, metric) for each in rows.values() if len(each) > 1]


def dots(result: CellResult, metric: Metric) -> list[Series]:
    """A row each, in the order of the table, with its ceiling where throughput is shown."""
    return [_series([(result.cell.connections, row)], metric) for row in result.rows]


def _series(rows: Sequence[tuple[int, Row]], metric: Metric) -> Series:
    """One configuration, by connections."""
    points, missing = [], []
    for connections, row in rows:
        made = point(row, connections, metric)
        if made:
            points.append(made)
        else:
            why = "void" if row.void else "too few samples"
            missing.append(f"{why} at {connections:,}")
    row = rows[0][1]
    ceiling = row.ceiling.rps if metric is THROUGHPUT else None
    return Series(row.label, row.configuration.model, row.configuration.workers, tuple(points),
                  ", ".join(missing), ceiling)  # fmt: skip
