# SPDX-License-Identifier: MIT
"""One measurement at an offered rate: a fresh server, one answer checked, an open load.

The load's ramp is the warm-up, but for connections to a database: each is opened when there is first
need of it, for milliseconds of CPU, and what piles up meanwhile would be the window's. Nothing is read
while the load runs: a look at every thread of a large pool takes its core for milliseconds, which would
be seen in the latencies.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, replace

from ..machine import procfs
from ..machine.procfs import Usage
from ..ask.plan import Step
from ..server import servers
from . import measurement
from .load import Command, OpenLoad
from .measurement import Bench
from .sample import Sample

WARM_S = 1.0  # of a closed loop before a window, for each connection to the database to be opened and used
GIVE_UP_SHARE = 0.25  # of the window: a request without an answer for so long is one of a backlog
NO_CAPACITY = "its closed loop gave no figure, so there is no rate to offer"


@dataclass(frozen=True)
class Offered:
    """problem: why nothing is said of the server; load is None where it was not even asked. cpu_us: of
    the server, for a request; None: it is none of ours, or that is not known. database_us: of the database
    beside it. others_cores: cores' worth of CPU that others used of its cores. commands: the server's and the
    load's, as they can be given again."""

    load: OpenLoad | None
    problem: str | None = None
    cpu_us: float | None = None
    database_us: float = 0.0
    memory_bytes: int = 0
    others_cores: float = 0.0
    commands: tuple[str, str] = ("", "")


def measure(bench: Bench, step: Step, asked: Command) -> Offered:
    """A database takes its CPU from the server's cores: who is to send in time shares a core with nobody.

    Raises LabError when the server does not start or the generator does not run."""
    workload, configuration = step.cell.workload, step.configuration
    backend = bench.programs.backend
    if workload.database:
        backend.refill(workload, configuration.server_cpus)
    with bench.start(configuration, workload) as server:
        where = f"http://{bench.address}:{server.port}"
        commands = measurement.command_lines(bench, step, server, asked.argv(where, "."))
        problem = bench.problem(workload, configuration, server.port)
        if problem:
            return Offered(None, problem, commands=commands)
        pids = server.lasting_pids()
        bench.load_children.nice = bench.plan.nice
        if workload.database:
            warm_up = measurement.command(bench, step, WARM_S, server.port)
            measurement.unmeasured(bench, replace(warm_up, connections=2 * workload.db_connections))
        before_s, database_before_s = server.usage().cpu_s, backend.cpu_s()
        machine_before = bench.at_server(procfs.machine, configuration.server_cpus)
        begun = time.monotonic()
        load = bench.at_load(asked.run, bench.load_children, where)
        seconds = time.monotonic() - begun
        used_s, database_s = server.usage().cpu_s - before_s, backend.cpu_s() - database_before_s
        machine = bench.at_server(procfs.machine, configuration.server_cpus) - machine_before
        memory_bytes, _ = server.memory()
        if not server.alive():
            problem = f"the server ended: {servers.last_words(server.log())}"
        elif server.lasting_pids() != pids:
            problem = "the server's worker processes changed"
    answered = load.answered + asked.ramp_s * asked.rate / 2  # those of the ramp too
    cpu_us = used_s * 1e6 / answered if answered else None
    database_us = database_s * 1e6 / answered if answered else 0.0
    others_cores = max(0.0, machine.busy_s - used_s - database_s) / seconds
    return Offered(load, problem, cpu_us, database_us, memory_bytes, others_cores, commands)


def elsewhere(bench: Bench, server: str, asked: Command) -> Offered:
    """The same of a server that the lab has not started, at a URL without a path, which may be on another
    machine. Raises LabError when the generator does not run."""
    bench.load_children.nice = bench.plan.nice
    line = shlex.join(asked.argv(server, "."))
    return Offered(bench.at_load(asked.run, bench.load_children, server), commands=("", line))


def sample(bench: Bench, step: Step, order: int) -> Sample:
    """A run's step under an open load, at the rate that follows from its capacity. Raises LabError."""
    plan, rate = bench.plan, bench.plan.rate_of(step)
    if rate is None:
        return measurement.failed(step, order, NO_CAPACITY)
    duration_s = plan.duration_of(step.cell, step.configuration)
    found = measure(bench, step, Command(
        step.cell.workload, rate, duration_s, step.configuration.load_cpus, step.cell.connections,
        ramp_s=plan.warmup_s, give_up_s=GIVE_UP_SHARE * duration_s, seed=plan.seed + order,
    ))  # fmt: skip
    load = found.load
    if load:  # of these histograms nothing is made: they would be two thirds of run.json
        load = replace(load, lag=replace(load.lag, hdr=""), service=replace(load.service, hdr=""))
    made = measurement.sample_of(
        step, order, found.commands, open=load, answer_problem=found.problem,
        memory_bytes=found.memory_bytes, others_cores=found.others_cores, warmup_s=plan.warmup_s, exit_status=0,
    )  # fmt: skip
    if load and found.cpu_us is not None:
        made.usage = Usage(cpu_s=found.cpu_us * load.answered / 1e6)
    return made
