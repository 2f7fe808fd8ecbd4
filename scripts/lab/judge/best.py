# SPDX-License-Identifier: MIT
"""Which of the three models is best at a workload, each with the best of its rows.

Compared is what the workload is about: throughput, or CPU time per request where wrk is the
limit, the 99th percentile beside slow requests, requests lost, bytes of an idle connection.

rank() answers it for claim 8: coroutines have a loop process on every core, the pools two sizes
to choose from, and all share the same cores; where models tie, the memory of each is named.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

from ..ask.kinds import Kind
from ..ask.plan import MODELS, Cell, Configuration, Cores
from ..ask.workloads import WORKLOADS
from . import words
from .analysis import CPU, P99, RPS, CellResult, Figure, Row
from .stats import Comparison

POOL_SIZES = (16, 256)
NAMES = (
    "hello", "cpu", "sleep", "block", "block-offload", "mix", "fanout", "stream", "files-100k",
    "interference", "crash",
)  # fmt: skip

LOST = Figure("requests lost", lambda s: s.extras.get("lost", 0.0), lambda v: f"{v:,.0f} requests lost")
BYTES = Figure(
    "bytes an idle connection", lambda s: s.extras.get("bytes_a_connection", 0.0),
    lambda v: f"{v:,.0f} bytes a connection",
)  # fmt: skip
FIGURES = {Kind.PARKED: BYTES, Kind.BESIDE: P99, Kind.CRASH: LOST, Kind.DRAIN: LOST}


def figure(result: CellResult) -> Figure:
    """In which its models are compared."""
    return FIGURES.get(result.cell.workload.kind) or (CPU if result.by_cpu else RPS)


def value(row: Row, figure: Figure) -> float:
    return statistics.median(figure.of(sample) for sample in row.valid)


def ranked(rows: Iterable[Row], figure: Figure) -> list[Row]:
    """Those that count, best first. A percentile of too few samples is given as 0, which is not
    the best there is."""
    sign = 1.0 if figure.less_is_better else -1.0
    counts = [
        row for row in rows
        if not row.void and (figure is not P99 or all(map(figure.of, row.valid)))
    ]  # fmt: skip
    return sorted(counts, key=lambda row: sign * value(row, figure))


@dataclass(frozen=True)
class Standing:
    """bests: of each model its best row, where one counts. ahead: the first's comparison with each
    other one, the nearest first."""

    bests: Mapping[str, Row]
    first: Row
    ahead: Mapping[str, Comparison | None]

    @property
    def sharing(self) -> list[str]:
        """Those that shared their cores with wrk, where others did not."""
        found = [row.label for row in self.bests.values() if row.configuration.shares_cores]
        return found if len(found) < len(self.bests) else []


def families(result: CellResult) -> dict[str, list[Row]]:
    """The rows of each model."""
    found: dict[str, list[Row]] = {}
    for row in result.models:
        found.setdefault(row.configuration.model, []).append(row)
    return found


def usual(result: CellResult) -> dict[str, list[Row]]:
    """Of each of the three models the rows without textbook switches, with cores of their own
    unless there are no others."""
    found = {}
    for model in MODELS:
        rows = [
            row for row in families(result).get(model, ())
            if not row.configuration.gil and row.configuration.dispatch != "connection"
        ]  # fmt: skip
        own = [row for row in rows if not row.void and not row.configuration.shares_cores]
        found[model] = own or rows
    return found


def standing(
    result: CellResult, rows: Mapping[str, Sequence[Row]], figure: Figure
) -> Standing | None:
    """Of each model the best of its rows; None where none of all counts."""
    bests = {model: best[0] for model, each in rows.items() if (best := ranked(each, figure))}
    if not bests:
        return None
    order = ranked(bests.values(), figure)
    names = {id(row): model for model, row in bests.items()}
    ahead = {names[id(row)]: result.compare(order[0], row, figure) for row in order[1:]}
    return Standing(bests, order[0], ahead)


def ties(found: Comparison | None) -> bool:
    """Equal, or undecided."""
    return found is None or not found.decided


# --- claim 8 --------------------------------------------------------------------------------


def cells(cores: Cores) -> list[Cell]:
    pools = [
        Configuration(model, size, cores.server, cores.load)
        for model in ("prefork", "threads")
        for size in POOL_SIZES
    ]
    loops = Configuration("coro", len(cores.server), cores.server, cores.load)
    return [
        Cell(WORKLOADS[name], WORKLOADS[name].connections, (*pools, loops)) for name in NAMES
    ]


@dataclass(frozen=True)
class Ranking:
    """tops: the best model and those that tie with it, none where nothing is decided."""

    workload: str
    tops: tuple[str, ...]
    text: str

    @property
    def word(self) -> str:
        if not self.tops:
            return "void"
        if "coro" not in self.tops:
            return "NOT best"
        return "best" if self.tops == ("coro",) else "level"

    def __str__(self) -> str:
        return f"{self.workload:14} {self.word:9} {self.text}"


def rank(result: CellResult) -> Ranking:
    name, chosen, rows = result.cell.workload.name, figure(result), families(result)
    found = standing(result, rows, chosen)
    for model in MODELS:
        if found is None or model not in found.bests:
            reasons = [row.void_reasons[0] for row in rows.get(model, ()) if row.void_reasons]
            return Ranking(name, (), f"{model}: {reasons[0] if reasons else 'too few samples'}")
    assert found is not None
    tops = tuple(
        model for model, row in found.bests.items()
        if row is found.first or _level(found.first, row, found.ahead[model], chosen)
    )  # fmt: skip
    return Ranking(name, tops, _text(found, tops, chosen.form(value(found.first, chosen))))


def _level(first: Row, row: Row, found: Comparison | None, figure: Figure) -> bool:
    """Where a block's figure is 0 there is no ratio: then the best is so in all blocks, or ties."""
    if found is not None:
        return ties(found)
    others = {sample.block: figure.of(sample) for sample in row.valid}
    pairs = [(figure.of(s), others[s.block]) for s in first.valid if s.block in others]
    return not pairs or any(one >= other for one, other in pairs)


def _text(found: Standing, tops: Sequence[str], figure: str) -> str:
    level = [found.bests[model] for model in tops]
    names = [row.label for row in level]
    head = f"{names[0]} {figure}"
    if len(names) > 1:
        head = f"{words.listed(names)} tie at {figure}"
        sizes = [words.bytes_text(row.memory_bytes) for row in level if row.memory_bytes]
        head += f" ({words.listed(sizes)})" if len(sizes) == len(level) else ""
    parts = []
    for model, ratio in found.ahead.items():
        if model not in tops:
            text = f"{words.ratio_text(ratio)} ×" if ratio else "ahead of"
            who = "" if len(names) == 1 else f"{found.first.label} "
            parts.append(f"{who}{text} {found.bests[model].label}")
    return "; ".join([head, *parts])
