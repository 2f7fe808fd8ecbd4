# SPDX-License-Identifier: MIT
"""A duet: two servers at the same time on the same cores, each under a wrk of its own.

What else the machine does then happens to both, and the ratio of their CPU time for a request
keeps still where runs one after the other differ by a multiple of what is looked for. A turn starts
both anew and loads them for WINDOWS, each once the first to be loaded. One start differs from the
next by more than windows of one start do, so a turn is one pair and not several.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Sequence

from ..machine import priority, procfs
from ..machine.errors import LabError
from ..ask.plan import Cell, Configuration
from ..server.servers import Server
from . import measurement
from .measurement import Bench
from .sample import Sample

WINDOW_S = 1.0
WINDOWS = 2  # of a turn


@dataclass(frozen=True)
class Part:
    """One of the two: how it is started, and from which program."""

    bench: Bench
    configuration: Configuration


def turn(cell: Cell, parts: Sequence[Part], number: int) -> list[list[Sample]]:
    """Of each part, in their order, a sample of each window; block is the turn's number.
    Raises LabError when a server does not start or answers wrongly, or wrk does not run."""
    workload = cell.workload
    if workload.database:
        parts[0].bench.programs.backend.refill(workload, parts[0].configuration.load_cpus)
    servers: dict[int, Server] = {}
    with ExitStack() as stack:
        for index in _order(number):
            bench, configuration = parts[index].bench, parts[index].configuration
            server = servers[index] = stack.enter_context(bench.start(configuration, workload))
            problem = measurement.check(bench, workload, configuration, server.port)
            if problem:
                raise LabError(f"{configuration.label} of {bench.programs.server}: {problem}")
        nice = parts[0].bench.plan.nice
        with ThreadPoolExecutor(len(parts), initializer=priority.lead, initargs=(nice,)) as pool:
            _window(pool, cell, parts, servers, number, parts[0].bench.plan.warmup_s)
            windows = [
                _window(pool, cell, parts, servers, number + first, WINDOW_S)
                for first in range(WINDOWS)
            ]
    return [
        [replace(window[index], block=number, exit_status=servers[index].exit_status) for window in windows]
        for index in range(len(parts))
    ]


def _order(number: int) -> list[int]:
    return [0, 1] if number % 2 == 0 else [1, 0]


def _window(
    pool: ThreadPoolExecutor, cell: Cell, parts: Sequence[Part], servers: dict[int, Server],
    number: int, seconds: float,
) -> list[Sample]:  # fmt: skip
    """Counters are read before the first request and after the last, of both."""
    order, workload = _order(number), cell.workload
    pids = {index: servers[index].worker_pids() for index in order}
    before = {index: procfs.usage(pids[index]) for index in order}
    opened = procfs.machine(()).passive_opens
    loads = {
        index: pool.submit(
            parts[index].bench.load, workload, cell.connections,
            parts[index].configuration.load_cpus, seconds, servers[index].port,
        )
        for index in order
    }  # fmt: skip
    finished = [loads[index].result() for index in range(len(parts))]
    samples = []
    for index, part in enumerate(parts):
        server, programs, cpus = servers[index], part.bench.programs, part.configuration.load_cpus
        measurement.settle(server.port)
        argv = part.bench.load_argv(workload, cell.connections, len(cpus), seconds, server.port)
        samples.append(Sample(
            number, order.index(index), workload.name, cell.connections, part.configuration.label,
            measurement.with_cores(programs.shown(server.argv), part.configuration.server_cpus),
            measurement.with_cores(["wrk", *argv[1:]], cpus),
            load=finished[index], window_s=seconds, warmup_s=part.bench.plan.warmup_s,
            usage=procfs.usage(pids[index]) - before[index],
            pids_changed=server.worker_pids() != pids[index],
            connections_made=procfs.machine(()).passive_opens - opened,
        ))  # fmt: skip
    return samples


def cpu_us(samples: Sequence[Sample], pipeline: int) -> float:
    """CPU time of a request, with those that were cut off at a window's end: a server finishes them."""
    loads = [(sample.load, sample.connections) for sample in samples if sample.load]
    asked = sum(load.requests + connections * pipeline for load, connections in loads)
    return sum(sample.usage.cpu_s for sample in samples) * 1e6 / asked
