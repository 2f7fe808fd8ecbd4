# SPDX-License-Identifier: MIT
"""Which of the three models is best at each workload, each with the better of its pool sizes.

Coroutines have a loop process on every core, the pools two sizes to choose from; all share
the same cores. Compared is what the workload is about: throughput, or CPU time per request
where wrk is the limit, the 99th percentile beside slow requests, requests lost to a crash.
What cannot be told apart from the best ties with it; then the memory of each is named.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Callable, Sequence

from ..ask.plan import MODELS, Cell, Configuration, Cores
from ..ask.workloads import BESIDE, CRASH, WORKLOADS
from ..measure.sample import Sample
from . import analysis, crossover, verdict, words
from .analysis import CellResult, Metric, Row
from .stats import Ratio

__all__ = ["MODELS", "NAMES", "Ranking", "cells", "rank"]
POOL_SIZES = (16, 256)
NAMES = (
    "hello", "cpu", "sleep", "block", "block-offload", "mix", "fanout", "stream", "files-100k",
    "interference", "crash",
)  # fmt: skip


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
class Yardstick:
    metric: Metric
    less_is_better: bool
    form: Callable[[float], str]


def _lost(sample: Sample) -> float:
    return sample.extras.get("lost", 0.0)


def yardstick(result: CellResult) -> Yardstick:
    kind = result.cell.workload.kind
    if kind == CRASH:
        return Yardstick(_lost, True, lambda v: f"{v:,.0f} requests lost")
    if kind == BESIDE:
        return Yardstick(analysis.p99_us, True, lambda v: f"p99 {v / 1e3:,.1f} ms")
    if verdict.by_cpu(result):
        return Yardstick(analysis.cpu_us, True, lambda v: f"{v:,.1f} µs of CPU a request")
    return Yardstick(analysis.rps, False, lambda v: f"{v:,.0f}/s")


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
    stick = yardstick(result)
    sign = 1.0 if stick.less_is_better else -1.0

    def figure(row: Row) -> float:
        return statistics.median(stick.metric(sample) for sample in row.valid)

    bests: list[Row] = []
    for model in MODELS:
        rows = [row for row in result.models if row.configuration.model == model]
        alive = [row for row in rows if _comparable(row, stick)]
        if not alive:
            reasons = [row.void_reasons[0] for row in rows if row.void_reasons]
            said = reasons[0] if reasons else "too few samples"
            return Ranking(result.cell.workload.name, (), f"{model}: {said}")
        bests.append(min(alive, key=lambda row: sign * figure(row)))
    winner = min(bests, key=lambda row: sign * figure(row))
    against = {
        row.configuration.model: analysis.ratio(winner, row, stick.metric)
        for row in bests
        if row is not winner
    }
    tops = tuple(
        row.configuration.model
        for row in bests
        if row is winner or _ties(winner, row, against[row.configuration.model], stick)
    )
    text = _text(winner, bests, tops, against, stick.form(figure(winner)))
    return Ranking(result.cell.workload.name, tops, text)


def _comparable(row: Row, stick: Yardstick) -> bool:
    """A percentile of too few samples is given as 0, which is not the best there is."""
    if row.void:
        return False
    return stick.metric is not analysis.p99_us or all(map(stick.metric, row.valid))


def _ties(winner: Row, row: Row, found: Ratio | None, stick: Yardstick) -> bool:
    """Where a block's figure is 0 there is no ratio: then the best is so in all blocks, or ties."""
    if found is not None:
        return crossover.ties(found)
    others = {sample.block: stick.metric(sample) for sample in row.valid}
    pairs = [(stick.metric(s), others[s.block]) for s in winner.valid if s.block in others]
    return not pairs or any(one >= other for one, other in pairs)


def _text(
    winner: Row, bests: Sequence[Row], tops: Sequence[str], against: dict[str, Ratio | None],
    figure: str,
) -> str:  # fmt: skip
    level = [row for row in bests if row.configuration.model in tops]
    names = [row.label for row in level]
    head = f"{names[0]} {figure}"
    if len(names) > 1:
        head = f"{words.listed(names)} tie at {figure}"
        sizes = [words.bytes_text(row.memory_bytes) for row in level if row.memory_bytes]
        head += f" ({words.listed(sizes)})" if len(sizes) == len(level) else ""
    parts = []
    for row in bests:
        found = against.get(row.configuration.model)
        if row.configuration.model in tops:
            continue
        ratio = f"{words.ratio_text(found)} ×" if found else "ahead of"
        who = "" if len(names) == 1 else f"{winner.label} "
        parts.append(f"{who}{ratio} {row.label}")
    return "; ".join([head, *parts])
