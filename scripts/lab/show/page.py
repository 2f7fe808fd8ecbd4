# SPDX-License-Identifier: MIT
"""report.html: a run as one page, for a phone or a desk, with nothing to fetch.

The same cells, columns, sentences and notes as on the terminal (table, columns), and beside
them the plots, every cell's ceilings and comparisons, and the environment. Everything that
comes from the run passes _text(); only plots, which charts has made, go in as markup.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from pathlib import Path
from typing import Any, Iterable, Sequence

from ..judge import analysis, stats, words
from ..judge.analysis import CellResult, Row
from ..judge.stats import Comparison
from . import charts, columns, overview, series, table, theme
from .charts import Chart
from .columns import VOID_MARK, Column
from .document import Run

_UNITS = {"µs": 1.0, "ms": 1e3, "s": 1e6, "KB": 1024.0, "MB": float(1 << 20), "%": 1.0, "": 1.0}
_FIGURE = re.compile(r"!?(-?[\d,]*\.?\d+(?:e[+-]?\d+)?) ?(µs|ms|s|KB|MB|%|)")
_STATE = re.compile(r"\b(PASS|FAIL|VOID)\b")
MOST_VERDICTS = 8  # that are shown without being asked for
MOST_PAIRS = 200  # of comparisons listed in one cell


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text()


def sort_value(text: str) -> float | None:
    """The figure in a table's cell in its smallest unit; None where there is none."""
    match = _FIGURE.fullmatch(text)
    return float(match[1].replace(",", "")) * _UNITS[match[2]] if match else None


def render(run: Run, results: Sequence[CellResult], plots: Sequence[Chart], title: str,
           how: str, notes: Sequence[str] = ()) -> str:  # fmt: skip
    """The page. how: with what and on what it was made. notes: of the making of this page."""
    groups = series.by_workload(results)
    anchors = _anchors(groups)
    said = dict(zip(map(id, results), table.sentences(results)))
    out = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{_text(title)}</title>",
        f"<style>\n{theme.css()}{_template('page.css')}</style></head><body>",
        f"<header><h1>{_text(title)}</h1>",
        f'<p class="how">{_how(how)}</p>',
        _nav(anchors),
        "</header><main>",
        *_summary(run, results, said, plots),
    ]
    for name, cells in groups.items():
        out += _workload(name, anchors[name], cells, plots, said)
    out += _reading(run, results, notes)
    out += _environment(run)
    out += [
        "</main><footer>Made from run.json by scripts/report; that file holds every sample, "
        "gate and command line.</footer>",
        f"<script>\n{_template('sort.js')}</script></body></html>",
    ]
    return "\n".join(out) + "\n"


def _anchors(names: Iterable[str]) -> dict[str, str]:
    return {name: f"w{at}-{charts.slug(name)}" for at, name in enumerate(names)}


def _how(text: str) -> str:
    """The paragraph of table.md, whose only markup is code and bold."""
    marked = re.sub(r"`([^`]*)`", r"<code>\1</code>", _text(text))
    return re.sub(r"\*\*(.+?)\*\*", r'<span class="warn">\1</span>', marked)


def _nav(anchors: dict[str, str]) -> str:
    links = [("short", "In short"), *((a, n) for n, a in anchors.items()),
             ("reading", "How to read it"), ("environment", "Environment")]  # fmt: skip
    return "<nav>" + "".join(f'<a href="#{a}">{_text(n)}</a>' for a, n in links) + "</nav>"


def _figure(chart: Chart, wide: bool = False) -> str:
    """The plot inline. Its ids get its name: several in one page would be the same."""
    prefix = f"{charts.slug(chart.name)}--"
    svg = chart.svg.replace("xlink:href", "href")
    svg = re.sub(r'\sxmlns(?::\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}", svg)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{_text(chart.about)}"', 1)
    kind = ' class="wide"' if wide else ""
    return f"<figure{kind}>{svg}</figure>"


def _summary(run: Run, results: Sequence[CellResult], said: dict[int, str],
             plots: Sequence[Chart]) -> list[str]:  # fmt: skip
    out = ['<section id="short"><h2>In short</h2>']
    if not run.complete:
        out.append(f'<p class="warn">Incomplete: stopped by {_text(run.stopped_by or "an error")}.</p>')
    out += [_figure(chart, wide=True) for chart in plots if not chart.workload]
    if run.conclusion_lines:
        lines = _STATE.sub(r'<span class="\1">\1</span>', _text("\n".join(run.conclusion_lines)))
        out.append(f"<pre>{lines}</pre>")
    out += _overview(run, results)
    verdicts = ['<ul class="verdicts">',
                *(f"<li>{_sentence(said[id(result)])}</li>" for result in results), "</ul>"]  # fmt: skip
    if len(results) > MOST_VERDICTS:
        summary = f"<details><summary>All {len(results)} verdicts</summary>"
        verdicts = [summary, *verdicts, "</details>"]
    return [*out, *verdicts, "</section>"]


def _overview(run: Run, results: Sequence[CellResult]) -> list[str]:
    """On a phone the second and third column are a line below the first: see page.css."""
    head, *rows = overview.rows(results)
    out = ['<div class="scroll" tabindex="0"><table class="short"><thead><tr>',
           *(f'<th scope="col">{_text(name)}</th>' for name in head), "</tr></thead><tbody>"]  # fmt: skip
    for name, connections, figure, *values in rows:
        cells = "".join(f"<td>{_text(value)}</td>" for value in (connections, figure, *values))
        below = f"<small>{_text(f'{connections}: {figure}')}</small>"
        out.append(f'<tr><th scope="row">{_text(name)}{below}</th>{cells}</tr>')
    line = overview.reading_line(run.plan.blocks)
    return [*out, f'</tbody></table></div><p class="hint">{_text(line)}</p>']


def _sentence(text: str) -> str:
    """A verdict, with what it is about in bold."""
    place, colon, rest = text.partition(": ")
    return f"<b>{_text(place)}</b>{colon}{_text(rest)}"


def _workload(name: str, anchor: str, cells: Sequence[CellResult], plots: Sequence[Chart],
              said: dict[int, str]) -> list[str]:  # fmt: skip
    workload = cells[0].cell.workload
    out = [
        f'<section id="{anchor}"><h2>{_text(name)}</h2>',
        f'<p class="shape"><code>{_text(workload.method)} {_text(workload.target)}</code>, '
        f"{_text(workload.shape)}</p>",
    ]
    mine = [chart for chart in plots if chart.workload == name]
    if mine:
        out += ['<div class="plots">', *map(_figure, mine), "</div>"]
    for result in sorted(cells, key=lambda r: r.cell.connections):
        count = result.cell.connections
        out.append(f"<h3>{count:,} connection{'s' if count != 1 else ''}</h3>")
        out += _table(result)
        out += [f'<p class="verdict">{_sentence(said[id(result)])}</p>']
        out += _footnotes(result)
        out += _ceilings(result) + _comparisons(result)
    return [*out, "</section>"]


def _table(result: CellResult) -> list[str]:
    chosen = columns.columns(result)
    heads = "".join(
        f'<th scope="col" title="{_text(c.meaning)}">{_text(c.name)}</th>' for c in chosen
    )
    out = ['<div class="scroll" tabindex="0"><table class="sort"><thead><tr>'
           f'<th scope="col">{table.NAME}</th>{heads}</tr></thead><tbody>']  # fmt: skip
    out += [_row(row, chosen) for row in result.rows]
    return [*out, "</tbody></table></div>"]


def _row(row: Row, chosen: tuple[Column, ...]) -> str:
    name, *values = columns.row_cells(row, chosen)
    model = "floor" if row.configuration.floor else row.configuration.model
    key = f'<span class="key" style="background:var(--{theme.of_model(model)})"></span>'
    cells = []
    for value in values:
        figure = sort_value(value)
        data = f' data-v="{figure:.10g}"' if figure is not None else ""
        cells.append(f"<td{data}>{_text(value)}</td>")
    kind = ' class="void"' if row.void else ""
    return f'<tr{kind}><th scope="row">{key}{_text(name)}</th>{"".join(cells)}</tr>'


def _footnotes(result: CellResult) -> list[str]:
    notes = table.footnotes(result)
    if not notes:
        return []
    items = [
        f'<li{" class=reason" if note.startswith(VOID_MARK) else ""}>{_text(note)}</li>'
        for note in notes
    ]
    return ['<ul class="notes">', *items, "</ul>"]


def _ceilings(result: CellResult) -> list[str]:
    rows = []
    for row in result.rows:
        if row.ceiling.rps is None and not row.ceiling.formula:
            continue
        share = words.NONE if row.share is None else words.percent(row.share)
        limit = "void" if row.void else row.limiter or words.NONE
        values = (row.label, row.ceiling.formula or words.NONE, share, limit)
        rows.append("<tr><th scope=row>{}</th><td class=word>{}</td><td>{}</td><td>{}</td></tr>"
                    .format(*map(_text, values)))  # fmt: skip
    heads = "<th>configuration</th><th>ceiling</th><th>reached</th><th>limited by</th>"
    return _folded("Ceilings and limiters", heads, rows)


def _interval(found: Comparison | None) -> str:
    if found is None:
        return words.NONE
    return f"{words.ratio_text(found)}, n = {found.n}, {found.state}"


def _comparisons(result: CellResult) -> list[str]:
    rows = []
    pairs = itertools.combinations([row for row in result.rows if not row.void], 2)
    for first, second in itertools.islice(pairs, MOST_PAIRS):
        values = (
            f"{first.label} ÷ {second.label}",
            _interval(result.compare(first, second, analysis.RPS)),
            _interval(result.compare(first, second, analysis.CPU)),
        )
        rows.append("<tr><th scope=row>{}</th><td>{}</td><td>{}</td></tr>"
                    .format(*map(_text, values)))  # fmt: skip
    heads = "<th>pair</th><th>requests/s</th><th>CPU per request</th>"
    return _folded("Every pair, with its interval", heads, rows)


def _folded(summary: str, heads: str, rows: Sequence[str]) -> list[str]:
    if not rows:
        return []
    return [
        f"<details><summary>{summary}</summary>",
        f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>',
        *rows, "</tbody></table></div></details>",
    ]  # fmt: skip


def _reading(run: Run, results: Sequence[CellResult], notes: Sequence[str]) -> list[str]:
    entries = [(column.name, column.meaning) for column in table.legend(results)]
    entries += [
        (VOID_MARK, "before a figure: the row is void, at least half of its blocks cannot be "
                    "believed; the reasons stand below its table, and nothing is compared with it"),
        (columns.SHARED_MARK, "after a name: its server shares cores with the load generator"),
        ("again", "the same configuration a second time, under another label: the ratio of the "
                  "two is the noise floor, what the procedure cannot tell apart"),
        ("equal", f"the whole interval of a ratio is within ±{words.percent(stats.WITHIN)} of 1"),
        ("undecided", "neither equal nor different: the interval contains 1 and more, or the ratio is "
                      "no farther from 1 than a configuration that ran twice was from itself"),
        ("whiskers", "in plots: the interval of that row's own median over the blocks. Rows are "
                     "compared by ratios within blocks, so whiskers that overlap do not make them equal"),
    ]  # fmt: skip
    out = ['<section id="reading"><h2>How to read it</h2>',
           '<p class="hint">Tables scroll sideways where the screen is narrow; a tap on a '
           "column's name sorts by it.</p><dl>"]  # fmt: skip
    out += [f"<dt>{_text(name)}</dt><dd>{_text(meaning)}</dd>" for name, meaning in entries]
    out.append('</dl><ul class="notes">')
    lines = [*table.common_lines(run.plan, results), *run.notes, *notes]
    return [*out, *(f"<li>{_text(line)}</li>" for line in lines), "</ul></section>"]


def _environment(run: Run) -> list[str]:
    out = ['<section id="environment"><h2>Environment</h2><dl>']
    for name, value in run.environment.items():
        out.append(f"<dt>{_text(name.replace('_', ' '))}</dt><dd>{_value(value)}</dd>")
    plan = run.plan
    for name, value in (("command", run.command), ("started", run.started),
                        ("seed", plan.seed), ("blocks", plan.blocks),
                        ("seconds of load", plan.duration_s)):  # fmt: skip
        out.append(f"<dt>{name}</dt><dd>{_value(value)}</dd>")
    return [*out, "</dl></section>"]


def _value(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, dict):
        return "<br>".join(f"{_text(k)}: {_value(v)}" for k, v in value.items()) or "none"
    if isinstance(value, (list, tuple, bool)):
        return _text(json.dumps(value))
    return _text(value)
