# SPDX-License-Identifier: MIT
"""Samples to rows: one per configuration of a cell, medians over the blocks that count."""

from __future__ import annotations

import itertools
import re
import statistics
from dataclasses import dataclass, field
from typing import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

from ..ask.plan import AGAIN, Cell, Configuration
from ..measure.sample import Count, Sample
from ..measure import histogram
from ..measure.load import GIVEN_UP
from ..measure.wrk import PERCENTILES, percentile
from . import ceilings, stats, words
from .ceilings import UNKNOWN, Ceiling
from .stats import Comparison

BACKLOG_SHARE = 0.04  # of the window: the oldest request is older than that where 4 % too much is offered
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
    ceilings: tuple[Ceiling, ...]  # the lowest first
    reached: float | None  # of that: a share
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
    offered_rps: float | None = None  # of an open load
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
    def ceiling(self) -> Ceiling:
        return self.ceilings[0] if self.ceilings else UNKNOWN

    @property
    def share(self) -> float | None:
        """Throughput as a share of the ceiling."""
        return None if self.void else self.reached


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


UNSEEN = "not measured"  # yet: the run was stopped in its first block
RPS = Figure("requests/s", lambda s: s.rps, lambda v: f"{v:,.0f}", False)
CPU = Figure("CPU per request", lambda s: s.cpu_us, lambda v: f"{v:,.1f} µs")
P99 = Figure("p99", _p99_us, words.duration_text)


@dataclass(frozen=True)
class CellResult:
    """noise: how far a configuration that ran twice was from itself, by figure. stopped: the cell had
    blocks until its ratios were narrow."""

    cell: Cell
    rows: tuple[Row, ...]
    noise: Mapping[str, float] = field(default_factory=dict)
    stopped: bool = False

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
        return stats.paired(pairs(first, second, figure), self.stopped, noise=noise, **names)

    def aa_pair(self, figure: Figure) -> Comparison | None:
        """The configuration that was run twice, to itself."""
        again = next((row for row in self.rows if row.configuration.again), None)
        once = self.row(again.label.removesuffix(AGAIN)) if again else None
        return self.compare(again, once, figure)


def matches(result: CellResult) -> Iterator[tuple[Row, Row]]:
    """Every two rows that can be compared: both believed, and under the same share of an open load."""
    rows = (row for row in result.rows if not row.void)
    for first, second in itertools.combinations(rows, 2):
        if first.configuration.offered == second.configuration.offered:
            yield first, second


def pairs(first: Row, second: Row, figure: Figure) -> list[tuple[float, float]]:
    """Of each block in which both can be believed."""
    others = {sample.block: sample for sample in second.valid}
    return [
        (comparable(first, sample, figure), comparable(second, others[sample.block], figure))
        for sample in first.valid
        if sample.block in others
    ]


def comparable(row: Row, sample: Sample, figure: Figure) -> float:
    return _waits_rate(sample, row.waited_ms) if figure is RPS else figure.of(sample)


def _waits_rate(sample: Sample, waited_ms: float) -> float:
    """Requests/s, over the time in which answers can come: windows of one cell may differ in length,
    and all lose the same time at their beginning."""
    load = sample.load
    if load is None or not waited_ms:
        return sample.rps
    return sample.rps / ceilings.in_window(waited_ms, load.duration_s, load.connecting_s)


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


def overloaded(samples: Iterable[Sample]) -> bool:
    """Whether, in more than half of the samples of an open load, the generator gave up or a backlog grew:
    at the end of a window of T seconds in which λ are offered and μ < λ are answered a second,
    the oldest request has waited (1 - μ/λ) T."""
    loads = [s.open for s in samples if s.open]
    grew = [
        load.stopped == GIVEN_UP
        or bool(load.backlog and load.backlog[-1][1] > BACKLOG_SHARE * load.seconds * 1e6)
        for load in loads
    ]
    return sum(grew) * 2 > len(grew)


def _open_percentiles(samples: Sequence[Sample]) -> dict[str, float | None]:
    """Of the histograms of all blocks in one, in µs: of what takes longer than a block allows to know
    too. None, also in overload, where they would say how long the load lasted."""
    known = [s.open.latency.hdr for s in samples if s.open]
    if not known or overloaded(samples):
        return dict.fromkeys(PERCENTILES)
    counts = histogram.merged(known)
    found = {name: percentile(counts, p) for name, p in PERCENTILES.items()}
    return {name: None if ns is None else ns / 1e3 for name, ns in found.items()}


def analyse(
    cell: Cell, samples: Sequence[Sample], counts: Sequence[Count] = (), stopped: bool = False
) -> CellResult:
    """samples: of all cells, evened (see distance)."""
    key = (cell.workload.name, cell.connections)
    mine = [s for s in samples if (s.workload, s.connections) == key]
    compute = [s.single_cpu_us for s in mine if s.single_cpu_us and not s.answer_problem]
    calls = {c.configuration: c for c in counts if (c.workload, c.connections) == key}
    measured = ceilings.Measured(
        compute_us=statistics.median(compute) if compute else None,
        floor_us=_floor_us(cell, samples),
        least_us=_least(mine, lambda s: s.configuration),
        backend=_backend(mine) if cell.workload.database else None,
    )
    rows = tuple(
        _row(cell, c, [s for s in mine if s.configuration == c.label], measured, calls.get(c.label))
        for c in cell.configurations
    )
    noise = {figure.name: _noise(samples, key, figure) for figure in (RPS, CPU)}
    return CellResult(cell, rows, noise, stopped)


def _floor_us(cell: Cell, samples: Sequence[Sample]) -> float | None:
    """CPU time per request of the floor server in this cell. Few connections let it sleep between
    requests, and waking up costs more than a request: then the least of it with any number."""
    names = {cell.workload.name} | ({"hello"} if cell.workload.parked else set())
    floors = [s for s in samples if s.configuration == "floor" and s.workload in names and not s.void]
    own = [s for s in floors if (s.workload, s.connections) == (cell.workload.name, cell.connections)]
    if own and statistics.median(s.server_cores for s in own) >= BUSY_FLOOR:
        return statistics.median(s.cpu_us for s in own)
    return _least(floors, lambda s: (s.workload, s.connections))


def _least(samples: Sequence[Sample], group: Callable[[Sample], Hashable]) -> float | None:
    """CPU time per request of the group that needed least."""
    groups: dict[Hashable, list[float]] = {}
    for s in samples:
        if s.load and s.load.requests and not s.void:
            groups.setdefault(group(s), []).append(s.cpu_us)
    return min((statistics.median(each) for each in groups.values()), default=None)


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
    syscalls: Count | None,
) -> Row:
    valid = [s for s in samples if not s.void and s.seen]
    # A void row still shows what was seen, marked; that is what one debugs with.
    shown = valid or [s for s in samples if s.seen]
    extras = _extras(shown)
    waited_ms = configuration.waited_ms(cell.workload)
    options = ceilings.for_configuration(cell.workload, cell.connections, configuration, measured)
    ceiling = options[0] if options else UNKNOWN
    rates = [_waits_rate(s, waited_ms if ceiling.kind in ceilings.WAITS else 0.0) for s in shown]
    reached = _median(rates) / ceiling.rps if ceiling.rps else None
    server_cores = _median(s.server_cores for s in shown)
    loads = [s.load for s in shown if s.load]
    opens = [s.open for s in shown if s.open]
    load_cpu = _median([load.cpu_share for load in loads] + [load.cpu_busy for load in opens])
    percentiles = {n: _percentile([load.percentiles_us[n] for load in loads]) for n in PERCENTILES}
    if configuration.offered:
        percentiles = _open_percentiles(shown)
    by_time = {}
    if loads and all(load.by_time_us for load in loads):
        by_time = {n: _median((load.by_time_us or {})[n] for load in loads) for n in PERCENTILES}
    return Row(
        configuration=configuration,
        samples=tuple(samples),
        rps=_median(s.rps for s in shown),
        cpu_us=_median(s.cpu_us for s in shown),
        percentiles_us=percentiles,
        max_us=max([load.max_us for load in loads] + [load.latency.max_us or 0.0 for load in opens], default=0.0),
        switches=_median(s.switches for s in shown),
        memory_bytes=_median(s.memory_bytes + s.master_bytes for s in shown),
        memory_per_worker_bytes=_median(s.memory_bytes / configuration.workers for s in shown),
        server_cores=server_cores,
        load_cpu_share=load_cpu,
        others_cores=_median(s.others_cores for s in shown),
        steal_share=_median(s.steal_share for s in shown),
        waited_ms=waited_ms,
        ceilings=tuple(options),
        reached=reached,
        limiter=ceilings.OVERLOAD if overloaded(shown) else ceilings.limiter(
            cell.workload, configuration, ceiling, reached or 0.0, server_cores, load_cpu,
            load_cores=_median(load.cpu_share * load.cpus for load in loads),
            backend_cores=extras.get("backend_cores", 0.0),
        ),
        void_reasons=merge_reasons([reason for s in samples for reason in s.gates]) if samples else (UNSEEN,),
        phantoms=sum(s.load.phantoms for s in shown if s.load),
        queued_us=_median(s.queued_us for s in shown),
        run_queue=_median(s.run_queue for s in shown),
        by_time_us=by_time,
        in_progress=_median(load.in_progress for load in loads),
        steady=all(s.steady for s in samples),
        offered_rps=_median(load.rate_asked for load in opens) if opens else None,
        extras=extras,
        syscalls=syscalls,
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


def _percentile(values: Sequence[float | None]) -> float | None:
    """Of each block its own, and of those the median: never pooled. None where one is not known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known and len(known) == len(values) else None


def _median(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.median(known) if known else 0.0
