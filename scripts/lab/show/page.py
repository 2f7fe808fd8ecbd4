# SPDX-License-Identifier: MIT
"""report.html: a run as one page, for a phone or a desk, with nothing to fetch.

The same cells, columns, sentences and notes as on the terminal (table, columns), and beside
them the plots, every cell's ceilings and comparisons, and the environment. Its markup is
templates/page.html, which escapes all that it is given.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..judge import analysis, stats, verdict, words
from ..judge.analysis import CellResult
from ..judge.stats import Comparison
from . import charts, columns, overview, series, table, theme
from .charts import Chart
from .document import Run

_UNITS = {"µs": 1.0, "ms": 1e3, "s": 1e6, "KB": 1024.0, "MB": float(1 << 20), "%": 1.0, "": 1.0}
_FIGURE = re.compile(r"!?(-?[\d,]*\.?\d+(?:e[+-]?\d+)?) ?(µs|ms|s|KB|MB|%|)")
MOST_PAIRS = 200  # of comparisons listed in one cell


def render(run: Run, results: Sequence[CellResult], plots: Sequence[Chart], title: str,
           how: str, notes: Sequence[str] = ()) -> str:  # fmt: skip
    """The page. how: with what and on what it was made. notes: of the making of this page."""
    sections = [
        (f"w{at}-{charts.slug(name)}", name, sorted(cells, key=lambda r: r.cell.connections))
        for at, (name, cells) in enumerate(series.by_workload(results).items())
    ]
    return _TEMPLATES.get_template("page.html").render(
        run=run, results=results, sections=sections, plots=plots, title=title, how=how,
        overview=overview.rows(results), overview_line=overview.reading_line(table.blocks_begun(run.plan, results)),
        lines=[*table.common_lines(run.plan, results), *run.notes, *notes],
    )  # fmt: skip


def sort_value(text: str) -> float | None:
    """The figure in a table's cell in its smallest unit; None where there is none."""
    match = _FIGURE.fullmatch(text)
    return float(match[1].replace(",", "")) * _UNITS[match[2]] if match else None


def _marked(text: str) -> Markup:
    """The paragraph of table.md, whose only markup is code and bold."""
    marked = re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*(.+?)\*\*", r'<span class="warn">\1</span>', marked))


def _states(text: str) -> Markup:
    return Markup(re.sub(r"\b(PASS|FAIL|VOID)\b", r'<span class="\1">\1</span>', str(escape(text))))


def _inline(chart: Chart) -> Markup:
    """The plot as a part of the page. Its ids get its name: several in one page would be the same."""
    prefix = f"{charts.slug(chart.name)}--"
    svg = chart.svg.replace("xlink:href", "href")
    svg = re.sub(r'\sxmlns(?::\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}", svg)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(chart.about)}"', 1))


def _ceilings(result: CellResult) -> list[tuple[str, str, str, str]]:
    return [
        (
            row.label,
            row.ceiling.formula or words.NONE,
            words.NONE if row.share is None else words.percent(row.share),
            "void" if row.void else row.limiter or words.NONE,
        )
        for row in result.rows
        if row.ceiling.rps is not None or row.ceiling.formula
    ]


def _interval(found: Comparison | None) -> str:
    return f"{words.ratio_text(found)}, n = {found.n}, {found.state}" if found else words.NONE


def _pairs(result: CellResult) -> list[tuple[str, str, str]]:
    return [
        (
            f"{first.label} ÷ {second.label}",
            _interval(result.compare(first, second, analysis.RPS)),
            _interval(result.compare(first, second, analysis.CPU)),
        )
        for first, second in itertools.islice(analysis.matches(result), MOST_PAIRS)
    ]


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined,
    autoescape=True, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
)  # fmt: skip
_TEMPLATES.globals.update(columns=columns, table=table, said=verdict.sentence, colours=theme.css(),
                          within=words.percent(stats.WITHIN), colour=theme.of_model)  # fmt: skip
_TEMPLATES.filters.update(marked=_marked, states=_states, inline=_inline, sort_value=sort_value,
                          ceilings=_ceilings, pairs=_pairs)  # fmt: skip
