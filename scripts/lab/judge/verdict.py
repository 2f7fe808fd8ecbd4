# SPDX-License-Identifier: MIT
"""A cell's result in one sentence, and what else follows from it in notes.

    sleep, 256 connections: requests/s (95 % of 10 blocks): coro 3.98 × threads(64) [3.95, 4.01];
    equal to prefork(256) within ±3 %

The best of each model enters, and the first of them is compared with the others: in throughput,
unless the load generator was what limited it; then that says nothing of the servers, and CPU time
per request is compared instead, and throughput named where it differs by more.
"""

from __future__ import annotations

import statistics
from typing import Iterable, Sequence

from ..ask.kinds import Kind
from ..ask.plan import Cell
from ..measure.steady import MOST_WINDOWS
from ..measure.wrk import PERCENTILES
from . import best, ceilings, curves, words
from .analysis import CPU, RPS, UNSEEN, CellResult, Figure, Row
from .best import Standing

NOTED_CORES, NOTED_STEAL = 0.05, 0.01  # of others: what is less goes without a note
NOTED_FACTOR = 0.97
STOOD_STILL = 2.0  # times as long by time as by request: a closed load hides that a connection waits


def sentence(result: CellResult) -> str:
    if result.cell.workload.kind is Kind.OPEN:
        return curves.sentence(result)
    found = best.standing(result)
    if found is None:
        return f"{result.cell.name}: no configuration gave a result that can be believed"
    return f"{result.cell.name}: " + "; ".join([*ratios(result, found), *left_out(result, found)])


def ratios(result: CellResult, found: Standing) -> list[str]:
    """What the first is to the others; their figures where no ratio says more."""
    known = [c for c in found.ahead.values() if c and result.cell.workload.kind.compared]
    if not known:
        return [f"{found.figure.name}: {_values(found.bests.values(), found.figure)}"]
    lead, *parts = words.compared(known)
    parts.insert(0, f"{found.figure.name}{words.sureness(*known)}: {lead}")
    differing = []  # throughputs that do so by more than CPU per request
    for name, cpu in found.ahead.items() if found.figure is CPU else ():
        rate = result.compare(found.first, found.bests[name], RPS)
        if rate and cpu and rate.decided and rate.distance > cpu.distance:
            differing.append(rate)
    if differing:  # the one that does most: a sentence has two lines
        parts.append(f"requests/s {words.ratio_times(max(differing, key=lambda c: c.distance))}")
    return parts


def _values(rows: Iterable[Row], figure: Figure) -> str:
    return ", ".join(f"{row.label} {figure.form(best.value(row, figure))}" for row in rows)


def left_out(result: CellResult, found: Standing) -> list[str]:
    """Who is not in the sentence, and why."""
    contenders = best.contenders(result)
    models = {row.configuration.model for rows in contenders.values() for row in rows}
    missing = [name for name in contenders if name not in found.bests]
    unseen = [name for name in missing if not any(row.samples for row in contenders[name])]
    void = [n for n in missing if n not in unseen and all(row.void for row in contenders[n])]
    reasons = {
        UNSEEN: unseen,
        "void": void,
        "too few answers for a p99": [name for name in missing if name not in [*unseen, *void]],
        "not compared, as it shared cores with wrk": [
            row.label for row in result.models
            if row.configuration.shares_cores and row.configuration.model not in models
        ],
    }  # fmt: skip
    return [f"{why}: {words.listed(names)}" for why, names in reasons.items() if names]


def notes(result: CellResult) -> list[str]:
    """What must be known before the sentence is believed, and what it has no room for: the other
    configurations, and the ceilings."""
    cell, rows = result.cell, result.rows
    if cell.workload.kind is Kind.OPEN:
        return [*_company(rows), *curves.notes(result)]
    known = [*_company(rows), *_stood_still(cell, rows), *_restless(rows), *_wrong_ceilings(rows)]
    return known + _others(result) + _ceilings(result)


def _company(rows: Sequence[Row]) -> list[str]:
    """What other programs, and other machines on the same host, had of the cores meanwhile."""
    others = [f"{r.label} {words.percent(r.others_cores)}" for r in rows if r.others_cores >= NOTED_CORES]
    steal = [f"{r.label} {r.steal_share * 100:.1f} %" for r in rows if r.steal_share >= NOTED_STEAL]
    notes = [f"other programs had of a core, in the median: beside {', '.join(others)}"] if others else []
    notes += [f"the hypervisor took of the cores: from {', '.join(steal)}"] if steal else []
    return notes + _moved(rows)


def _moved(rows: Sequence[Row]) -> list[str]:
    """Where cores moved apart and CPU per request had to be corrected for it."""
    known = [s for row in rows for s in row.samples if s.apart_ns]
    away = [s for s in known if s.far_share > 0.5]
    factor = min((s.cpu_factor for s in away), default=1.0)
    if factor > NOTED_FACTOR:
        return []
    far_ns, near_ns = (
        statistics.median(statistics.median(s.apart_ns) for s in some)
        for some in (away, [s for s in known if s not in away])
    )
    return [
        f"in {len(away)} of {len(known)} samples the hypervisor had moved the server's core and wrk's "
        f"apart ({far_ns:.0f} ns there and back in place of {near_ns:.0f}), which "
        f"cost a request {words.percent(1 / factor - 1)} more CPU: that is taken off"
    ]


def _stood_still(cell: Cell, rows: Sequence[Row]) -> list[str]:
    """Rows in which connections stood still behind percentiles that do not show it.

    More than 1 - p of the time that requests spent was spent in those of at least by_time_us[p]. At
    any moment one request in progress is one connection, so by Little's law more than (1 - p) x
    in_progress connections were, on average, in such a request. Said of the highest p for which
    these are one or more, if the same percentile of the requests is less than half as long.
    """
    notes = []
    for row in rows:
        counts = {name: (1.0 - p) * row.in_progress for name, p in PERCENTILES.items()}
        name = next((n for n in reversed(counts) if counts[n] >= 1.0 and row.percentiles_us[n]), "")
        seen_us, stood_us = row.percentiles_us.get(name), row.by_time_us.get(name)
        if row.void or not seen_us or not stood_us or stood_us <= STOOD_STILL * seen_us:
            continue
        count = counts[name]
        who = "one connection" if count < 2.0 else f"{int(count)} connections"
        notes.append(
            f"{row.label}: {who} of {cell.connections} stood still for "
            f"{words.duration_text(stood_us)} or longer at any moment, on average; "
            f"{PERCENTILES[name] * 100:g} % of the requests took at most {words.duration_text(seen_us)}"
        )
    return notes


def _restless(rows: Sequence[Row]) -> list[str]:
    """What does not void a sample but should be known."""
    restless = [row.label for row in rows if not row.steady]
    return [f"not steady after {MOST_WINDOWS} s of warm-up: {', '.join(restless)}"] if restless else []


def _wrong_ceilings(rows: Sequence[Row]) -> list[str]:
    """More than a ceiling is no achievement: what it was computed from is wrong."""
    above = [f"{r.label} {words.percent(r.share)}" for r in rows if r.share and r.share > ceilings.EXCEEDED]
    return [f"the ceiling is wrong, as it was exceeded: {', '.join(above)}"] if above else []


def _others(result: CellResult) -> list[str]:
    found = best.standing(result)
    if found is None:
        return []
    others = [row for row in result.models if row not in found.bests.values()]
    if not result.cell.workload.kind.compared:
        rest = best.ranked(others, found.figure)
        return ["beside these: " + _values(rest, found.figure)] if rest else []
    out, shared = [], found.first.configuration.shares_cores
    for lead, apart in (("", False), (", cores shared by one and not the other", True)):
        rows = [row for row in others if (row.configuration.shares_cores != shared) is apart]
        known = [c for row in rows if (c := result.compare(found.first, row, found.figure))]
        if known:
            said = "; ".join(words.compared(known))
            out.append(f"{found.figure.name}{lead}{words.sureness(*known)}: {said}")
    floor = result.floor
    if floor and found.figure is CPU and floor.configuration.shares_cores == shared:
        rows = [row for row in result.models if row.configuration.shares_cores == shared]
        known = [c for row in rows if (c := result.compare(row, floor, CPU))]
        multiples = ", ".join(f"{c.first} {words.ratio_text(c)}" for c in known)
        lead = f"× floor, {floor.cpu_us:.1f} µs of CPU{words.sureness(*known)}: "
        out += [lead + multiples] if known else []
    return out


_ALLOWS = {
    "pool": "the pool",
    "connections": "the connections",
    "loop": "one loop, held up",
    "helpers": "helper threads",
    "cores": "computing alone",
    "best": "the least that any needed",
    "floor": "the floor server's CPU",
    "backend": "connections to the database",
    "database": "the database's CPU",
}


def _ceilings(result: CellResult) -> list[str]:
    """What arithmetic allows each; what was reached of it stands in the table."""
    rows = [row for row in result.models if not row.void]
    groups: dict[str, list[str]] = {}
    for row in rows:
        for each in row.ceilings:
            groups.setdefault(f"{each.formula} ({_ALLOWS[each.kind]})", []).append(row.label)
    parts = [
        f"{text} for {'all' if len(labels) == len(rows) else words.listed(labels)}"
        for text, labels in groups.items()
    ]
    return ["ceilings: " + "; ".join(parts)] if parts else []
