# SPDX-License-Identifier: MIT
"""Drawing with matplotlib: series and cells in, SVG text out.

A figure is about as wide as a phone, so that its text can be read there without zooming; a
page on a wider screen puts several side by side. Nothing random and no date goes into a file.
"""

from __future__ import annotations

import io
import re
from typing import Any, Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from . import theme
from .series import Series

WIDTH_IN, HEIGHT_IN = 4.4, 2.9
ROW_IN = 0.23  # of a strip
LEGEND_IN = 0.19  # a line of it
LOG_FROM = 20.0  # values that differ by so many times get a logarithmic axis
DASHES = {4: (1.0, 1.2), 16: (3.0, 1.5), 256: (7.0, 2.0)}  # by pool size; else solid
MARKERS = {"prefork": "s", "threads": "^", "coro": "o", "floor": "x"}

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lab",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": theme.placeholder("ink"),
    "axes.labelcolor": theme.placeholder("muted"),
    "axes.edgecolor": theme.placeholder("line"),
    "axes.facecolor": theme.placeholder("paper"),
    "figure.facecolor": theme.placeholder("paper"),
    "xtick.color": theme.placeholder("line"),
    "ytick.color": theme.placeholder("line"),
    "xtick.labelcolor": theme.placeholder("muted"),
    "ytick.labelcolor": theme.placeholder("muted"),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": theme.placeholder("line"),
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "text.parse_math": False,
}


def number(value: float, _position: int = 0) -> str:
    """Short enough for an axis: 12k, 3.2k, 0.5."""
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


def _finish(figure: Figure) -> str:
    out = io.StringIO()
    empty = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(out, format="svg", metadata=empty)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', system-ui")
    svg = re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)
    return theme.with_variables(svg)


def _wide_apart(values: Sequence[float]) -> bool:
    return max(values) / min(values) >= LOG_FROM


def _value_axis(axis: Any, values: Sequence[float]) -> None:
    """Logarithmic where that is needed, else from zero, so that lengths can be compared."""
    axis.set_major_formatter(FuncFormatter(number))
    axis.set_minor_formatter(NullFormatter())
    if axis.get_scale() == "log":
        return
    axis.axes.set(**{f"{axis.axis_name}lim": (0.0, max(values) * 1.08)})


def over_connections(series: Sequence[Series], title: str) -> str:
    with matplotlib.rc_context(_SETTINGS):
        below_in = LEGEND_IN * ((len(series) + 1) // 2)
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN + below_in), layout="constrained")
        axes, below = figure.subplots(2, 1, height_ratios=[HEIGHT_IN, below_in])
        ends = [end for s in series for p in s.points for end in (p.low, p.high)]
        axes.set_xscale("log", base=2)
        axes.set_yscale("log" if _wide_apart(ends) else "linear")
        for one in series:
            colour = theme.placeholder(theme.of_model(one.model))
            medians = [p.median for p in one.points]
            whiskers = [
                [p.median - p.low for p in one.points],
                [p.high - p.median for p in one.points],
            ]
            (line, *_rest) = axes.errorbar(
                [p.at for p in one.points], medians, yerr=whiskers, label=one.label,
                color=colour, marker=MARKERS.get(one.model, "D"), markersize=3.5,
                linewidth=1.4, elinewidth=0.9, capsize=2,
            )  # fmt: skip
            if one.size in DASHES:
                line.set_dashes(DASHES[one.size])
        places = sorted({p.at for s in series for p in s.points})
        axes.set_xticks(places, [f"{place:.0f}" for place in places])
        axes.xaxis.set_minor_locator(NullLocator())
        _value_axis(axes.yaxis, ends)
        axes.set_xlabel("connections")
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
        below.axis("off")
        below.legend(*axes.get_legend_handles_labels(), loc="upper left", ncols=2, fontsize=8,
                     handlelength=2.6, borderaxespad=0.0)  # fmt: skip
        return _finish(figure)


def strip(series: Sequence[Series], title: str) -> str:
    """A row each, the first on top; a bar mark is the ceiling."""
    with matplotlib.rc_context(_SETTINGS):
        height = 0.65 + ROW_IN * len(series)
        figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
        axes = figure.add_subplot()
        values = [end for s in series for p in s.points for end in (p.low, p.high)]
        reach = max(values)
        ceilings = [s.ceiling for s in series if s.ceiling and s.ceiling <= reach * 2]
        axes.set_xscale("log" if _wide_apart(values) else "linear")
        for at, one in enumerate(series):
            (point,) = one.points
            colour = theme.placeholder(theme.of_model(one.model))
            axes.errorbar(
                [point.median], [at],
                xerr=[[point.median - point.low], [point.high - point.median]],
                color=colour, marker=MARKERS.get(one.model, "D"), markersize=5,
                elinewidth=1.4, capsize=2.5,
            )  # fmt: skip
            if one.ceiling in ceilings:
                axes.plot([one.ceiling], [at], marker="|", markersize=11, markeredgewidth=1.6,
                          color=theme.placeholder("muted"))  # fmt: skip
        axes.set_yticks(range(len(series)), [s.label for s in series])
        axes.tick_params(axis="y", length=0, labelcolor=theme.placeholder("ink"))
        axes.set_ylim(len(series) - 0.5, -0.5)
        axes.spines["left"].set_visible(False)
        _value_axis(axes.xaxis, [*values, *(c for c in ceilings if c)])
        title += " ( | is the ceiling)" if ceilings else ""
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
        return _finish(figure)


def crossover(cells: Sequence[Mapping[str, Any]]) -> str:
    """A map: computing share upwards, connections to the right, the winner in its colour."""
    shares = sorted({cell["cpu_share"] for cell in cells})
    counts = sorted({cell["connections"] for cell in cells})
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(WIDTH_IN, 1.0 + 0.5 * len(shares)), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(False)
        for cell in cells:
            x, y = counts.index(cell["connections"]), shares.index(cell["cpu_share"])
            winner, words = cell["winner"], _map_text(cell)
            colour = theme.placeholder(theme.of_model(winner) if winner else "panel")
            axes.bar(x, 0.94, 0.94, y - 0.47, color=colour, alpha=0.3 if winner else 1.0,
                     linewidth=0)  # fmt: skip
            if winner:
                axes.bar(x - 0.445, 0.94, 0.05, y - 0.47, color=colour, linewidth=0)
            axes.text(x, y, words, ha="center", va="center", fontsize=7, linespacing=1.3)
        axes.set_xticks(range(len(counts)), [str(count) for count in counts])
        axes.set_yticks(range(len(shares)), [f"{share:.0%}" for share in shares])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set(xlim=(-0.5, len(counts) - 0.5), ylim=(-0.5, len(shares) - 0.5))
        axes.set_xlabel("connections")
        axes.set_ylabel("computing share")
        figure.suptitle("Which model wins, and by how much", x=0.01, ha="left", fontsize=9)
        return _finish(figure)


def _map_text(cell: Mapping[str, Any]) -> str:
    """The winner, and by how much it is ahead of the next; or all that tie."""
    entries = cell["models"]
    if cell["winner"]:
        aheads = [e["winner_ahead"]["ratio"] for e in entries.values() if e and e["winner_ahead"]]
        by = f"\n{min(aheads):.2f} ×" if aheads else ""
        return f"{entries[cell['winner']]['configuration']}{by}"
    if cell["tied"]:
        if len(cell["tied"]) == len(entries):
            return "all tie"
        return "tie\n" + ", ".join(cell["tied"])
    return "void"
