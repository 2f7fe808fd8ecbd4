# SPDX-License-Identifier: MIT
"""Samples to rows: one per configuration of a cell, medians over the blocks that count."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, field, replace
from typing import Callable, Iterable, Mapping, Sequence

from ..ask.plan import AGAIN, Cell, Configuration
from ..measure.sample import Count, Sample
from ..measure.steady import MOST_WINDOWS
from ..measure.wrk import PERCENTILES
from . import ceilings, stats, words
from .ceilings import Ceiling
from .stats import Comparison

NOTED_CORES, NOTED_STEAL = 0.15, 0.01  # of others: what is less goes without a note
STOOD_STILL = 2.0  # times as long by time as by request: a closed load hides that a connection waits
BUSY_FLOOR = 0.5  # of a core: less, and much of what a request costs the floor server is waking up


@dataclass(frozen=True)
class Row:
    configuration: Configuration
    samples: tuple[Sample, ...]
    rps: float
    cpu_us: float
    percentiles_us: dict[str, float | None]
    max_us: float
    switches: float
    memory_bytes: float
    memory_per_worker_bytes: float
    server_cores: float
    load_cpu_share: float
    ceiling: Ceiling
    limiter: str
    void_reasons: tuple[str, ...]
    phantoms: int
    queued_us: float = 0.0
    run_queue: float = 0.0  # workers and threads, on average
    by_time_us: Mapping[str, float] = field(default_factory=dict)  # empty: not known
    in_progress: float = 0.0  # requests, on average
    others_cores: float = 0.0
    steal_share: float = 0.0
    waited_ms: float = 0.0  # in one request
    steady: bool = True
    extras: Mapping[str, float] = field(default_factory=dict)
    syscalls: Count | None = None

    @property
    def label(self) -> str:
        return self.configuration.label

    @property
    def valid(self) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if not sample.void)

    @property
    def void(self) -> bool:
        """Half of the blocks or more cannot be believed; no comparison is made with it."""
        return len(self.valid) * 2 <= len(self.samples)

    @property
    def share(self) -> float | None:
        """Throughput as a share of the ceiling."""
        return None if self.void else self.ceiling.share(self.rps)


@dataclass(frozen=True)
class Figure:
    """What configurations are compared in. form: to show a value. typical: of those of all blocks."""

    name: str
    of: Callable[[Sample], float]
    form: Callable[[float], str]
    less_is_better: bool = True
    typical: Callable[[Iterable[float]], float] = statistics.median


def _p99_us(sample: Sample) -> float:
    """0 where too few samples make no percentile."""
    return (sample.load.percentiles_us["p99"] if sample.load else None) or 0.0


RPS = Figure("requests/s", lambda s: s.rps, lambda v: f"{v:,.0f}", False)
CPU = Figure("CPU per request", lambda s: s.cpu_us, lambda v: f"{v:,.1f} µs")
P99 = Figure("p99", _p99_us, words.duration_text)


@dataclass(frozen=True)
class CellResult:
    """noise: how far a configuration that ran twice was from itself, by figure."""

    cell: Cell
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    backend: ceilings.Backend | None = None  # of a workload that asks a database
    noise: Mapping[str, float] = field(default_factory=dict)

    def row(self, label: str) -> Row | None:
        return next((row for row in self.rows if row.label == label), None)

    @property
    def floor(self) -> Row | None:
        return next((row for row in self.rows if row.configuration.floor), None)

    @property
    def models(self) -> list[Row]:
        """Rows to be compared: neither the floor nor the second half of the A/A pair."""
        return [
            row
            for row in self.rows
            if not row.configuration.floor and not row.configuration.again
        ]

    @property
    def by_cpu(self) -> bool:
        """Whether CPU per request is the figure to compare: wrk, not a server, was the limit."""
        return self.cell.workload.floor or any(
            row.limiter == "wrk" and not row.void for row in self.models
        )

    def compare(self, first: Row | None, second: Row | None, figure: Figure) -> Comparison | None:
        """None where there is no block in which both can be believed."""
        if first is None or second is None or first.void or second.void:
            return None
        noise = self.noise.get(figure.name, stats.WITHIN)
        names = {"first": first.label, "second": second.label, "figure": figure.name}
        return stats.paired(pairs(first, second, figure), noise=noise, **names)

    def aa_pair(self, figure: Figure) -> Comparison | None:
        """The configuration that was run twice, to itself."""
        again = next((row for row in self.rows if row.configuration.again), None)
        once = self.row(again.label.removesuffix(AGAIN)) if again else None
        return self.compare(again, once, figure)


def pairs(first: Row, second: Row, figure: Figure) -> list[tuple[float, float]]:
    """Of each block in which both can be believed."""
    others = {sample.block: sample for sample in second.valid}
    return [
        (comparable(first, sample, figure), comparable(second, others[sample.block], figure))
        for sample in first.valid
        if sample.block in others
    ]


def comparable(row: Row, sample: Sample, figure: Figure) -> float:
    """Windows of one cell may differ in length, and all lose the same time at their beginning."""
    value, load = figure.of(sample), sample.load
    if figure is not RPS or load is None or not row.waited_ms:
        return value
    return value / ceilings.in_window(row.waited_ms, load.duration_s, load.connecting_s)


def _noise(samples: Sequence[Sample], here: tuple[str, int], figure: Figure) -> float:
    """How far a configuration was from itself in this cell, else in the worst of all; WITHIN where
    none ran twice, or in too few blocks that can be believed."""
    seen = {(s.workload, s.connections, s.configuration, s.block): s for s in samples if not s.void}
    pairs: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for (workload, connections, label, block), again in seen.items():
        once = seen.get((workload, connections, label.removesuffix(AGAIN), block))
        if once and once is not again:
            pairs.setdefault((workload, connections), []).append((figure.of(again), figure.of(once)))
    compared = {cell: stats.paired(each) for cell, each in pairs.items()}
    known = {cell: c.distance for cell, c in compared.items() if c and c.n >= stats.ENOUGH}
    return known.get(here, max(known.values(), default=stats.WITHIN))


def analyse(
    cell: Cell, samples: Iterable[Sample], counts: Sequence[Count] = ()
) -> CellResult:
    key = (cell.workload.name, cell.connections)
    samples = list(samples)
    mine = [s for s in samples if (s.workload, s.connections) == key]
    compute = [s.single_cpu_us for s in mine if s.single_cpu_us and not s.answer_problem]
    compute_us = statistics.median(compute) if compute else None
    calls = {c.configuration: c for c in counts if (c.workload, c.connections) == key}
    floor_us = _floor_us(cell, samples)
    backend = _backend(mine) if cell.workload.database else None
    measured = ceilings.Measured(compute_us, floor_us, _least_cpu_us(mine), backend)
    rows = tuple(
        replace(
            _row(cell, c, [s for s in mine if s.configuration == c.label], measured),
            syscalls=calls.get(c.label),
        )
        for c in cell.configurations
    )
    noise = {figure.name: _noise(samples, key, figure) for figure in (RPS, CPU)}
    notes = (
        *_company(rows), *_stood_still(cell, rows), *_restless(mine), *_wrong_ceilings(rows),
    )
    return CellResult(cell, rows, notes, backend, noise)


def _floor_us(cell: Cell, samples: Sequence[Sample]) -> float | None:
    """CPU time per request of the floor server in this cell. Few connections let it sleep between
    requests, and waking up costs more than a request: then the least of it with any number."""
    names = {cell.workload.name} | ({"hello"} if cell.workload.parked else set())
    floors: dict[tuple[str, int], list[Sample]] = {}
    for s in samples:
        if s.configuration == "floor" and s.workload in names and not s.void:
            floors.setdefault((s.workload, s.connections), []).append(s)
    own = floors.get((cell.workload.name, cell.connections), [])
    if own and statistics.median(s.server_cores for s in own) >= BUSY_FLOOR:
        return statistics.median(s.cpu_us for s in own)
    return min((statistics.median(s.cpu_us for s in each) for each in floors.values()), default=None)


def _least_cpu_us(samples: Sequence[Sample]) -> float | None:
    """CPU time per request of the configuration that needed least."""
    costs: dict[str, list[float]] = {}
    for s in samples:
        if s.load and s.load.requests and not s.void:
            costs.setdefault(s.configuration, []).append(s.cpu_us)
    return min((statistics.median(each) for each in costs.values()), default=None)


def _wrong_ceilings(rows: Sequence[Row]) -> list[str]:
    """More than a ceiling is no achievement: what it was computed from is wrong."""
    above = [
        f"{row.label} {row.share * 100:.0f} %"
        for row in rows
        if row.share is not None and row.share > ceilings.EXCEEDED
    ]
    return [f"the ceiling is wrong, as it was exceeded: {', '.join(above)}"] if above else []


def _backend(samples: Sequence[Sample]) -> ceilings.Backend:
    """What the database costs at best: the least of what was seen with any configuration, so
    that all are held against the same ceiling."""
    alone = [us for s in samples if (us := s.extras.get("service_us", 0.0)) > 0]
    costs: dict[str, list[tuple[float, float]]] = {}
    for s in samples:
        if s.load and s.load.requests and s.extras.get("backend_us") and not s.void:
            load_us = s.load.cpu_share * s.load.cpus * s.load.duration_s * 1e6 / s.load.requests
            costs.setdefault(s.configuration, []).append((s.extras["backend_us"], load_us))
    medians = [
        (statistics.median(own for own, _ in pairs), statistics.median(of for _, of in pairs))
        for pairs in costs.values()
    ]
    cpu_us, load_us = min(medians, key=sum, default=(0.0, 0.0))
    return ceilings.Backend(min(alone, default=0.0), cpu_us, load_us)


def _row(
    cell: Cell,
    configuration: Configuration,
    samples: Sequence[Sample],
    measured: ceilings.Measured,
) -> Row:
    valid = [s for s in samples if not s.void and (s.load or s.extras)]
    # A void row still shows what was seen, marked; that is what one debugs with.
    shown = valid or [s for s in samples if s.load or s.extras]
    extras = _extras(shown)
    backend = measured.backend
    if backend:
        backend = replace(backend, cores=extras.get("backend_cores", 0.0))
    window_s = _median(s.load.duration_s for s in shown if s.load) or None
    connecting = [s.load.connecting_s for s in shown if s.load and s.load.connecting_s is not None]
    ceiling = ceilings.for_configuration(
        cell.workload, cell.connections, configuration, measured, window_s, _median(connecting)
    )
    throughput = _median(s.rps for s in shown)
    server_cores = _median(s.server_cores for s in shown)
    load_cpu = _median(s.load.cpu_share for s in shown if s.load)
    others_cores = _median(s.others_cores for s in shown)
    loads = [s.load for s in shown if s.load]
    percentiles: dict[str, float | None] = {}
    by_time: dict[str, float] = {}
    for name in PERCENTILES:
        # Of each block its own percentile, and of those the median: never pooled.
        values = [load.percentiles_us[name] for load in loads]
        known = [value for value in values if value is not None]
        complete = bool(known) and len(known) == len(values)
        percentiles[name] = statistics.median(known) if complete else None
        if loads and all(load.by_time_us for load in loads):
            by_time[name] = _median((load.by_time_us or {})[name] for load in loads)
    return Row(
        configuration=configuration,
        samples=tuple(samples),
        rps=throughput,
        cpu_us=_median(s.cpu_us for s in shown),
        percentiles_us=percentiles,
        max_us=max((s.load.max_us for s in shown if s.load), default=0.0),
        switches=_median(s.switches for s in shown),
        memory_bytes=_median(s.memory_bytes + s.master_bytes for s in shown),
        memory_per_worker_bytes=_median(s.memory_bytes / configuration.workers for s in shown),
        server_cores=server_cores,
        load_cpu_share=load_cpu,
        others_cores=others_cores,
        steal_share=_median(s.steal_share for s in shown),
        waited_ms=configuration.waited_ms(cell.workload),
        ceiling=ceiling,
        limiter=ceilings.limiter(
            cell.workload, configuration, ceiling, throughput, server_cores, load_cpu, backend,
            load_cores=_median(s.load.cpu_share * s.load.cpus for s in shown if s.load),
            others_cores=others_cores,
        ),
        void_reasons=merge_reasons([reason for s in samples for reason in s.gates]),
        phantoms=sum(s.load.phantoms for s in shown if s.load),
        queued_us=_median(s.queued_us for s in shown),
        run_queue=_median(s.run_queue for s in shown),
        by_time_us=by_time,
        in_progress=_median(load.in_progress for load in loads),
        steady=all(s.steady for s in samples),
        extras=extras,
    )


# What must never happen is not typical: its worst block counts, not its median.
WORST = ("lost", "reset", "still_cut")


def _extras(samples: Sequence[Sample]) -> dict[str, float]:
    found = {}
    for name in sorted({name for sample in samples for name in sample.extras}):
        values = [sample.extras[name] for sample in samples if name in sample.extras]
        found[name] = max(values) if name in WORST else statistics.median(values)
    return found


def merge_reasons(reasons: Sequence[str]) -> tuple[str, ...]:
    """Reasons that differ in their figures alone are said once, with the first figures."""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(re.sub(r"[\d.,]+", "#", reason), []).append(reason)
    return tuple(
        said[0] + (f" (and so in {len(said)} blocks)" if len(said) > 1 else "")
        for said in kinds.values()
    )


def _median(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.median(known) if known else 0.0


def _company(rows: Sequence[Row]) -> list[str]:
    """What other programs, and other machines on the same host, had of the cores meanwhile."""
    others = [f"{r.label} {r.others_cores * 100:.0f} %" for r in rows if r.others_cores >= NOTED_CORES]
    steal = [f"{r.label} {r.steal_share * 100:.1f} %" for r in rows if r.steal_share >= NOTED_STEAL]
    notes = [f"other programs had of a core, in the median: beside {', '.join(others)}"] if others else []
    return notes + ([f"the hypervisor took of the cores: from {', '.join(steal)}"] if steal else [])


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


def _restless(samples: Sequence[Sample]) -> list[str]:
    """What does not void a sample but should be known."""
    restless = sorted({s.configuration for s in samples if not s.steady})
    return [f"not steady after {MOST_WINDOWS} s of warm-up: {', '.join(restless)}"] if restless else []
