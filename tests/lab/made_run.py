# SPDX-License-Identifier: MIT
"""Made-up runs as scripts/bench would have measured them: no server, no load, no noise but
what stands here. The figures are of the kind that two cores give."""

from __future__ import annotations

import functools
import json
import random
from dataclasses import replace
from typing import Any, Sequence

import made
from lab.ask import presets, workloads
from lab.ask.kinds import Kind
from lab.ask.plan import Cell, Configuration, ordered, with_capacity, with_shares
from lab.ask.workloads import WORKLOADS, Workload
from lab.measure.load import OpenLoad
from lab.measure.sample import Count, Sample
from lab.judge import conclusions, gates
from lab.show import document

HOSTILE = "<script>alert(1)</script>&\"'"
NGINX = Configuration("nginx", 1, *made.OWN)
GIL = replace(made.THREADS, gil=True)
ANEW = Configuration("prefork", 64, *made.OWN, anew=True, dispatch="connection")
ENVIRONMENT = {
    "kernel": "6.1.0", "cpu": "A Processor", "cores": 2, "governor": None,
    "sysctl": {"net.core.somaxconn": "4096"}, "open_files_limit": (20000, 20000),
    "server_version": "server 0.1.0", "tree_dirty": False, "peers": {},
}  # fmt: skip
EXTRAS: dict[Kind, dict[str, float]] = {
    Kind.PARKED: {
        "parked_asked": 10000.0, "parked_answered": 10000.0, "bytes_a_connection": 412.0,
        "memory_total_bytes": 5e6,
    },
    Kind.CRASH: {
        "answered": 900.0, "answered_before": 400.0, "lost": 3.0, "refused": 0.0,
        "errors": 0.0, "still_cut": 0.0, "workers_back_ms": 21.0, "served_again_ms": 4.0,
        "rps": 900.0,
    },
    Kind.DRAIN: {
        "answered": 900.0, "answered_before": 400.0, "lost": 0.0, "reset": 0.0,
        "refused": 2.0, "errors": 0.0, "drain_ms": 12.0, "rps": 900.0,
    },
}  # fmt: skip


def rate(workload: Workload, configuration: Configuration, connections: int) -> float:
    """What the arithmetic of pools allows, with a tenth of a millisecond of CPU a request."""
    cpu_s = {"floor": 8e-6, "coro": 9e-6, "nginx": 11e-6}.get(configuration.model, 14e-6)
    cpu_s += workload.computed_ms / 1e3
    if configuration.gil:
        cpu_s *= 1.3
    waits = configuration.waited_ms(workload) / 1e3
    contexts = configuration.contexts(connections, workload)
    return min(1.0 / cpu_s, contexts / (waits + cpu_s + 30e-6))


def sample(cell: Cell, configuration: Configuration, block: int) -> Sample:
    workload, connections = cell.workload, cell.connections
    if configuration.offered:
        return _open_sample(cell, configuration, block)
    jitter = 1.0 + 0.006 * ((block * 7 + configuration.workers + connections) % 5 - 2)
    rps = rate(workload, configuration, connections) * jitter
    kind = workload.kind
    fields: dict[str, Any] = {"extras": dict(EXTRAS.get(kind, {}))}
    if kind.counted:
        fields["load"] = None
    if workload.compute_target:
        fields["single_cpu_us"] = 14.0 + workload.computed_ms * 1e3
    cpu_us = 9.0 + workload.computed_ms * 1e3 + configuration.workers % 7
    made_sample = made.sample(
        configuration, workload.name, block, rps, cpu_us, connections, **fields
    )
    made_sample.gates = gates.check(made_sample, workload, configuration)
    return made_sample


def _open_sample(cell: Cell, configuration: Configuration, block: int) -> Sample:
    share, capacity = configuration.offered or 0.0, rate(cell.workload, configuration, cell.connections)
    found = _open_load(share, capacity, f"{block} {configuration.label}")
    sample = made.sample(configuration, cell.workload.name, block, connections=cell.connections, load_fields={})
    sample.load, sample.open = None, found
    sample.gates = gates.check(sample, cell.workload, configuration)
    return sample


@functools.cache
def _open_load(share: float, capacity: float, seed: str) -> OpenLoad:
    """As an M/M/1 system would be seen, beyond a millisecond; in overload a backlog grows."""
    rng, count, beyond = random.Random(seed), 4000, max(0.0, share - 1.0)
    mean_us = 1e6 / capacity / (1.0 - min(share, 0.95))
    latencies = [1000.0 + rng.expovariate(1 / mean_us) + beyond * 1e6 * at / count for at in range(count)]
    return made.open_load(share * capacity, latencies, backlog=((1.0, 1000.0 + beyond * 1e6),))


def run(cells: Sequence[Cell], blocks: int = 3, preset: str = "full", label: str = "made",
        spoilt: str = "", reason: str = "made up to fail") -> document.Run:  # fmt: skip
    """spoilt: the label of the configuration of which all samples are void."""
    plan = replace(made.plan(tuple(cells), blocks), preset=preset, label=label)
    built = document.Run(
        ordered(plan), dict(ENVIRONMENT), "scripts/bench --made", "2026-01-01T00:00:00Z",
        notes=["a note of the run"], complete=True,
    )  # fmt: skip
    for order, step in enumerate(built.plan.steps):
        one = sample(step.cell, step.configuration, step.block)
        if one.load and not one.gates:
            built.plan = with_capacity(built.plan, step, one.rps)
        one.order = order
        if step.configuration.label == spoilt:
            one.gates = [reason]
        built.samples.append(one)
    first = cells[0]
    built.counts.append(Count(
        first.workload.name, first.connections, first.configurations[0].label, 100,
        {"recvfrom": 100, "sendto": 100},
    ))  # fmt: skip
    built.conclusions, built.conclusion_lines = conclusions.draw(built.plan, built.results())
    return built


def pools(*sizes: int) -> list[Configuration]:
    return [Configuration(m, size, *made.OWN) for m in ("prefork", "threads") for size in sizes]


def everything(counts: Sequence[int] = (16, 256)) -> list[Cell]:
    """Every kind of workload, at the least size that has all there is to show."""
    three = (made.PREFORK, made.THREADS, made.CORO)
    cells = [Cell(WORKLOADS["hello"], count, (*three, made.AGAIN, made.FLOOR)) for count in counts]
    cells += [Cell(WORKLOADS["sleep"], count, three) for count in counts[:-1]]
    cells.append(Cell(WORKLOADS["sleep"], 256, (*pools(16, 64), made.CORO, NGINX)))
    cells.append(Cell(WORKLOADS["cpu"], 16, (*three, GIL, ANEW, made.SHARED)))
    for name in ("idle", "interference", "crash", "drain"):
        cells.append(Cell(WORKLOADS[name], WORKLOADS[name].connections, three))
    cells.append(opened("mix", made.THREADS, made.CORO))
    return cells


def opened(workload: str, *configurations: Configuration) -> Cell:
    return with_shares(Cell(WORKLOADS[workload], 1000, configurations), presets.LOAD_SHARES)


def crossover() -> list[Cell]:
    return [
        Cell(workloads.with_query(WORKLOADS["mix"], f"cpu={cpu}&wait={wait}&rounds=1"), count,
             (*pools(4), made.CORO))
        for cpu, wait in ((50, 5), (2000, 0))
        for count in (4, 64)
    ]  # fmt: skip


def as_json(built: document.Run) -> dict[str, Any]:
    """What run.json holds of it, read back."""
    text = json.dumps(document.to_json(built, built.results()), ensure_ascii=False)
    loaded: dict[str, Any] = json.loads(text)
    return loaded
