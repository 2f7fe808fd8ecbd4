# SPDX-License-Identifier: MIT
"""What plots are made of: rows as points with whiskers, over connections or a row each.

Void rows are not drawn: the table gives their reasons. Whiskers are the interval of the row's own
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
    """label: as in the table. model: decides the colour; size: the dashes."""

    label: str
    model: str
    size: int
    points: tuple[Point, ...]
    ceiling: float | None = None


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
    """Configurations with a value at two connection counts or more."""
    points: dict[str, list[Point]] = {}
    rows: dict[str, Row] = {}
    for result in sorted(results, key=lambda r: r.cell.connections):
        for row in result.rows:
            made = point(row, result.cell.connections, metric)
            if made and not row.configuration.again:
                points.setdefault(row.label, []).append(made)
                rows[row.label] = row
    return [
        Series(label, _model(rows[label]), rows[label].configuration.workers, tuple(made))
        for label, made in points.items()
        if len(made) > 1
    ]


def dots(result: CellResult, metric: Metric) -> list[Series]:
    """A row each, the best first, with its ceiling where throughput is shown."""
    found = []
    for row in result.rows:
        made = point(row, row.configuration.workers, metric)
        if made is None or row.configuration.again:
            continue
        ceiling = row.ceiling.rps if metric is THROUGHPUT else None
        found.append(
            Series(row.label, _model(row), row.configuration.workers, (made,), ceiling)
        )
    sign = -1.0 if metric is THROUGHPUT else 1.0
    return sorted(found, key=lambda s: (sign * s.points[0].median, s.label))


def _model(row: Row) -> str:
    return "floor" if row.configuration.floor else row.configuration.model
