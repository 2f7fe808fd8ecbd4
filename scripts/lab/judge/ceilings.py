# SPDX-License-Identifier: MIT
"""What the best possible server would reach in a cell, and what stopped this one.

A ceiling is analytic: it follows from the workload, the cores and the pool, with two
measured inputs, the CPU time of the computing alone and the floor server's CPU time per
request; behind a database, with what one request alone needs of it and the least of its CPU
that any configuration of the cell used for one. So too with files and bodies that come back,
where a request costs mostly what the kernel makes of it: the least that any configuration of
the cell needed for one, alone or under load. Nothing is fitted to the row it judges.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ask.plan import ONE_LOCK, Configuration
from ..ask.workloads import Workload

FULL = 0.90  # of wrk's cores, the server's cores or a ceiling of cores: then it limits
# A wait is never shorter than asked for, and a short run loses its first and last requests:
# a ceiling of waiting limits already from here.
WAIT_FULL = 0.85
EXCEEDED = 1.05  # by more than this, noise is no excuse: the ceiling is wrong, and it is said so
# Neither the server's cores nor wrk's were used up: each connection waits for its answer and
# then for the next question.
ROUND_TRIPS = "round trips"
SMALL = "small load on purpose"
LOCK, CPYTHON_LOCK = "the lock (--gil)", "CPython's lock"
LOOP_CORE, SERVER_CPU = "one loop's core", "server CPU"
OFFERED = "the rate offered"  # by an open loop, or users who think
OVERLOAD = "overload"  # of an open load: more is offered than is answered


@dataclass(frozen=True)
class Backend:
    """What was measured of a database, 0 where it is not known.

    service_us: how long a request alone needs a connection. cpu_us, load_us: CPU time that it
    costs the database, and wrk on the same cores.
    """

    service_us: float = 0.0
    cpu_us: float = 0.0
    load_us: float = 0.0


@dataclass(frozen=True)
class Ceiling:
    """rps: None where none is known, as an input is missing.

    kind: pool, connections, loop or helpers (waits); cores, best or floor (CPU); backend (a
    database's connections) or database (its CPU).
    """

    rps: float | None
    kind: str
    formula: str


def in_window(wait_ms: float, window_s: float, connecting_s: float | None) -> float:
    """The share of a rate of waits that a window shows: the load generator first connects, and
    only then the first wait begins.

    Answers come in bursts, one wait apart, and the first of them after one: in a time of w waits
    w - 1/2 of them are seen, taken over where its end may fall.
    """
    loaded_s = max(0.0, window_s - (connecting_s or 0.0))
    if loaded_s * 1e3 < 2 * wait_ms:
        return 1.0
    return (loaded_s - wait_ms / 2e3) / window_s


@dataclass(frozen=True)
class Measured:
    """What the ceilings of a cell follow from; None: not known.

    compute_us: CPU time of the request's computing, with no other at the same time.
    floor_us: the floor server's CPU time per request under the same load.
    least_us: CPU time per request under load, of the configuration that needed least.
    """

    compute_us: float | None = None
    floor_us: float | None = None
    least_us: float | None = None
    backend: Backend | None = None


UNKNOWN = Ceiling(None, "unknown", "")


def for_configuration(
    workload: Workload, connections: int, configuration: Configuration, measured: Measured
) -> list[Ceiling]:
    """All that apply, the lowest first; none where what counts is not throughput."""
    if not workload.kind.bounded:
        return []
    found = of_waits(workload, connections, configuration, measured.compute_us or 0.0)
    cost_us, what = _cost(workload, configuration, measured)
    if cost_us:
        cores = configuration.usable_cores
        found.append(_ceiling(cores * 1e6 / cost_us, what, f"{_cores(cores)}/{_time(cost_us)}"))
    if measured.backend:
        found += of_backend(workload, configuration, connections, measured.backend)
    return sorted(found, key=lambda ceiling: ceiling.rps or 0.0)


def of_waits(
    workload: Workload, connections: int, configuration: Configuration, compute_us: float = 0.0
) -> list[Ceiling]:
    """What waiting allows, one or none: as many requests at once as there are contexts for."""
    if configuration.waited_ms(workload) <= 0:
        return []
    contexts = configuration.contexts(connections, workload)
    busy_ms = configuration.waited_ms(workload) + compute_us / 1e3
    kind = _waiting_kind(workload, connections, configuration, contexts)
    return [_ceiling(contexts / (busy_ms / 1e3), kind, f"{contexts}/{busy_ms:.3g} ms")]


def of_backend(
    workload: Workload, configuration: Configuration, connections: int, backend: Backend
) -> list[Ceiling]:
    """What the database's connections, or the few workers there are for them, allow by Little's
    law (as many busy at once, each for the time that a request alone needs one), and what its CPU
    allows."""
    found = []
    contexts = configuration.contexts(connections, workload)
    usable = min(workload.db_connections, contexts)
    if backend.service_us:
        many = contexts >= workload.db_connections
        kind = "backend" if many else _waiting_kind(workload, connections, configuration, contexts)
        rps = usable * 1e6 / backend.service_us
        found.append(_ceiling(rps, kind, f"{usable}/{_time(backend.service_us)}"))
    if backend.cpu_us:
        cores = len(configuration.load_cpus)  # shared with wrk
        rps = cores * 1e6 / (backend.cpu_us + backend.load_us)
        cost = f"{_time(backend.cpu_us)} of the database + {_time(backend.load_us)} of wrk"
        found.append(_ceiling(rps, "database", f"{_cores(cores)}/({cost})"))
    return found


def _ceiling(rps: float, kind: str, formula: str) -> Ceiling:
    best = " at best" if kind == "best" else ""
    return Ceiling(rps, kind, f"{formula}{best} = {rps:,.0f}/s")


def _cores(count: int) -> str:
    return f"{count} core{'s' if count > 1 else ''}"


def _waiting_kind(
    workload: Workload, connections: int, configuration: Configuration, contexts: int
) -> str:
    if contexts >= connections:
        return "connections"
    if configuration.pooled:
        return "pool"
    return "loop" if workload.loop_contexts == 1 else "helpers"


def _cost(
    workload: Workload, configuration: Configuration, measured: Measured
) -> tuple[float | None, str]:
    """CPU time of the least a request can take, and where that figure comes from."""
    if workload.database:
        return None, "none"  # what one alone takes is mostly waking up, which a load saves
    if workload.floor:
        return measured.floor_us, "floor"
    if workload.files or workload.post_bytes:
        # Alone it was measured with our server: that says nothing of another one's.
        known = [measured.least_us, None if configuration.peer else measured.compute_us]
        return min((us for us in known if us), default=None), "best"
    return measured.compute_us, "cores"


# What is said to limit where a ceiling of waiting is reached.
WAITS = {
    "pool": "pool size",
    "connections": "connections",
    "loop": "the loop is held",
    "helpers": "helper threads",
    "backend": "backend connections",
}


def limiter(
    workload: Workload,
    configuration: Configuration,
    ceiling: Ceiling,
    share: float,
    server_cores: float,
    load_cpu_share: float,
    load_cores: float,
    backend_cores: float = 0.0,
) -> str:
    """What kept the throughput where it is.

    share: of the ceiling. server_cores, load_cores, backend_cores: cores' worth of CPU that the
    server, wrk and the database used. load_cpu_share: of the cores that wrk could use; it may have
    fewer threads than cores.
    """
    if workload.kind.counted:
        return SMALL
    if configuration.offered or workload.think_ms:
        return OFFERED
    if backend_cores and not configuration.shares_cores:
        if backend_cores + load_cores >= FULL * len(configuration.load_cpus):  # that the two share
            return "the database's CPU" if backend_cores >= load_cores else "wrk"
    if configuration.shares_cores:
        if server_cores + load_cores + backend_cores >= FULL * len(configuration.server_cpus):
            return "CPU shared with wrk"
    elif load_cpu_share >= FULL:
        return "wrk"
    if WAIT_FULL <= share <= EXCEEDED and ceiling.kind in WAITS:
        return WAITS[ceiling.kind]
    all_computing = share >= FULL and ceiling.kind == "cores"
    if all_computing or server_cores >= FULL * configuration.usable_cores:
        if configuration.gil:
            return LOCK
        if configuration.model in ONE_LOCK:
            return CPYTHON_LOCK
        if not configuration.pooled and configuration.workers == 1 and not configuration.floor:
            return LOOP_CORE
        return SERVER_CPU
    return ROUND_TRIPS


def servers(limit: str, workload: Workload, connections: int, configuration: Configuration) -> int:
    """For how many servers requests queue, in the sense of queueing theory, where this is the
    limiter(): contexts or cores; 0 where what limits is no such queue of the server's own."""
    if limit in (WAITS["pool"], WAITS["loop"], WAITS["helpers"]):
        return configuration.contexts(connections, workload)
    return configuration.usable_cores if limit in (LOCK, CPYTHON_LOCK, LOOP_CORE, SERVER_CPU) else 0


def _time(us: float) -> str:
    return f"{us / 1e3:.3g} ms" if us >= 1e3 else f"{us:.3g} µs"
