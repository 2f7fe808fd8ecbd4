# SPDX-License-Identifier: MIT
"""What the best possible server would reach in a cell, and what stopped this one.

A ceiling is analytic: it follows from the workload, the cores and the pool, with two
measured inputs, the CPU time of the computing alone and the floor server's CPU time per
request. Nothing is fitted to the result it judges.
"""

from __future__ import annotations

from dataclasses import dataclass

from .plan import POOLS, Configuration, Workload

FULL = 0.90  # of wrk's cores, the server's cores or a ceiling of cores: then it limits
# A wait is never shorter than asked for, and a short run loses its first and last requests:
# a ceiling of waiting limits already from here.
WAIT_FULL = 0.85


@dataclass(frozen=True)
class Ceiling:
    """rps: None where an input is missing. kind: pool, connections, cores or floor."""

    rps: float | None
    kind: str
    formula: str


def for_configuration(
    workload: Workload,
    connections: int,
    configuration: Configuration,
    compute_us: float | None,
    floor_us: float | None,
) -> Ceiling:
    """The lowest of the ceilings that apply.

    compute_us: CPU time of the request's computing, measured one request at a time.
    floor_us: the floor server's CPU time per request under the same load.
    """
    cores = configuration.usable_cores
    options = []
    if workload.wait_ms > 0:
        contexts = configuration.contexts(connections)
        pooled = configuration.model in POOLS and configuration.workers < connections
        busy_ms = workload.wait_ms + (compute_us or 0.0) / 1e3
        rps = contexts / (busy_ms / 1e3)
        options.append(
            Ceiling(
                rps,
                "pool" if pooled else "connections",
                f"{contexts}/{busy_ms:.3g} ms = {rps:,.0f}/s",
            )
        )
    cost_us, what = (floor_us, "floor") if workload.floor else (compute_us, "cores")
    if cost_us:
        rps = cores * 1e6 / cost_us
        unit = "core" if cores == 1 else "cores"
        options.append(Ceiling(rps, what, f"{cores} {unit}/{_time(cost_us)} = {rps:,.0f}/s"))
    known = [option for option in options if option.rps]
    return min(known, key=lambda c: c.rps or 0.0) if known else Ceiling(None, "unknown", "")


def limiter(
    configuration: Configuration,
    ceiling: Ceiling,
    rps: float,
    server_cores: float,
    load_cpu_share: float,
) -> str:
    """What kept the throughput where it is, as far as the figures tell; "" if they do not.

    server_cores: cores' worth of CPU the server used. load_cpu_share: of wrk's cores.
    """
    if configuration.shares_cores:
        used = server_cores + load_cpu_share * len(configuration.load_cpus)
        if used >= FULL * len(configuration.server_cpus):
            return "CPU shared with wrk"
    elif load_cpu_share >= FULL:
        return "wrk"
    share = rps / ceiling.rps if ceiling.rps else 0.0
    if share >= WAIT_FULL and ceiling.kind in ("pool", "connections"):
        return "pool size" if ceiling.kind == "pool" else "connections"
    all_computing = share >= FULL and ceiling.kind == "cores"
    if all_computing or server_cores >= FULL * configuration.usable_cores:
        if configuration.gil:
            return "the lock (--gil)"
        if configuration.model == "coro" and configuration.workers == 1:
            return "one loop's core"
        return "server CPU"
    return ""


def _time(us: float) -> str:
    return f"{us / 1e3:.3g} ms" if us >= 1e3 else f"{us:.3g} µs"
