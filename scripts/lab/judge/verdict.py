# SPDX-License-Identifier: MIT
"""A cell's result in one sentence, and what else follows from it in notes.

    sleep, 256 connections: requests/s: coro 3.98 × threads(64) [3.95, 4.01], equal to
    prefork(256) within ±3 %

The best of each model enters, and the first of them is compared with the others: in throughput,
unless the load generator was what limited it; then that says nothing of the servers, and CPU time
per request is compared instead, and throughput named where it differs by more.
"""

from __future__ import annotations

from typing import Sequence

from ..ask.kinds import Kind
from . import best, ceilings, words
from .analysis import CPU, RPS, CellResult, Row
from .best import Standing
from .ceilings import COMPANY, ROUND_TRIPS, SMALL, WAITS
from .stats import EQUAL, UNDECIDED, WITHIN, Comparison


def contenders(result: CellResult) -> dict[str, list[Row]]:
    """The three models; where there are not two of them, every configuration by itself."""
    models = {model: rows for model, rows in best.usual(result).items() if rows}
    return models if len(models) > 1 else {row.label: [row] for row in result.models}


def sentence(result: CellResult) -> str:
    if not result.cell.workload.kind.compared:
        return _special(result)
    rows, figure = contenders(result), best.figure(result)
    found = best.standing(result, rows, figure)
    if found is None:
        return f"{result.cell.name}: no configuration gave a result that can be believed"
    parts = compared(found.first.label, [c for c in found.ahead.values() if c])
    if figure is CPU:
        rates = [result.compare(found.first, found.bests[model], RPS) for model in found.ahead]
        parts += _faster(found, rates)
    parts = parts or [f"{found.first.label} {figure.form(best.value(found.first, figure))}"]
    if found.sharing:
        parts.append(f"{words.listed(found.sharing)} shared cores with wrk, the others did not")
    void = [name for name in rows if name not in found.bests]
    parts += [f"void: {words.listed(void)}"] if void else []
    return f"{result.cell.name}: {figure.name}: " + "; ".join(parts)


def compared(first: str, found: Sequence[Comparison]) -> list[str]:
    """What of several comparisons of the same one: the decided, the equal, the undecided."""
    decided = [f"{words.ratio_times(c)}" for c in found if c.decided]
    equal = [c.second for c in found if c.state == EQUAL]
    parts = [f"{first} {', '.join(decided)}"] if decided else []
    if equal:
        parts.append(f"{first} equal to {words.listed(equal)} within ±{words.percent(WITHIN)}")
    open_ones = [words.ratio_times(c) for c in found if c.state == UNDECIDED]
    if open_ones:
        doubts = {words.doubt(c): None for c in found if c.state == UNDECIDED}
        parts.append(f"{first} {', '.join(open_ones)} undecided ({', '.join(doubts)})")
    return parts


def _faster(found: Standing, rates: Sequence[Comparison | None]) -> list[str]:
    """The throughputs that differ by more than CPU per request does."""
    more = [
        words.ratio_times(rate) for rate, cpu in zip(rates, found.ahead.values())
        if rate and cpu and rate.decided and rate.distance > cpu.distance
    ]  # fmt: skip
    return [f"but requests/s {', '.join(more)}"] if more else []


def notes(result: CellResult) -> list[str]:
    """What the sentence has no room for: the other configurations, and what limited each."""
    if not result.cell.workload.kind.compared:
        _, text = _SPECIAL[result.cell.workload.kind]
        rest = [row for row in result.models if not row.void and row not in _shown(result)]
        return ["beside these: " + ", ".join(map(text, rest))] if rest else []
    figure = best.figure(result)
    found = best.standing(result, contenders(result), figure)
    if found is None:
        return []
    out, shared = [], found.first.configuration.shares_cores
    others = [row for row in result.models if row not in found.bests.values()]
    for apart in (False, True):
        rows = [row for row in others if (row.configuration.shares_cores != shared) is apart]
        ratios = [c for row in rows if (c := result.compare(found.first, row, figure))]
        lead = f"{figure.name}, cores shared by one and not the other: " if apart else f"{figure.name}: "
        if ratios:
            out.append(lead + "; ".join(compared(found.first.label, ratios)))
    out += _floor_part(result) if figure is CPU else []
    return out + _database_part(result) + _limits(result)


def _floor_part(result: CellResult) -> list[str]:
    floor = result.floor
    if floor is None or floor.void:
        return []
    multiples = []
    for row in result.models:
        found = result.compare(row, floor, CPU)
        if found:
            multiples.append(f"{row.label} {words.ratio_text(found)}")
    if not multiples:
        return []
    return [f"× floor ({floor.cpu_us:.1f} µs of CPU): " + ", ".join(multiples)]


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


# --- workloads with figures of their own ------------------------------------------------


def _ms(value: float) -> str:
    return f"{value:.3g} ms"


def _crash(row: Row) -> str:
    lost, after = row.extras["lost"], row.extras["served_again_ms"]
    return f"{row.label} {lost:.0f} lost, served again after {_ms(after)}" if lost else (
        f"{row.label} none lost"
    )


def _drain(row: Row) -> str:
    return f"{row.label} {row.extras['lost']:.0f} lost, ended after {_ms(row.extras['drain_ms'])}"


def _parked(row: Row) -> str:
    cached = row.extras.get("cached_share")
    if cached is not None:
        return f"{row.label} {row.rps:,.0f}/s ({words.percent(min(cached, 1.0))} of the files in memory)"
    megabytes = row.extras["memory_total_bytes"] / (1 << 20)
    return f"{row.label} {row.extras['bytes_a_connection']:,.0f} ({megabytes:.1f} MB in all)"


def _beside(row: Row) -> str:
    for name in ("p99", "p90", "p50"):
        value = row.percentiles_us[name]
        if value is not None:
            return f"{row.label} {name} {_ms(value / 1e3)}"
    return f"{row.label} too few answers for a percentile ({row.rps:,.0f}/s)"


_SPECIAL = {
    Kind.CRASH: ("one worker killed, requests: ", _crash),
    Kind.DRAIN: ("SIGTERM, requests: ", _drain),
    Kind.PARKED: ("bytes of memory an idle connection: ", _parked),
    Kind.BESIDE: ("latency beside the slow requests: ", _beside),
}


def _special(result: CellResult) -> str:
    """No ratio: these figures are read as they are, each the median over the blocks."""
    lead, text = _SPECIAL[result.cell.workload.kind]
    if result.cell.workload.memory_bytes:
        lead = "requests a second with little memory: "
    rows = _shown(result)
    parts = [lead + ", ".join(map(text, rows))] if rows else []
    void = [row.label for row in result.rows if row.void]
    parts += [f"void: {', '.join(void)}"] if void else []
    return f"{result.cell.name}: " + "; ".join(parts)


def _shown(result: CellResult) -> list[Row]:
    """One of each contender."""
    figure = best.figure(result)
    alive = [[row for row in rows if not row.void] for rows in contenders(result).values()]
    return [(best.ranked(rows, figure) or rows)[0] for rows in alive if rows]
