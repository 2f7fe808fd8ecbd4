# SPDX-License-Identifier: MIT
"""A cell's result in one sentence.

    sleep, 256 connections: coro 3.98 × threads(64) [3.95, 4.01]; threads(64) limited by
    the pool: 64/20 ms = 3,200/s, 99 % reached

Throughput is compared unless the load generator was what limited it; then it says nothing
of the servers, and CPU time per request is compared instead.
"""

from __future__ import annotations

from ..ask.kinds import Kind
from . import analysis, ceilings, words
from .analysis import CellResult, Row
from .ceilings import COMPANY, ROUND_TRIPS, SMALL, WAITS
from .stats import ENOUGH_BLOCKS, Ratio

REFERENCE_MODEL = "threads"


def by_cpu(result: CellResult) -> bool:
    """Whether CPU per request is the figure to compare: wrk, not a server, was the limit."""
    return result.cell.workload.floor or any(
        row.limiter == "wrk" and not row.void for row in result.models
    )


def reference(result: CellResult) -> Row | None:
    """What the others are compared with: threads where it ran, else the first that counts."""
    alive = [row for row in result.models if not row.void]
    threads = [row for row in alive if row.configuration.model == REFERENCE_MODEL]
    return next(iter(threads + alive), None)


def sentence(result: CellResult, noise: float) -> str:
    """noise: how far the A/A pair was from 1; with few blocks, less than that proves nothing."""
    if not result.cell.workload.kind.compared:
        return _special(result)
    cpu = by_cpu(result)
    base = reference(result)
    parts = []
    if base is None:
        parts.append("no configuration gave a result that can be believed")
    else:
        comparisons = _comparisons(result, base, cpu, noise)
        if comparisons:
            parts.append(("CPU per request: " if cpu else "") + ", ".join(comparisons))
        parts += _floor_part(result) if cpu else []
        parts += _database_part(result)
        parts += _limits(result)
    void = [row.label for row in result.rows if row.void]
    if void:
        parts.append(f"void: {', '.join(void)}")
    return f"{result.cell.name}: " + "; ".join(parts)


def is_tie(found: Ratio, noise: float) -> bool:
    """Whether it is not known which is ahead."""
    return found.tie or in_noise(found, noise)


def in_noise(found: Ratio, noise: float) -> bool:
    """A few blocks' range misses 1 by chance too often: then the A/A pair must be beaten too."""
    if found.tie:
        return False
    return found.blocks < ENOUGH_BLOCKS and abs(found.median - 1.0) <= noise


def _comparisons(result: CellResult, base: Row, cpu: bool, noise: float) -> list[str]:
    """Each row against the base: the different ones first, then the ties together, last those
    whose range misses 1, but by less than the A/A pair does."""
    different, ties, noisy = [], [], []
    for row in result.models:
        found = analysis.ratio(row, base, analysis.cpu_us if cpu else analysis.rps)
        if row is base or found is None:
            continue
        interval = f"[{found.low:.2f}, {found.high:.2f}]"
        text = f"{row.label} {found.median:.2f} × {base.label} {interval}"
        if found.tie:
            ties.append(f"{row.label} {interval}")
        elif in_noise(found, noise):
            noisy.append(text)
        else:
            different.append(text)
    if ties:
        verb = "ties" if len(ties) == 1 else "tie"
        different.append(f"{words.listed(ties)} {verb} with {base.label}")
    if noisy:
        different.append(f"within the noise of ±{words.percent(noise)}: {words.listed(noisy)}")
    return different


def _floor_part(result: CellResult) -> list[str]:
    floor = result.floor
    if floor is None or floor.void:
        return []
    multiples = []
    for row in result.models:
        found = analysis.ratio(row, floor, analysis.cpu_us)
        if found:
            multiples.append(f"{row.label} {found.median:.2f}")
    if not multiples:
        return []
    return [f"× floor ({floor.cpu_us:.1f} µs): " + ", ".join(multiples)]


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
        verb = "by" if texts else "limited by"
        texts.append(f"{names} {verb} {text}{reached}")
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
    believed = [row for row in result.models if not row.void]
    parts = [lead + ", ".join(text(row) for row in believed)] if believed else []
    void = [row.label for row in result.rows if row.void]
    parts += [f"void: {', '.join(void)}"] if void else []
    return f"{result.cell.name}: " + "; ".join(parts)
