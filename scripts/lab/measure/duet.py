# SPDX-License-Identifier: MIT
"""A duet: two servers at the same time on the same cores, each under a wrk of its own.

What else the machine does then happens to both, and the ratio of their CPU time for a request
keeps still where runs one after the other differ by a multiple of what is looked for. A turn starts
both anew and loads them for a window, every other turn the other one first. Windows of one start are
more alike than starts, so a turn is one pair however long it lasts.

A third program, which only computes, takes its share of each core, so that these are the limit and
not wrk's: a server that waits for wrk finds fewer requests when it wakes up, each of which then costs
more, and of two the quicker one would wait more often.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Sequence

from ..machine import priority, procfs
from ..machine.errors import LabError
from ..ask.plan import Step
from ..server.servers import Server
from . import measurement
from .measurement import Bench
from .sample import Sample

WINDOW_S = 2.0
COMPUTING = ("sh", "-c", "while :; do :; done")


def turn(benches: Sequence[Bench], step: Step) -> list[Sample]:
    """One of each of the two, in their order; the step's block is the turn's number. Raises
    LabError when a server does not start or answers wrongly, or wrk does not run."""
    workload, configuration, plan = step.cell.workload, step.configuration, benches[0].plan
    if workload.database:
        benches[0].programs.backend.refill(workload, configuration.load_cpus)
    order = [0, 1] if step.block % 2 == 0 else [1, 0]
    servers: dict[int, Server] = {}
    with ExitStack() as stack:
        for index in order:
            bench = benches[index]
            server = servers[index] = stack.enter_context(bench.start(configuration, workload))
            problem = bench.problem(workload, configuration, server.port)
            if problem:
                raise LabError(f"{configuration.label} of {bench.programs.server}: {problem}")
        for cpu in configuration.server_cpus:
            third = benches[0].children.start(COMPUTING, (cpu,), benches[0].programs.folder)
            stack.callback(benches[0].children.kill, third)
        with ThreadPoolExecutor(2, initializer=priority.lead, initargs=(plan.nice,)) as pool:
            _window(pool, benches, step, servers, plan.warmup_s)
            samples = _window(pool, benches, step, servers, WINDOW_S)
    for index, sample in enumerate(samples):
        sample.exit_status = servers[index].exit_status
    return samples


def _window(
    pool: ThreadPoolExecutor, benches: Sequence[Bench], step: Step, servers: dict[int, Server],
    seconds: float,
) -> list[Sample]:  # fmt: skip
    """servers: in the order in which they are loaded. Counters are read before the first request
    and after the last, of both."""
    asked = {index: measurement.command(step, seconds, servers[index].port) for index in servers}
    pids = {index: server.lasting_pids() for index, server in servers.items()}
    before = {index: server.usage() for index, server in servers.items()}
    opened = procfs.machine(()).passive_opens
    loads = {index: pool.submit(asked[index].run, benches[index].children) for index in servers}
    finished = {index: load.result() for index, load in loads.items()}
    samples = []
    for index, bench in enumerate(benches):
        server = servers[index]
        measurement.settle(server.port)
        samples.append(measurement.sample_of(
            step, list(servers).index(index), measurement.command_lines(bench, step, server, asked[index].argv),
            load=finished[index], window_s=seconds, warmup_s=bench.plan.warmup_s,
            usage=server.usage() - before[index],
            pids_changed=server.lasting_pids() != pids[index],
            connections_made=procfs.machine(()).passive_opens - opened,
        ))  # fmt: skip
    return samples


def cpu_us(sample: Sample, pipeline: int) -> float:
    """CPU time of a request, with those that were cut off at the window's end: a server finishes them."""
    requests = sample.load.requests if sample.load else 0
    return sample.usage.cpu_s * 1e6 / (requests + sample.connections * pipeline)
