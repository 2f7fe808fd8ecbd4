# SPDX-License-Identifier: MIT
"""The plots of a run, as SVG text: which there are, and what each shows.

A workload measured at several connection counts gets lines over them; every cell whose rows
are not all on those lines gets a strip of dots, a row each. Void rows are not drawn: the table
gives their reasons. Whiskers are the interval of the row's own median (stats.median_interval);
which of two rows is faster is judged by the ratios in the table, not by whether these overlap.

The same data gives the same bytes. Text stays text, colours are CSS variables (theme).
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Sequence

from ..ask import workloads as work
from ..measure.sample import Sample
from ..judge import stats, verdict
from ..judge.analysis import CellResult, Row

DRAWN_KINDS = (work.LOAD, work.PARKED, work.BESIDE)
Value = Callable[[Sample], float | None]


@dataclass(frozen=True)
class Chart:
    """name: of its file, without the ending. about: what a reader who cannot see it is told."""

    name: str
    workload: str
    title: str
    about: str
    svg: str


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


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "workload"


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


def _about(title: str, series: Sequence[Series], axis: str) -> str:
    parts = [
        f"{s.label} " + ", ".join(f"{p.median:,.4g}" for p in s.points) for s in series
    ]
    return f"{title} ({axis}): " + "; ".join(parts)


def draw(results: Sequence[CellResult], conclusions: Mapping[str, Any]) -> list[Chart]:
    """Raises ImportError where matplotlib is not installed."""
    from . import draw_svg

    charts: list[Chart] = []
    names: set[str] = set()

    def add(name: str, workload: str, title: str, about: str, svg: str) -> None:
        at, unique = 1, name
        while unique in names:
            at, unique = at + 1, f"{name}-{at + 1}"
        names.add(unique)
        charts.append(Chart(unique, workload, title, about, svg))

    crossing = conclusions.get("crossover") or []
    if crossing:
        title = "Which model wins where"
        add("crossover", "", title, f"{title}: " + "; ".join(_map_words(crossing)),
            draw_svg.crossover(crossing))  # fmt: skip
    for name, cells in by_workload(results).items():
        if cells[0].cell.workload.kind not in DRAWN_KINDS:
            continue
        on_lines: set[str] = set()
        for metric in METRICS if len(cells) > 1 else ():
            series = lines(cells, metric)
            if not series:
                continue
            on_lines |= {s.label for s in series} if metric is THROUGHPUT else set()
            title = f"{name}: {metric.axis} by connections"
            add(f"{slug(name)}-{metric.name}", name, title, _about(title, series, metric.axis),
                draw_svg.over_connections(series, title))  # fmt: skip
        for result in cells:
            here = {row.label for row in result.models if not row.void}
            if len(cells) > 1 and here <= on_lines:
                continue
            limited = verdict.by_cpu(result)
            for metric in (CPU, THROUGHPUT, P99) if limited else METRICS:
                series = dots(result, metric)
                if len(series) < 2:
                    continue
                title = f"{result.cell.name}: {metric.axis}"
                add(f"{slug(name)}-{result.cell.connections}-{metric.name}", name, title,
                    _about(title, series, metric.axis),
                    draw_svg.strip(series, title))  # fmt: skip
    return charts


def _map_words(cells: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        f"{cell['cpu_share']:.0%} computing, {cell['connections']} connections: "
        + (cell["winner"] or ("tie of " + verdict.listed(cell["tied"]) if cell["tied"] else "void"))
        for cell in cells
    ]
