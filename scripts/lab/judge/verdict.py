# SPDX-License-Identifier: MIT
"""A cell's result in one sentence, and what else follows from it in notes.

    sleep, 256 connections: requests/s (95 % of 10 blocks): coro 3.98 × threads(64) [3.95, 4.01];
    equal to prefork(256) within ±3 %

The best of each model enters, and the first of them is compared with the others: in throughput,
unless the load generator was what limited it; then that says nothing of the servers, and CPU time
per request is compared instead, and throughput named where it differs by more.
"""

from __future__ import annotations

from typing import Iterable

from . import best, ceilings, words
from .analysis import CPU, RPS, CellResult, Figure, Row
from .best import Standing
from .ceilings import COMPANY, ROUND_TRIPS, SMALL, WAITS


def sentence(result: CellResult) -> str:
    found = best.standing(result)
    if found is None:
        return f"{result.cell.name}: no configuration gave a result that can be believed"
    return f"{result.cell.name}: " + "; ".join([*ratios(result, found), *_left_out(result, found)])


def ratios(result: CellResult, found: Standing) -> list[str]:
    """What the first is to the others; their figures where no ratio says more."""
    known = [c for c in found.ahead.values() if c and result.cell.workload.kind.compared]
    if not known:
        return [f"{found.figure.name}: {_values(found.bests.values(), found.figure)}"]
    lead, *parts = words.compared(known)
    parts.insert(0, f"{found.figure.name}{words.sureness(*known)}: {lead}")
    faster = []  # throughputs that differ by more than CPU per request does
    for name, cpu in found.ahead.items() if found.figure is CPU else ():
        rate = result.compare(found.first, found.bests[name], RPS)
        if rate and cpu and rate.decided and rate.distance > cpu.distance:
            faster.append(words.ratio_times(rate))
    return parts + ([f"but requests/s {', '.join(faster)}"] if faster else [])


def _values(rows: Iterable[Row], figure: Figure) -> str:
    return ", ".join(f"{row.label} {figure.form(best.value(row, figure))}" for row in rows)


def _left_out(result: CellResult, found: Standing) -> list[str]:
    """Who is not in the sentence, and why."""
    contenders = best.contenders(result)
    models = {row.configuration.model for rows in contenders.values() for row in rows}
    missing = [name for name in contenders if name not in found.bests]
    void = [name for name in missing if all(row.void for row in contenders[name])]
    reasons = {
        "void": void,
        "too few answers for a p99": [name for name in missing if name not in void],
        "not compared, as it shared cores with wrk": [
            row.label for row in result.models
            if row.configuration.shares_cores and row.configuration.model not in models
        ],
    }  # fmt: skip
    return [f"{why}: {words.listed(names)}" for why, names in reasons.items() if names]


def notes(result: CellResult) -> list[str]:
    """What the sentence has no room for: the other configurations, and what limited each."""
    limits = _database_part(result) + _limits(result) if result.cell.workload.kind.compared else []
    return _others(result) + limits


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


def _database_part(result: CellResult) -> list[str]:
    """What the connections to the database allow by Little's law, what its CPU allows, and what
    each configuration reached of the lower of the two."""
    groups: dict[str, list[str]] = {}
    exceeded = []
    for row in result.models if result.backend else []:
        assert result.backend is not None
        allowed = ceilings.of_backend(
            result.cell.workload, row.configuration, result.cell.connections, result.backend
        )
        if row.void or not allowed:
            continue
        allows = {"backend": "connections to the database allow {} (Little's law)",
                 "pool": "as many workers as it has allow {} (Little's law)",
                 "connections": "as many connections as there are allow {} (Little's law)",
                 "database": "its CPU allows {}"}  # fmt: skip
        text = ", ".join(allows[found.kind].format(found.formula) for found in allowed)
        share = row.rps / min(found.rps or 0.0 for found in allowed)
        groups.setdefault(text, []).append(f"{row.label} {words.percent(share)}")
        if share > ceilings.EXCEEDED:
            exceeded.append(row.label)
    parts = [f"{text}; of the lower: {words.listed(reached)}" for text, reached in groups.items()]
    if exceeded:
        parts.append(f"{words.listed(exceeded)} exceeded it: what it follows from was measured in company")
    return parts


def _limits(result: CellResult) -> list[str]:
    """Rows grouped by what limited them: a reason is said once."""
    groups: dict[str, list[Row]] = {}
    for row in result.models:
        if row.void or row.limiter in ("", ROUND_TRIPS, SMALL):
            continue
        groups.setdefault(_limit_text(row), []).append(row)
    texts: list[str] = []
    for text, rows in groups.items():
        names = words.listed([row.label for row in rows])
        shares = [row.share for row in rows if row.share is not None]
        reached = f", {words.percent(min(shares))} reached" if shares and ":" in text else ""
        texts.append(f"{names} limited by {text}{reached}")
    return texts


def _limit_text(row: Row) -> str:
    formula = row.ceiling.formula
    limiter = row.limiter.removesuffix(COMPANY)
    if limiter in WAITS.values():
        what = {"pool size": "the pool", "connections": "the connections"}.get(limiter, limiter)
        if limiter != row.limiter:
            what += f"{COMPANY} ({words.percent(row.others_cores)} of a core)"
        return f"{what}: {formula}"
    if row.limiter == "wrk":
        return "wrk, the load generator"
    if row.ceiling.kind == "cores" and row.limiter in ("server CPU", "one loop's core"):
        return f"{row.limiter}: {formula}"
    return row.limiter
