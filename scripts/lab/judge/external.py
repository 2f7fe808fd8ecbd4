# SPDX-License-Identifier: MIT
"""Published results, reproduced in shape on this machine: what they found, what is found here.

A shape that does not come out is reported as such, with the figures; the published setting
and ours differ, and the text says in what.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Callable, Sequence

from ..machine.cgroup import NO_ROOM
from ..ask.plan import MODELS
from ..ask.workloads import SLOW_QUERIES
from . import analysis, goals, words
from .analysis import RPS, CellResult, Row
from .goals import FAIL, PASS, VOID
from .stats import WITHIN, Comparison

POOL_RATE = 3200.0
LEVEL = 0.10  # "level" as the published table means it: it has one run of each
RUBY = "github.com/ermolaev/http_servers_bench"
FLASH = "Pai, Druschel, Zwaenepoel: Flash, USENIX ATC 1999, figure 12"
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
    cells = {(result.cell.workload.name, result.cell.connections): result for result in results}
    return cells.get((name, connections))


def pool_rate(results: Sequence[CellResult]) -> list[Finding]:
    result = _cell(results, "sleep", 256)
    return [
        _pool_rate(row)
        for label in ("prefork(64)", "threads(64)")
        if result and (row := result.row(label))
    ]


def _pool_rate(row: Row) -> Finding:
    found = goals.own(row, row.valid, lambda sample: analysis.comparable(row, sample, RPS) / POOL_RATE)
    here = f"here {found.ratio * POOL_RATE:,.0f}/s, once all wait" if found else "void here"
    text = f"{row.label}, 256 connections: published {POOL_RATE:,.0f}/s; {here}"
    return Finding(found.within(WITHIN) if found else None, ARITHMETIC, text)


def database(results: Sequence[CellResult]) -> list[Finding]:
    """Three queries of 2 ms, one after another, on two cores; 40 connections to the database."""
    few, many = _cell(results, SLOW_QUERIES.name, 50), _cell(results, SLOW_QUERIES.name, 500)
    if few is None or many is None:
        return []

    shapes: list[tuple[CellResult, int, Callable[[Comparison], bool | None], str]] = [
        (few, 20, lambda found: found.holds(operator.gt, 1),
         "50 connections: published 4,943/s on the loop, 3,179/s on the small pool"),
        (many, 40, lambda found: found.within(LEVEL),
         "500 connections: published level, 2,909/s and 2,970/s"),
        (few, 150, lambda found: found.holds(operator.le, 1 + LEVEL),
         "more workers, 50 connections: published the pool catches up, 5,088/s, the loop 4,373/s"),
    ]  # fmt: skip
    findings = []
    for result, workers, holds, published in shapes:
        loops = next((r for r in result.models if r.configuration.model == "coro"), None)
        pool = result.row(f"threads({workers})")
        found, here = result.compare(loops, pool, RPS), "void here"
        if found and loops and pool:
            here = f"here {loops.label} {loops.rps:,.0f}/s, {pool.label} {pool.rps:,.0f}/s, ratio "
            here += words.ratio_text(found) + words.sureness(found)
        findings.append(Finding(holds(found) if found else None, RUBY, f"{published}; {here}"))
    return findings


def idle(results: Sequence[CellResult]) -> list[Finding]:
    """A small load beside more and more idle connections, a context each. In the paper the memory of
    the contexts was missing for cached files: so it is here, and where a fall comes with files that
    left memory, that is its cause."""
    steps = sorted(
        (r for r in results if r.cell.workload.parked), key=lambda r: r.cell.workload.parked
    )
    if len(steps) < 2:
        return []
    rows = {
        model: [next((r for r in s.models if r.configuration.model == model), None) for s in steps]
        for model in MODELS
    }
    texts = [f"{model} {', '.join(map(_rate, found))}" for model, found in rows.items()]
    text = "published: processes fall first, then threads, events stay flat; "
    text += ", ".join(f"{s.cell.workload.parked:,}" for s in steps)
    text += f" idle connections: {'; '.join(texts)}"
    if any(row and "cached_share" in row.extras for found in rows.values() for row in found):
        text += "; in brackets: of the files asked for, still in memory"
    kept = {model: [_kept(row, found[0]) for row in found] for model, found in rows.items()}
    if any(math.isnan(share) for shares in kept.values() for share in shares):
        return [Finding(None, FLASH, text)]
    never = len(steps)
    fell = {
        model: next((at for at, share in enumerate(shares) if share < 1 - LEVEL), never)
        for model, shares in kept.items()
    }
    first = fell["prefork"] < never and fell["prefork"] <= fell["threads"] and fell["coro"] == never
    return [Finding(first and kept["prefork"][-1] <= kept["threads"][-1] + LEVEL, FLASH, text)]


def _kept(row: Row | None, first: Row | None) -> float:
    """Of the throughput beside the fewest; NaN where it is not known. What cannot hold the
    connections themselves has fallen further than any that can."""
    if row is None or first is None or first.void or first.rps <= 0:
        return math.nan
    if row.void:
        gone = any(reason in said for said in row.void_reasons for reason in ("parked connections", NO_ROOM))
        return 0.0 if gone else math.nan
    return row.rps / first.rps


def _rate(row: Row | None) -> str:
    if row is None or row.void:
        return "does not fit" if row and any(NO_ROOM in r for r in row.void_reasons) else "void"
    cached = row.extras.get("cached_share")
    files = "" if cached is None else f" ({words.percent(min(cached, 1.0))})"
    return f"{row.rps:,.0f}/s{files}"


def draw(results: Sequence[CellResult]) -> tuple[dict[str, Any], list[str]]:
    lines = [*pool_rate(results), *database(results), *idle(results)]
    data = {"external": [{"state": x.state, "source": x.source, "text": x.text} for x in lines]}
    text = [f"{line.state} ({line.source}) {line.text}" for line in lines]
    return data, ["Published results and what comes out here:", "", *text]
