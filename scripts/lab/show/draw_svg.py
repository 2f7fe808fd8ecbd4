# SPDX-License-Identifier: MIT
"""Drawing with matplotlib: series and cells in, SVG text out.

A figure is about as wide as a phone, so that its text can be read there without zooming; a
page on a wider screen puts several side by side. Nothing random and no date goes into a file.
"""

from __future__ import annotations

import io
import re
import textwrap
from typing import Any, Iterable, Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from ..judge.stats import ENOUGH, WITHIN
from . import theme
from .forest import Line, Panels
from .series import Series

WIDTH_IN, HEIGHT_IN = 3.9, 2.2
ROW_IN = 0.22  # a line of names, or of the title
BELOW_IN = 0.45  # for an axis and what it is called
LETTER_IN = 0.072  # of a name, more or less: what shows the file has a font of its own
FEW = 10  # blocks: as many are drawn, each as a mark
SAID_WIDTH, SAID_IN = 24, 1.4  # of what stands beside a ratio: letters, inches
PLOT_IN = 1.2  # of ratios, at least
LOG_FROM = 20.0  # values that differ by so many times get a logarithmic axis
DASHES = {4: (1.0, 1.2), 16: (3.0, 1.5), 256: (7.0, 2.0)}  # by pool size, marks hollow; else solid
MARKERS = {"prefork": "s", "threads": "^", "coro": "o", "floor": "x"}

matplotlib.rcParams.update({
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
    "legend.borderaxespad": 0.2,
    "text.parse_math": False,
})  # fmt: skip


def number(value: float, _position: int = 0) -> str:
    """Short enough for an axis: 12k, 3.2k, 0.5."""
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


def titled(title: str, height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """height_in: of what is below the title."""
    lines = textwrap.wrap(title, int(width_in / LETTER_IN))
    figure = Figure(figsize=(width_in, height_in + ROW_IN * (len(lines) + 0.5)))
    figure.text(0.02, 1 - 0.08 / figure.get_figheight(), "\n".join(lines), va="top", fontsize=9)
    return figure


def placed(figure: Figure, bottom_in: float, height_in: float, left_in: float, right_in: float = 0.15) -> Any:
    """A plot between these margins. All is placed by hand, since a layout worked out takes twice the time."""
    width, height = figure.get_size_inches()
    return figure.add_axes(
        (left_in / width, bottom_in / height, 1 - (left_in + right_in) / width, height_in / height)
    )


def _names_in(names: Iterable[str]) -> float:
    """The margin that they take."""
    return 0.15 + LETTER_IN * max(map(len, names))


def _rows(axes: Any, names: Sequence[str]) -> None:
    """Names to the left, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0, labelcolor=theme.placeholder("ink"))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)


def _beside(axes: Any, x: float, at: int, text: str, **how: Any) -> None:
    """Text in a row; x: a share of the plot's width."""
    axes.text(x, at, text, transform=axes.get_yaxis_transform(), va="center", **how)


def as_svg(figure: Figure) -> str:
    out = io.StringIO()
    empty = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(out, format="svg", metadata=empty)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', system-ui")
    svg = re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)
    return theme.with_variables(svg)


def value_axis(axis: Any, values: Sequence[float]) -> None:
    """Logarithmic where that is needed, else from zero, so that lengths can be compared."""
    if max(values) / min(values) >= LOG_FROM:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1, 3)))
    else:
        axis.axes.set(**{f"{axis.axis_name}lim": (0.0, max(values) * 1.08)})
    axis.set_major_formatter(FuncFormatter(number))
    axis.set_minor_formatter(NullFormatter())


def dashed(line: Any, size: int) -> None:
    """By the size of a pool."""
    if size in DASHES:
        line.set(dashes=DASHES[size], markerfacecolor=theme.placeholder("paper"))


def over_connections(series: Sequence[Series], title: str) -> str:
    labels = [f"{one.label}, {one.missing}" if one.missing else one.label for one in series]
    columns = 1 if _names_in(labels) > WIDTH_IN / 3 else 2
    below_in = BELOW_IN + 0.18 * -(-len(labels) // columns)
    figure = titled(title, HEIGHT_IN + below_in)
    axes = placed(figure, below_in, HEIGHT_IN, 0.5)
    ends = [end for s in series for p in s.points for end in (p.low, p.high)]
    axes.set_xscale("log", base=2)
    for label, one in zip(labels, series):
        colour = theme.placeholder(theme.of_model(one.model))
        medians = [p.median for p in one.points]
        whiskers = [
            [p.median - p.low for p in one.points],
            [p.high - p.median for p in one.points],
        ]
        (line, *_rest) = axes.errorbar(
            [p.at for p in one.points], medians, yerr=whiskers,
            label=label, color=colour, marker=MARKERS.get(one.model, "D"), markersize=3.5, linewidth=1.4,
            elinewidth=0.9, capsize=2,
        )  # fmt: skip
        dashed(line, one.size)
    places = sorted({p.at for s in series for p in s.points})
    axes.set_xticks(places, [f"{place:.0f}" for place in places])
    axes.xaxis.set_minor_locator(NullLocator())
    value_axis(axes.yaxis, ends)
    axes.set_xlabel("connections")
    figure.legend(loc="lower left", ncols=columns, fontsize=8, handlelength=4.0)
    return as_svg(figure)


def strip(series: Sequence[Series], title: str, axis: str) -> str:
    """A row each, the first on top; a bar mark is the ceiling."""
    values = [end for s in series for p in s.points for end in (p.low, p.high)]
    reach = max(values)
    ceilings = [s.ceiling for s in series if s.ceiling and s.ceiling <= reach * 2]
    height_in = ROW_IN * len(series)
    figure = titled(title, height_in + BELOW_IN)
    axes = placed(figure, BELOW_IN, height_in, _names_in(s.label for s in series))
    for at, one in enumerate(series):
        if one.missing:
            _beside(axes, 0.01, at, one.missing, color=theme.placeholder("muted"))
            continue
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
    _rows(axes, [s.label for s in series])
    value_axis(axes.xaxis, [*values, *(c for c in ceilings if c)])
    axes.set_xlabel(f"{axis} ( | is the ceiling)" if ceilings else axis)
    return as_svg(figure)


def forest(panels: Panels, title: str) -> str:
    """A line each, the first on top: ratios with their intervals, marks filled where one is ahead."""
    every = [line for lines in panels.values() for line in lines]
    said = {line.said: textwrap.fill(line.said, SAID_WIDTH) for line in every}
    row_in = max(ROW_IN, 0.08 + 0.13 * max(text.count("\n") + 1 for text in said.values()))
    left_in = _names_in(line.name for line in every if not line.heading)
    bottom_in = row_in * len(every) + BELOW_IN * len(panels) + ROW_IN
    several = any(len(line.ratios) > 1 for line in every)
    width_in = max(WIDTH_IN, left_in + PLOT_IN + SAID_IN)  # shown as wide as the others
    figure = titled(title, bottom_in + ROW_IN * several, width_in)
    for compared, lines in panels.items():
        bottom_in -= row_in * len(lines)
        axes = placed(figure, bottom_in, row_in * len(lines), left_in, SAID_IN)
        bottom_in -= BELOW_IN
        for at, line in enumerate(lines):
            _line(axes, at, line)
            colour = theme.of_model(line.ahead) if line.ahead else "ink"
            _beside(axes, 1.03, at, said[line.said], fontsize=7.5, color=theme.placeholder(colour))
        axes.axvspan(1 / (1 + WITHIN), 1 + WITHIN, color=theme.placeholder("line"), linewidth=0)
        axes.axvline(1, color=theme.placeholder("muted"), linewidth=0.8)
        _rows(axes, ["" if line.heading else line.name for line in lines])
        axes.grid(axis="y", visible=False)
        ends = _ends(lines)
        value_axis(axes.xaxis, ends)
        room = (max(ends) / min(ends)) ** 0.04
        axes.set_xlim(min(ends) / room, max(ends) * room)
        axes.set_xlabel(f"{compared.name}: the first ÷ the other")
    figure.text(0.02, 0.06 / figure.get_figheight(), "grey: equal; dotted: noise of the A/A pair; hollow: not ahead",
                fontsize=7.5, color=theme.placeholder("muted"))  # fmt: skip
    if several:
        for model in dict.fromkeys(ratio.model for line in every for ratio in line.ratios):
            axes.plot([], [], label=model, **_mark(model))
        figure.legend(loc="upper left", ncols=3, bbox_to_anchor=(0, 1 - ROW_IN / figure.get_figheight()))
    return as_svg(figure)


def _mark(model: str, hollow: bool = False) -> dict[str, Any]:
    colour = theme.placeholder(theme.of_model(model))
    face = theme.placeholder("paper") if hollow else colour
    return {"color": colour, "marker": MARKERS.get(model, "D"), "markerfacecolor": face, "linestyle": "none"}


def _line(axes: Any, at: int, line: Line) -> None:
    if line.heading:
        _beside(axes, 0.0, at, line.name, weight="bold")
    for nth, ratio in enumerate(line.ratios):
        y = at + 0.3 * (nth - (len(line.ratios) - 1) / 2)
        found, colour = ratio.found, theme.placeholder(theme.of_model(ratio.model))
        for edge in (1 / (1 + found.noise), 1 + found.noise):
            axes.vlines(edge, at - 0.5, at + 0.5, linestyle="dotted", linewidth=0.8,
                        color=theme.placeholder("muted"))  # fmt: skip
        if found.n <= FEW:
            axes.plot(ratio.blocks, [y] * len(ratio.blocks), "|", color=colour, markersize=4, alpha=0.5)
        if found.n >= ENOUGH:
            axes.plot([found.low, found.high], [y, y], color=colour, linewidth=1.4)
        axes.plot([found.ratio], [y], markersize=5, **_mark(ratio.model, hollow=not found.decided))


def _ends(lines: Sequence[Line]) -> list[float]:
    """What has to be seen: intervals are cut off where they reach far beyond what was measured."""
    found = [ratio.found for line in lines for ratio in line.ratios]
    return [
        1 / (1 + WITHIN), 1 + WITHIN, *(block for line in lines for r in line.ratios for block in r.blocks),
        *(max(c.low, c.ratio / 1.5) for c in found), *(min(c.high, c.ratio * 1.5) for c in found),
    ]  # fmt: skip


def crossover(cells: Sequence[Mapping[str, Any]]) -> str:
    """A map: computing share upwards, connections to the right, the winner in its colour."""
    shares = sorted({cell["cpu_share"] for cell in cells})
    counts = sorted({cell["connections"] for cell in cells})
    height_in = 0.5 * len(shares)
    figure = titled("Which model wins, and by how much", height_in + BELOW_IN)
    axes = placed(figure, BELOW_IN, height_in, 0.7)
    axes.grid(False)
    for cell in cells:
        x, y = counts.index(cell["connections"]), shares.index(cell["cpu_share"])
        winner, words = cell["winner"], map_text(cell)
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
    return as_svg(figure)


def map_text(cell: Mapping[str, Any]) -> str:
    """The winner, and by how much it is ahead of the next; or all that tie; or why neither is known."""
    entries = cell["models"]
    if cell["winner"]:
        aheads: list[float] = [e["winner_ahead"]["ratio"] for e in entries.values() if e and e["winner_ahead"]]
        by = f"\n{min(aheads, key=lambda ratio: max(ratio, 1 / ratio)):.2f} ×" if aheads else ""
        return f"{entries[cell['winner']]['configuration']}{by}"
    if cell["tied"]:
        if len(cell["tied"]) == len(entries):
            return "all tie"
        return "tie\n" + ", ".join(cell["tied"])
    return "undecided" if any(entries.values()) else "void"
