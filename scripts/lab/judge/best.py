# SPDX-License-Identifier: MIT
"""Which of the three models is best at a workload, each with the best of its rows.

Compared is what the workload is about: throughput, or CPU time per request where wrk is the
limit, the 99th percentile beside slow requests, requests lost, bytes of an idle connection.
What cannot be told apart from the best ties with it.

rank() answers it for claim 8: coroutines have a loop process on every core, the pools two sizes
to choose from, and all share the same cores; where models tie, the memory of each is named.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Callable, Iterable, Mapping, Sequence

from ..ask.kinds import Kind
from ..ask.plan import MODELS, Cell, Configuration, Cores
from ..ask.workloads import WORKLOADS
from ..measure.sample import Sample
from . import analysis, verdict, words
from .analysis import CellResult, Metric, Row
from .stats import Ratio

NOISE = 0.02  # figures this close are the same for any use of the answer
POOL_SIZES = (16, 256)
NAMES = (
    "hello", "cpu", "sleep", "block", "block-offload", "mix", "fanout", "stream", "files-100k",
    "interference", "crash",
)  # fmt: skip


@dataclass(frozen=True)
class Yardstick:
    metric: Metric
    form: Callable[[float], str]
    less_is_better: bool = True

    def figure(self, row: Row) -> float:
        return statistics.median(self.metric(sample) for sample in row.valid)

    def ranked(self, rows: Iterable[Row]) -> list[Row]:
        """Those that count, best first."""
        sign = 1.0 if self.less_is_better else -1.0
        return sorted(filter(self._counts, rows), key=lambda row: sign * self.figure(row))

    def _counts(self, row: Row) -> bool:
        """A percentile of too few samples is given as 0, which is not the best there is."""
        if row.void:
            return False
        return self.metric is not analysis.p99_us or all(map(self.metric, row.valid))


def lost(sample: Sample) -> float:
    return sample.extras.get("lost", 0.0)


def bytes_each(sample: Sample) -> float:
    return sample.extras.get("bytes_a_connection", 0.0)


THROUGHPUT = Yardstick(analysis.rps, lambda v: f"{v:,.0f}/s", False)
CPU = Yardstick(analysis.cpu_us, lambda v: f"{v:,.1f} µs of CPU a request")
LOST = Yardstick(lost, lambda v: f"{v:,.0f} requests lost")
YARDSTICKS = {
    Kind.PARKED: Yardstick(bytes_each, lambda v: f"{v:,.0f} bytes a connection"),
    Kind.BESIDE: Yardstick(analysis.p99_us, lambda v: f"p99 {v / 1e3:,.1f} ms"),
    Kind.CRASH: LOST,
    Kind.DRAIN: LOST,
}


def yardstick(result: CellResult) -> Yardstick:
    own = YARDSTICKS.get(result.cell.workload.kind)
    return own or (CPU if verdict.by_cpu(result) else THROUGHPUT)


@dataclass(frozen=True)
class Standing:
    """bests: of each model its best row, where one counts. ahead: the first's ratio to each other
    one, the nearest first."""

    bests: Mapping[str, Row]
    first: Row
    ahead: Mapping[str, Ratio | None]


def families(result: CellResult) -> dict[str, list[Row]]:
    """The rows of each model."""
    found: dict[str, list[Row]] = {}
    for row in result.models:
        found.setdefault(row.configuration.model, []).append(row)
    return found


def standing(rows: Mapping[str, Sequence[Row]], stick: Yardstick) -> Standing | None:
    """Of each model the best of its rows; None where none of all counts."""
    bests = {model: best[0] for model, several in rows.items() if (best := stick.ranked(several))}
    if not bests:
        return None
    first, *others = stick.ranked(bests.values())
    ahead = {row.configuration.model: analysis.ratio(first, row, stick.metric) for row in others}
    return Standing(bests, first, ahead)


def ties(found: Ratio | None) -> bool:
    return found is None or verdict.is_tie(found, NOISE) or abs(found.median - 1) <= NOISE


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
    name, stick, rows = result.cell.workload.name, yardstick(result), families(result)
    found = standing(rows, stick)
    for model in MODELS:
        if found is None or model not in found.bests:
            reasons = [row.void_reasons[0] for row in rows.get(model, ()) if row.void_reasons]
            return Ranking(name, (), f"{model}: {reasons[0] if reasons else 'too few samples'}")
    assert found is not None
    tops = tuple(
        model for model, row in found.bests.items()
        if row is found.first or _level(found.first, row, found.ahead[model], stick.metric)
    )  # fmt: skip
    return Ranking(name, tops, _text(found, tops, stick.form(stick.figure(found.first))))


def _level(first: Row, row: Row, found: Ratio | None, metric: Metric) -> bool:
    """Where a block's figure is 0 there is no ratio: then the best is so in all blocks, or ties."""
    if found is not None:
        return ties(found)
    others = {sample.block: metric(sample) for sample in row.valid}
    pairs = [(metric(s), others[s.block]) for s in first.valid if s.block in others]
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
