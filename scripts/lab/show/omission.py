# SPDX-License-Identifier: MIT
"""What scripts/omission measured, in words and as a pair of plots: results/LOOPS.md is made of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from ..measure import histogram
from ..measure.wrk import PERCENTILES
from ..judge import words
from . import schema, theme

SCHEMA = 1
FILE = "omission.json"
NAMES = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9"}
LONG_MS = 10.0  # many times what a request takes while the server runs
STRAY = 0.01  # of the requests
HEIGHT_IN = 1.9


def load(folder: Path) -> dict[str, Any]:
    """Raises LabError."""
    return schema.load_version(folder / FILE, SCHEMA)


def _latencies(document: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """In µs, by what loaded the server."""
    opened, closed = document["open"]["latency"], document["closed"]
    return {
        "scripts/load": {**{n: opened["percentiles_us"][n] for n in PERCENTILES}, "longest": opened["max_us"]},
        "wrk": {**{n: closed["percentiles_us"][n] for n in PERCENTILES}, "longest": closed["max_us"]},
    }


def disturbed(document: Mapping[str, Any]) -> str | None:
    """Why it shows something else: of the open loop more than those waited who came while the server stood
    still. None where that is what it shows."""
    opened, arrived = document["open"], document["open"]["rate_asked"] * document["stopped_s"]["open"]
    long = _long(document)
    if long - arrived <= STRAY * opened["requests"]:
        return None
    return f"{long:,} requests waited {LONG_MS:g} ms or longer, and {arrived:,.0f} came while it stood still: the machine is busy"


def _long(document: Mapping[str, Any]) -> int:
    """Of the open loop, how many took LONG_MS or longer."""
    counts = histogram.decode(document["open"]["latency"]["hdr"])
    return sum(count for ns, count in counts.items() if ns >= LONG_MS * 1e6)


def lines(document: Mapping[str, Any]) -> list[str]:
    """As Markdown."""
    found, opened, closed = _latencies(document), document["open"], document["closed"]
    stopped, connections, long = document["stopped_s"], document["connections"], _long(document)
    rows = {
        "requests": [f"{opened['requests']:,}", f"{closed['requests']:,}"],
        "while the server stood still": [
            f"{opened['rate_asked'] * stopped['open']:,.0f} arrived", f"at most {connections} were sent, one a connection",
        ],
        **{
            NAMES.get(name, name): [words.duration_text(each[name]) for each in found.values()]
            for name in (*NAMES, "longest")
        },
    }  # fmt: skip
    share = f"{100 * long / opened['requests']:.1f} %"
    return [
        f"`{document['command']}` at {document['started']}: {document['configuration']}, {document['target']}, stopped for "
        f"{stopped['open']:.2f} s in the middle of {document['duration_s']:g} s, once under `scripts/load` at "
        f"{opened['rate_asked']:,.0f} requests/s, once under wrk with {connections} connections.", "",
        "| | open loop: `scripts/load` | closed loop: wrk |", "| --- | ---: | ---: |",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()), "",
        f"Of those who came at their own time {long:,}, {share}, waited {LONG_MS:g} ms or longer. wrk's p99.9 is "
        f"{words.duration_text(found['wrk']['p999'])}: it counts each of its connections once, however long it stands still, and "
        "while it waits it asks nothing that could have to wait.",
    ]  # fmt: skip


def plots(document: Mapping[str, Any]) -> dict[str, str]:
    """By the file's name; both to one scale. Raises ImportError where matplotlib is not installed."""
    found = _latencies(document)
    titles = {
        "scripts/load": f"Open loop: {document['open']['rate_asked']:,.0f} requests/s",
        "wrk": f"Closed loop: wrk, {document['connections']} connections",
    }
    ends = [us / 1e3 for each in found.values() for us in each.values() if us]
    return {
        "open": _plot(found["scripts/load"], titles["scripts/load"], ends, document["stopped_s"]["open"]),
        "closed": _plot(found["wrk"], titles["wrk"], ends, document["stopped_s"]["closed"]),
    }


def _plot(found: Mapping[str, float | None], title: str, ends: list[float], stopped_s: float) -> str:
    from . import draw_svg

    figure = draw_svg.titled(title, HEIGHT_IN + draw_svg.BELOW_IN)
    axes = draw_svg.placed(figure, draw_svg.BELOW_IN, HEIGHT_IN, 0.55)
    axes.axhline(stopped_s * 1e3, color=theme.placeholder("muted"), linewidth=0.9, dashes=(5.0, 3.0))
    known = [(at, us / 1e3) for at, us in enumerate(found.values()) if us]
    axes.plot([at for at, _ in known], [ms for _, ms in known], color=theme.placeholder("coro"), marker="o",
              markersize=4, linewidth=1.4)  # fmt: skip
    for at, ms in known:
        axes.annotate(words.duration_text(ms * 1e3), (at, ms), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=7.5)
    draw_svg.value_axis(axes.yaxis, [*ends, stopped_s * 1e3])
    axes.set_ylim(min(ends) / 2, max(*ends, stopped_s * 1e3) * 3)
    axes.set_xlim(-0.4, len(found) - 0.6)
    axes.set_xticks(range(len(found)), [NAMES.get(name, name) for name in found])
    axes.set_ylabel("latency, ms")
    axes.set_xlabel("of all requests (dashed: the server stood still)")
    return draw_svg.as_svg(figure)
