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
from ..machine.children import Children
from ..machine.errors import LabError
from ..ask.plan import Step
from ..server.servers import Server
from . import measurement, wrk
from .measurement import Bench
from .sample import Sample
from .wrk import Load

WINDOW_S = 2.0
SYSTEMATIC = 1 / 8  # of its distance from 1: how far a ratio is from the truth by other than chance (README.md)
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
        children = benches[0].server_children
        for cpu in configuration.server_cpus:
            third = children.start(COMPUTING, (cpu,), benches[0].programs.folder)
            stack.callback(children.kill, third)
        _window(benches, step, servers, plan.warmup_s)
        samples = _window(benches, step, servers, WINDOW_S)
    for index, sample in enumerate(samples):
        sample.exit_status = servers[index].exit_status
    return samples


def together(commands: Sequence[wrk.Command], children: Children, nice: int) -> list[Load]:
    """All at the same time, begun in that order. Raises LabError."""
    with ThreadPoolExecutor(len(commands), initializer=priority.lead, initargs=(nice,)) as pool:
        return [load.result() for load in [pool.submit(each.run, children) for each in commands]]


def _window(
    benches: Sequence[Bench], step: Step, servers: dict[int, Server], seconds: float
) -> list[Sample]:
    """servers: in the order in which they are loaded. Counters are read before the first request
    and after the last, of both."""
    one = benches[0]
    asked = {index: measurement.command(one, step, seconds, servers[index].port) for index in servers}
    pids = {index: server.lasting_pids() for index, server in servers.items()}
    before = {index: server.usage() for index, server in servers.items()}
    opened = one.at_server(procfs.machine, ()).passive_opens
    loads = one.at_load(together, list(asked.values()), one.load_children, one.plan.nice)
    finished = dict(zip(asked, loads))
    samples = []
    for index, bench in enumerate(benches):
        server = servers[index]
        one.at_server(measurement.settle, server.port)
        samples.append(measurement.sample_of(
            step, list(servers).index(index), measurement.command_lines(bench, step, server, asked[index].argv),
            load=finished[index], window_s=seconds, warmup_s=bench.plan.warmup_s,
            usage=server.usage() - before[index],
            pids_changed=server.lasting_pids() != pids[index],
            connections_made=one.at_server(procfs.machine, ()).passive_opens - opened,
        ))  # fmt: skip
    return samples


def cpu_us(sample: Sample, pipeline: int) -> float:
    """CPU time of a request, with those that were cut off at the window's end: a server finishes them."""
    requests = sample.load.requests if sample.load else 0
    return sample.usage.cpu_s * 1e6 / (requests + sample.connections * pipeline)
