# SPDX-License-Identifier: MIT
"""The plots of a run, as SVG text: which there are, and what each shows.

A workload measured at several connection counts gets lines over them; every cell whose rows
are not all on those lines gets a strip of dots, a row each.

The same data gives the same bytes. Text stays text, colours are CSS variables (theme).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from ..judge import words
from ..judge.analysis import CellResult
from .series import CPU, METRICS, P99, THROUGHPUT, Series, by_workload, dots, lines



@dataclass(frozen=True)
class Chart:
    """name: of its file, without the ending. about: what a reader who cannot see it is told."""

    name: str
    workload: str
    title: str
    about: str
    svg: str


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "workload"


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
        if cells[0].cell.workload.kind.counted:
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
            limited = result.by_cpu
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
        + (cell["winner"] or ("tie of " + words.listed(cell["tied"]) if cell["tied"] else "void"))
        for cell in cells
    ]
