# SPDX-License-Identifier: MIT
"""Drawing latency against offered load: a panel for each percentile, a curve for each server.

Nothing is drawn where nothing is known: a void point is a cross on the axis, and where overload begins the
curve ends in an arrow.
"""

from __future__ import annotations

from typing import Any, Sequence

from ..judge.curves import SHOWN, Curve, Point
from . import draw_svg, theme
from .draw_svg import BELOW_IN, MARKERS, ROW_IN

PANEL_IN = 1.45
GAP_IN = 0.28  # between panels
LINE_IN = 0.115  # of the key
FAR = 1.3  # ceilings and theory beyond so many times what was measured are left out
KEY = (
    "bands: from the least to the most of any block",
    "ring: knee; arrow: overload; cross: void; vertical: ceiling",
    "thin line: queueing theory",
)


def draw(curves: Sequence[Curve], title: str) -> str:
    labels = [curve.configuration.label for curve in curves]
    key_in = 0.1 + LINE_IN * len(KEY)
    below_in = BELOW_IN + key_in + 0.18 * -(-len(labels) // 2)
    figure = draw_svg.titled(title, below_in + (PANEL_IN + GAP_IN) * len(SHOWN) - GAP_IN)
    for nth, (name, shown) in enumerate(reversed(SHOWN.items())):
        axes = draw_svg.placed(figure, below_in + (PANEL_IN + GAP_IN) * nth, PANEL_IN, 0.65)
        for curve in curves:
            _curve(axes, curve, name)
        rates = [point.rate for curve in curves for point in curve.points]
        draw_svg.value_axis(axes.xaxis, rates)
        values = [end / 1e3 for curve in curves for point in curve.points for end in _ends(point, name)]
        if values:
            draw_svg.value_axis(axes.yaxis, values)
        else:
            axes.set_yticks([])
            axes.text(0.5, 0.5, "too few answers", transform=axes.transAxes, ha="center", color=theme.placeholder("muted"))
        for curve in curves:
            _limits(axes, curve, name, max(rates) * FAR, max(values, default=0.0) * FAR)
        axes.set_ylabel(f"{shown}, ms")
        axes.yaxis.set_label_coords(-0.15, 0.5)
        if nth == 0:
            axes.set_xlabel("requests/s offered")
        else:
            axes.tick_params(labelbottom=False)
    height = figure.get_figheight()
    figure.text(0.02, 0.06 / height, "\n".join(KEY), fontsize=7.5, color=theme.placeholder("muted"))
    figure.legend(handles=figure.axes[0].get_legend_handles_labels()[0], loc="lower left", ncols=2, fontsize=8,
                  bbox_to_anchor=(0, key_in / height), handlelength=3.0)  # fmt: skip
    return draw_svg.as_svg(figure)


def _ends(point: Point, name: str) -> list[float]:
    """What has to be seen of it."""
    value = point.latency_us(name)
    return [] if value is None else [value, *(point.band_us(name) or ())]


def _curve(axes: Any, curve: Curve, name: str) -> None:
    model = curve.configuration.model
    colour = theme.placeholder(theme.of_model(model))
    known = [(p, us / 1e3) for p in curve.points if (us := p.latency_us(name)) is not None]
    (line,) = axes.plot(
        [p.rate for p, _ in known], [ms for _, ms in known], label=curve.configuration.label, color=colour,
        marker=MARKERS.get(model, "D"), markersize=3.5, linewidth=1.4,
    )  # fmt: skip
    draw_svg.dashed(line, curve.configuration.workers)
    bands = [(p.rate, *band) for p, _ in known if (band := p.band_us(name))]
    if len(bands) > 1:
        rates, lows, highs = zip(*bands)
        axes.fill_between(rates, [us / 1e3 for us in lows], [us / 1e3 for us in highs], color=colour, alpha=0.18,
                          linewidth=0)  # fmt: skip
    for point, ms in known:
        if point is curve.knee:
            axes.plot([point.rate], [ms], "o", markersize=9, markerfacecolor="none", color=colour)


def _limits(axes: Any, curve: Curve, name: str, far: float, high_ms: float) -> None:
    """What is no measurement: ceiling, theory, and where there is nothing to be drawn, why."""
    colour = theme.placeholder(theme.of_model(curve.configuration.model))
    on_axis = axes.get_xaxis_transform()  # heights as a share of the panel
    ceiling = curve.closed.ceiling.rps
    if ceiling and ceiling <= far:
        axes.axvline(ceiling, color=colour, linewidth=0.9, dashes=(5.0, 3.0))
    theory = [(rate, us / 1e3) for rate, us in curve.theory(name) if us / 1e3 <= high_ms]
    axes.plot([rate for rate, _ in theory], [ms for _, ms in theory], color=colour, linewidth=0.7)
    void = [point.rate for point in curve.points if point.row.void]
    axes.plot(void, [0.04] * len(void), "x", color=colour, markersize=4, transform=on_axis)
    over = curve.overload
    if over is None:
        return
    last = [(p.rate, us / 1e3) for p in curve.points if p.rate < over.rate and (us := p.latency_us(name))]
    start, coordinates = (last[-1], "data") if last else ((over.rate, 0.8), on_axis)
    axes.annotate("", xy=(over.rate, 0.98), xycoords=on_axis, xytext=start, textcoords=coordinates,
                  arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.0, "shrinkA": 3, "shrinkB": 0})  # fmt: skip
