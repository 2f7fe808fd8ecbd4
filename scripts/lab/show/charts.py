# SPDX-License-Identifier: MIT
"""The plots of a run, as SVG text: which there are, and what each shows.

The ratios that decide open a run and each workload (forest). A workload measured at several
connection counts gets lines over them; one under an open load latencies over that load; every cell whose rows are not all on those lines gets a
strip of dots, a row each.

The same data gives the same bytes. Text stays text, colours are CSS variables (theme).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ..ask.kinds import Kind
from ..judge import curves, words
from ..judge.analysis import CellResult
from ..judge.curves import Curve
from . import forest
from .series import CPU, METRICS, P99, THROUGHPUT, Series, by_workload, dots, lines


@dataclass(frozen=True)
class Chart:
    """name: of its file, without the ending. workload: in whose section it stands; the others open the
    page. about: what a reader who cannot see it is told."""

    name: str
    workload: str
    about: str
    svg: str


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "workload"


def _about(title: str, series: Sequence[Series]) -> str:
    parts = [f"{s.label} " + ", ".join(f"{p.median:,.4g}" for p in s.points) for s in series]
    return f"{title}: " + "; ".join(parts)


def _about_curves(title: str, found: Sequence[Curve]) -> str:
    parts = [
        f"{c.configuration.label} p99 "
        + ", ".join(f"{words.duration_text(p.latency_us('p99'))} at {p.rate:,.0f}/s" for p in c.points)
        for c in found
    ]
    return f"{title}: {'; '.join(parts)}"


def draw(results: Sequence[CellResult], conclusions: Mapping[str, Any]) -> list[Chart]:
    """Raises ImportError where matplotlib is not installed."""
    from . import draw_curves, draw_svg

    charts: list[Chart] = []
    names: set[str] = set()

    def add(name: str, workload: str, about: str, svg: str) -> None:
        at, unique = 1, name
        while unique in names:
            at, unique = at + 1, f"{name}-{at + 1}"
        names.add(unique)
        charts.append(Chart(unique, workload, about, svg))

    def add_forest(name: str, workload: str, title: str, panels: forest.Panels) -> None:
        if panels:
            said = [f"{line.name} {line.said}" for lines in panels.values() for line in lines]
            add(name, workload, f"{title}: {'; '.join(said)}", draw_svg.forest(panels, title))

    add_forest("ratios", "", "Which model is ahead, and by how much", forest.of_workloads(results))
    crossing = conclusions.get("crossover") or []
    if crossing:
        about = [
            f"{cell['cpu_share']:.0%} computing, {cell['connections']} connections: {draw_svg.map_text(cell)}"
            for cell in crossing
        ]
        add("crossover", "", f"Which model wins where: {'; '.join(about)}", draw_svg.crossover(crossing))
    for name, cells in by_workload(results).items():
        add_forest(f"{slug(name)}-ratios", name, f"{name}: the first ÷ each other", forest.of_configurations(cells))
        if cells[0].cell.workload.kind.counted:
            continue
        if cells[0].cell.workload.kind is Kind.OPEN:
            for found in filter(None, map(curves.of, cells)):
                title = f"{name}: latency against offered load"
                add(f"{slug(name)}-load", name, _about_curves(title, found), draw_curves.draw(found, title))
            continue
        on_lines = {s.label for s in lines(cells, THROUGHPUT)}
        for metric in METRICS if on_lines else ():
            series = lines(cells, metric)
            if any(s.points for s in series):
                title = f"{name}: {metric.axis} by connections"
                add(f"{slug(name)}-{metric.name}", name, _about(title, series),
                    draw_svg.over_connections(series, title))  # fmt: skip
        for result in cells:
            if {row.label for row in result.rows} <= on_lines:
                continue
            for metric in (CPU, THROUGHPUT, P99) if result.by_cpu else METRICS:
                series = dots(result, metric)
                if sum(bool(s.points) for s in series) > 1:
                    add(f"{slug(name)}-{result.cell.connections}-{metric.name}", name,
                        _about(f"{result.cell.name}: {metric.axis}", series),
                        draw_svg.strip(series, result.cell.name, metric.axis))  # fmt: skip
    return charts
