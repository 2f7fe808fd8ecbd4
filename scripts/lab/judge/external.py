# SPDX-License-Identifier: MIT
"""Published results, reproduced in shape on this machine: what they found, what is found here.

A shape that does not come out is reported as such, with the figures; the published setting
and ours differ, and the text says in what.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, Sequence

from ..machine.cgroup import NO_ROOM
from ..ask.workloads import SLOW_QUERIES
from . import goals, words
from .analysis import RPS, CellResult, Row
from .goals import FAIL, PASS, VOID
from .stats import WITHIN, Comparison

POOL_RATE = 3200.0
LEVEL = 0.10  # "level" as the published table means it: it has one run of each
RUBY = "github.com/ermolaev/http_servers_bench"
FLASH = "Pai, Druschel, Zwaenepoel: Flash, USENIX ATC 1999, figure 12"
MEMORY = "beside it, not published there"
ARITHMETIC = "64 workers that block for 20 ms: 64/20 ms"


@dataclass(frozen=True)
class Finding:
    """passed: whether the published shape did; None where that is not decided."""

    passed: bool | None
    source: str
    text: str

    @property
    def state(self) -> str:
        return VOID if self.passed is None else PASS if self.passed else FAIL


def _cell(results: Sequence[CellResult], name: str, connections: int) -> CellResult | None:
    for result in results:
        if result.cell.workload.name.startswith(name) and result.cell.connections == connections:
            return result
    return None


def pool_rate(results: Sequence[CellResult]) -> list[Finding]:
    result = _cell(results, "sleep", 256)
    lines = []
    for label in ("prefork(64)", "threads(64)") if result else ():
        row = result.row(label) if result else None
        text = f"{label}, 256 connections: published 3,200/s"
        if row is None or row.void:
            lines.append(Finding(None, ARITHMETIC, f"{text}; void here"))
            continue
        expected = POOL_RATE * row.ceiling.shown  # wrk takes a part of the window
        found = goals.own(row, row.valid, lambda sample: sample.rps / expected)
        text += f"; here {row.rps / row.ceiling.shown:,.0f}/s, once all wait"
        lines.append(Finding(found.within(WITHIN) if found else None, ARITHMETIC, text))
    return lines


def database(results: Sequence[CellResult]) -> list[Finding]:
    """Three queries of 2 ms, one after another, on two cores; 40 connections to the database."""
    few, many = _cell(results, SLOW_QUERIES.name, 50), _cell(results, SLOW_QUERIES.name, 500)
    if few is None or many is None:
        return []

    def pair(result: CellResult, workers: int) -> tuple[Comparison | None, str]:
        loops = next((r for r in result.models if r.configuration.model == "coro"), None)
        pool = result.row(f"threads({workers})")
        found = result.compare(loops, pool, RPS)
        if found is None or loops is None or pool is None:
            return None, "void here"
        return found, (
            f"here {loops.label} {loops.rps:,.0f}/s, {pool.label} {pool.rps:,.0f}/s, "
            f"ratio {words.ratio_text(found)}"
        )

    ahead, ahead_text = pair(few, 20)
    level, level_text = pair(many, 40)
    grown, grown_text = pair(few, 150)
    return [
        Finding(
            ahead.holds(operator.gt, 1) if ahead else None, RUBY,
            f"50 connections: published 4,943/s on the loop, 3,179/s on the small pool; {ahead_text}",
        ),
        Finding(
            level.within(LEVEL) if level else None, RUBY,
            f"500 connections: published level, 2,909/s and 2,970/s; {level_text}",
        ),
        Finding(
            grown.holds(operator.le, 1 + LEVEL) if grown else None, RUBY,
            "more workers, 50 connections: published the pool catches up, 5,088/s, "
            f"the loop 4,373/s; {grown_text}",
        ),
    ]  # fmt: skip


def idle(results: Sequence[CellResult]) -> list[Finding]:
    """A small load beside more and more idle connections, a context each: its throughput, with what
    is left in memory of the files that are asked for, and the memory of all."""
    steps = sorted(
        (r for r in results if r.cell.workload.parked),
        key=lambda r: r.cell.workload.parked,
    )
    if len(steps) < 2:
        return []
    rows = {
        model: [next((r for r in s.models if r.configuration.model == model), None) for s in steps]
        for model in ("prefork", "threads", "coro")
    }
    numbers = ", ".join(f"{s.cell.workload.parked:,}" for s in steps)
    return [_idle_rate(rows, numbers), _idle_memory(rows, numbers)]


_Steps = dict[str, list[Row | None]]


def _idle_rate(rows: _Steps, numbers: str) -> Finding:
    """In the paper the memory of idle connections' contexts was missing for cached files: so it is
    here, and where a fall comes with files that left memory, that is its cause."""
    fell: dict[str, int] = {}  # the first step at which a model had fallen; beyond the last: none
    kept: dict[str, float] = {}  # at the last step
    texts, void = [], False
    for model, found in rows.items():
        first = found[0]
        void |= first is None or first.void or first.rps <= 0
        fell[model] = len(found)
        figures = []
        for at, row in enumerate(found):
            gone = row is not None and row.void and _cannot_hold(row)
            void |= row is None or (row.void and not gone)
            kept[model] = 0.0 if row is None or row.void else _share_of(row, first)
            low = gone or (row is not None and not row.void and kept[model] < 1 - LEVEL)
            if low:
                fell[model] = min(fell[model], at)
            figures.append(_figure(row))
        texts.append(f"{model} {', '.join(figures)}")
    text = "published: processes fall first, then threads, events stay flat; "
    text += f"{numbers} idle connections: {'; '.join(texts)}"
    if any(row and "cached_share" in row.extras for found in rows.values() for row in found):
        text += "; in brackets: of the files asked for, still in memory"
    if void:
        return Finding(None, FLASH, text)
    processes, threads, loops = (fell[model] for model in ("prefork", "threads", "coro"))
    steps = len(rows["coro"])
    holds = processes < steps and processes <= threads and loops == steps
    return Finding(holds and kept["prefork"] <= kept["threads"] + LEVEL, FLASH, text)


def _share_of(row: Row, first: Row | None) -> float:
    return row.rps / first.rps if first and first.rps > 0 else 0.0


def _cannot_hold(row: Row) -> bool:
    """The connections themselves: it has fallen further than any that can."""
    reasons = ("parked connections", NO_ROOM)
    return any(reason in said for said in row.void_reasons for reason in reasons)


def _unknown(row: Row | None) -> str:
    """For the figure of a void row."""
    return "does not fit" if row and any(NO_ROOM in r for r in row.void_reasons) else "void"


def _figure(row: Row | None) -> str:
    if row is None or row.void:
        return _unknown(row)
    cached = row.extras.get("cached_share")
    files = "" if cached is None else f" ({min(cached, 1.0) * 100:.0f} %)"
    return f"{row.rps:,.0f}/s{files}"


def _idle_memory(rows: _Steps, numbers: str) -> Finding:
    """What the idle connections take, whatever else goes on on the machine: from the first step to
    the last that can be believed of all."""
    totals = {
        model: [r.extras.get("memory_total_bytes") if r and not r.void else None for r in found]
        for model, found in rows.items()
    }
    common = [step for step in zip(*totals.values()) if None not in step]
    texts = []
    for model, each in totals.items():
        shown = [
            _unknown(row) if total is None else words.bytes_text(total)
            for row, total in zip(rows[model], each)
        ]
        texts.append(f"{model} {', '.join(shown)}")
    text = "expected: processes need most, then threads, events hardly more; "
    text += f"memory with {numbers} idle connections: {'; '.join(texts)}"
    if len(common) < 2:
        return Finding(None, MEMORY, text)
    processes, threads, loops = (last - first for first, last in zip(common[0], common[-1]))
    return Finding(processes > threads > 0 and loops <= LEVEL * threads, MEMORY, text)


def draw(results: Sequence[CellResult]) -> tuple[dict[str, Any], list[str]]:
    lines = [*pool_rate(results), *database(results), *idle(results)]
    data = {"external": [{"state": x.state, "source": x.source, "text": x.text} for x in lines]}
    text = [f"{line.state} ({line.source}) {line.text}" for line in lines]
    return data, ["Published results and what comes out here:", "", *text]
