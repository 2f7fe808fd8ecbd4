# SPDX-License-Identifier: MIT
"""One measurement: a fresh server, one answer checked, a warm-up, a load, a Sample."""

from __future__ import annotations

import functools
import operator
import shlex
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Iterator, ParamSpec, Sequence, TypeVar

from ..machine import cgroup, priority, procfs, sockets
from ..machine.cgroup import NO_ROOM, Memory
from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.hosts import Hosts
from ..machine.procfs import Machine
from ..ask import workloads as work
from ..ask.plan import Configuration, Plan, Step
from ..ask.workloads import Workload
from ..server import client, peers, servers, site
from ..server.backend import Backend
from ..server.client import BadAnswer, Client
from ..server.servers import Server
from . import apart, counted, steady, wrk
from .environment import ROOT
from .parked import Parked
from .sample import Sample
from .steady import WarmUp
from .wrk import Load

FLOOR = "build/floor"
# For the CPU time of a request alone: so many sent at once, so that the server need not wake up
# for each; the best of so many times, after one that is not counted.
SINGLES = 8
SINGLE_TIMES = 5
# A client that sends more than this before it reads may wait for a server that waits for it.
MOST_SENT_AT_ONCE = 1 << 16
SERVICE_BLOCKS = 2  # in which the time alone is taken of each: of all these the least counts
# Until requests of clients that have left are done with; a pool may be full of them.
SETTLE_S = 3.0
SLOW_S = 3600.0  # longer than anything it goes on beside
SERVICE_S = 0.3  # of requests one at a time, to see how long one takes; and of /hello as long
SITE_SHOWN = "SITE"  # for the temporary folder, in the command lines that are recorded

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Programs:
    """Paths relative to ROOT are shown as they are; nothing absolute is recorded.

    folder: the lab's temporary folder with the site in it (see site.folder), where the server runs.
    """

    server: str
    folder: Path
    backend: Backend = Backend(wanted=False)
    hosts: Hosts = Hosts()

    def argv(self, configuration: Configuration, workload: Workload) -> list[str]:
        program = FLOOR if configuration.floor else self.server
        files = str(self.folder / site.NAME / "files") if workload.files else None
        arguments = configuration.arguments(files, workload.close, self.hosts.address)
        return [program, *arguments, *self.backend.options(workload)]

    def shown(self, argv: Sequence[str]) -> list[str]:
        return [self.backend.shown(word.replace(str(self.folder), SITE_SHOWN)) for word in argv]


def post_body(workload: Workload) -> bytes | None:
    """What scripts/wrk/post.lua sends."""
    return b"x" * workload.post_bytes if workload.post_bytes else None


@dataclass
class Bench:
    """What one measurement after the other needs: the programs, and what was learnt.

    children: of this machine; at_server() and at_load() have those where it runs.
    answers: the first that was seen to each target, and whose; other servers must give the same bytes.
    """

    children: Children
    programs: Programs
    plan: Plan
    answers: dict[tuple[str, int], tuple[str, bytes]] = field(default_factory=dict)
    warm_ups: dict[tuple[str, int, str], WarmUp] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for host in self.programs.hosts.each:
            host.call(priority.lead, self.plan.nice)

    def at_server(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls it on the server's host."""
        return self.programs.hosts.server.call(function, *args, **kwargs)

    def at_load(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self.programs.hosts.load.call(function, *args, **kwargs)

    @property
    def address(self) -> str:
        """Where the load finds the server."""
        return self.programs.hosts.address

    @property
    def server_children(self) -> Children:
        return self.programs.hosts.server.children or self.children

    @property
    def load_children(self) -> Children:
        return self.programs.hosts.load.children or self.children

    def start(
        self, configuration: Configuration, workload: Workload, limit: Memory | None = None
    ) -> Server:
        for children in (self.server_children, self.load_children):  # also of the load that follows
            children.nice = self.plan.nice_for(workload)
        folder = self.programs.folder
        if configuration.peer:
            return self.at_server(peers.start, self.server_children, configuration, folder, self.address)
        server = self.at_server(
            servers.start,
            self.server_children,
            self.programs.argv(configuration, workload),
            configuration.server_cpus,
            ROOT,
            servers.ready_line(configuration.expected_ready()),
            limit,
        )
        server.makes_anew = configuration.fleeting
        return server

    def problem(self, workload: Workload, configuration: Configuration, port: int) -> str | None:
        """What is wrong with one answer; None where nothing is."""
        request = f"{workload.method} {workload.target}"
        post = post_body(workload)
        try:
            answer = self.at_load(client.one, port, self.address, workload.target, post)
        except BadAnswer as error:
            return str(error)
        if answer.status != 200:
            return f"{request} answered {answer.status}"
        if configuration.floor:  # it imitates the size, not the bytes
            return None
        if workload.body is not None and answer.body != workload.body:
            return f"{request}: body {answer.body[:40]!r}, not {workload.body!r}"
        if post is not None and answer.body != post:
            return f"{request}: the body that came back is not the one that was sent"
        if not workload.same_bytes or (configuration.peer and not workload.files):
            return None
        # Another server's fields are its own business; a file's bytes are not.
        whole = answer.body if workload.files else answer.masked()
        key = workload.target, workload.post_bytes
        first, seen = self.answers.setdefault(key, (configuration.label, whole))
        return None if whole == seen else f"{request}: not the bytes that {first} answers"


def command(bench: Bench, step: Step, duration_s: float, port: int) -> wrk.Command:
    """The load of a step."""
    cell, address = step.cell, bench.address
    cpus = step.configuration.load_cpus
    return wrk.Command(cell.workload, cell.connections, cpus, duration_s, port, address)


def command_lines(bench: Bench, step: Step, server: Server, client: Sequence[str]) -> tuple[str, str]:
    """The server's and its client's, as they are recorded."""
    configuration = step.configuration
    server_argv = bench.programs.shown(server.argv)
    return _pinned(server_argv, configuration.server_cpus), _pinned(client, configuration.load_cpus)


def _pinned(argv: Sequence[str], cpus: Sequence[int]) -> str:
    return shlex.join(["taskset", "-c", ",".join(map(str, cpus)), *argv])


def sample_of(step: Step, order: int, lines: tuple[str, str] = ("", ""), **fields: Any) -> Sample:
    """lines: see command_lines()."""
    cell = step.cell
    return Sample(
        step.block, order, cell.workload.name, cell.connections, step.configuration.label, *lines, **fields
    )


def failed(step: Step, order: int, reason: str) -> Sample:
    """A sample of which there is nothing but the reason why."""
    return sample_of(step, order, answer_problem=reason, exit_status=0)


def measure(bench: Bench, step: Step, order: int) -> Sample:
    """Raises LabError when the server does not start or wrk does not run."""
    with bench.at_server(cgroup.limited, step.cell.workload.memory_bytes) as limit:
        try:
            sample = _measure(bench, step, order, limit)
        except LabError:
            if limit is None or not limit.killed():
                raise
            return failed(step, order, NO_ROOM)
        if limit is not None and limit.killed():
            sample.answer_problem = NO_ROOM
        return sample


def _measure(bench: Bench, step: Step, order: int, limit: Memory | None) -> Sample:
    cell, configuration = step.cell, step.configuration
    workload, programs = cell.workload, bench.programs
    if workload.database:
        programs.backend.refill(workload, configuration.load_cpus)
    if workload.set_files:
        bench.at_server(site.forget, programs.folder, workload)
    with bench.start(configuration, workload, limit) as server:
        port = server.port
        load = command(bench, step, bench.plan.duration_of(cell, configuration), port)
        shown = ["lab-client"] if workload.kind.counted else load.argv
        sample = sample_of(step, order, command_lines(bench, step, server, shown))
        sample.answer_problem = bench.problem(workload, configuration, port)
        if sample.answer_problem is None:
            if workload.compute_target and not (configuration.peer or configuration.fleeting):
                sample.single_cpu_us = _single_cpu(bench, server, workload)
            if workload.database and step.block < SERVICE_BLOCKS:
                sample.extras["service_us"] = _service(bench, step, port)
            if workload.kind.counted:
                counted.measure(server, sample, workload, load.duration_s, configuration.load_cpus)
            else:
                _warm_up(bench, step, sample, port)
                _load(bench, step, server, sample, load)
            if server.alive() and not workload.kind.ends_server:
                sample.answer_problem = bench.problem(workload, configuration, port)
        if not server.alive() and not workload.kind.ends_server:
            sample.answer_problem = f"the server ended: {servers.last_words(server.log())}"
        sample.exit_status = server.stop()
    return sample


def settle(port: int) -> None:
    """Wait until the warm-up's connections are closed: their last requests, whose client has
    left, still occupy a pool and would be charged to what is measured next."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        if not sockets.held_by_server(port):
            return
        time.sleep(0.005)


def _single_cpu(bench: Bench, server: Server, workload: Workload) -> float:
    """CPU microseconds of one request with no other beside it: what the computing itself takes."""
    target, post = workload.compute_target or workload.target, post_body(workload)
    at_once = SINGLES if SINGLES * len(post or b"") <= MOST_SENT_AT_ONCE else 1
    pids = server.worker_pids()
    try:
        with bench.at_load(Client, server.port, address=bench.address) as asking:
            spent = []
            for _ in range(1 + SINGLE_TIMES):
                before = bench.at_server(procfs.cpu_seconds, pids)
                asking.send(target, post, at_once)
                for _ in range(at_once):
                    asking.receive(target)
                spent.append(bench.at_server(procfs.cpu_seconds, pids) - before)
            return min(spent[1:]) * 1e6 / at_once
    except BadAnswer as error:
        raise LabError(f"{workload.method} {target}: {error}") from None


def _service(bench: Bench, step: Step, port: int) -> float:
    """Microseconds for which one request needs a database connection, with nothing else going
    on: what it takes longer than /hello. The medians: connections are opened meanwhile."""

    def alone_us(asked: Workload) -> float:
        load = wrk.Command(asked, 1, step.configuration.load_cpus[:1], SERVICE_S, port).run(bench.children)
        settle(port)
        return load.percentiles_us["p50"] or load.mean_us

    return max(0.0, alone_us(step.cell.workload) - alone_us(work.WORKLOADS["hello"]))


def unmeasured(bench: Bench, load: wrk.Command) -> float:
    """Load that is not measured, to its end. Returns requests/s."""
    rps = bench.at_load(load.run, bench.load_children).rps
    bench.at_server(settle, load.port)
    return rps


def _warm_up(bench: Bench, step: Step, sample: Sample, port: int) -> None:
    """Until steady where that is not known yet, else as long as was needed then."""

    def window(seconds: float) -> float:
        return unmeasured(bench, command(bench, step, seconds, port))

    key = (step.cell.workload.name, step.cell.connections, step.configuration.label)
    known = bench.warm_ups.get(key)
    if known is None and bench.plan.steady:
        windows: list[float] = []
        while known is None:
            windows.append(window(steady.WINDOW_S))
            known = steady.found(windows)
        bench.warm_ups[key] = known
        sample.warmup_windows = known.windows
        sample.warmup_s = len(windows) * steady.WINDOW_S
    else:
        sample.warmup_s = max(bench.plan.warmup_s, known.needed_s if known else 0.0)
        if sample.warmup_s > 0:
            window(sample.warmup_s)
    sample.steady = known.steady if known else True


@dataclass
class _Beside:
    """What else goes on during a load: connections that are not wrk's, CPU time that is ours."""

    connections: int = 0
    unanswered: int = 0
    cpu_s: Callable[[], float] = lambda: 0.0


@contextmanager
def _beside(bench: Bench, step: Step, server: Server, sample: Sample) -> Iterator[_Beside]:
    workload, port = step.cell.workload, server.port
    if workload.parked:
        before, _ = server.memory()
        target, address = workload.parked_target or workload.target, bench.address
        with bench.at_load(Parked, port, workload.parked, target, address=address) as parked:
            if server.limit:
                _read_through(bench, workload, server.limit)
            after, master = server.memory()
            answered = parked.answered
            sample.extras = {
                "parked_asked": workload.parked,
                "parked_answered": answered,
                "memory_total_bytes": after + master,
                "bytes_a_connection": (after - before) / answered if answered else 0.0,
            }
            yield _Beside(workload.parked, workload.parked - answered)
    elif workload.slow_target:
        slow = replace(
            command(bench, step, SLOW_S, port), connections=workload.slow_connections,
            workload=replace(workload, target=workload.slow_target, think_ms=workload.slow_think_ms),
        )  # fmt: skip
        process = bench.load_children.start(slow.argv, slow.cpus, ROOT)
        pids = [process.pid]
        try:
            time.sleep(bench.plan.warmup_s)  # it has to be under way; nothing is measured yet
            yield _Beside(
                workload.slow_connections, cpu_s=lambda: bench.at_load(procfs.cpu_seconds, pids)
            )
        finally:
            bench.load_children.kill(process)
    elif workload.database:
        yield _Beside(cpu_s=bench.programs.backend.cpu_s)
    else:
        yield _Beside()


def _read_through(bench: Bench, workload: Workload, limit: Memory) -> None:
    """All files once, inside the cgroup: in memory is then what has room there."""
    paths = site.set_files(bench.programs.folder, workload)
    reader = bench.server_children.start(
        ["cat", *map(str, paths)], bench.plan.cores.server, ROOT, memory=limit
    )
    try:
        status = reader.wait()
    finally:
        bench.server_children.kill(reader)
    if status != 0:
        raise LabError(f"the files could not be read through (cat: exit {status})")


def _load(bench: Bench, step: Step, server: Server, sample: Sample, asked: wrk.Command) -> None:
    """The measured load, reading every counter right before and right after."""
    workload, configuration = step.cell.workload, step.configuration
    pids, lasting = server.worker_pids(), server.lasting_pids()
    sample.memory_before_bytes, _ = server.memory()
    # Between cores of two hosts there is no memory to hand a byte over in.
    first = configuration.server_cpus[0]
    ends = first, first if bench.programs.hosts.two else configuration.load_cpus[-1]
    with _beside(bench, step, server, sample) as beside, apart.watched(ends, bench.children.nice) as trips:
        machines_before = _machines(bench, configuration)
        usage_before, beside_before = server.usage(), beside.cpu_s()
        begun = time.monotonic()

        load = bench.at_load(asked.run, bench.load_children)

        sample.window_s = time.monotonic() - begun
        sample.usage = server.usage() - usage_before
        machines = [after - before for after, before in zip(_machines(bench, configuration), machines_before)]
        beside_s = max(0.0, beside.cpu_s() - beside_before)
        if workload.database:
            sample.extras["backend_cores"] = beside_s / sample.window_s
            sample.extras["backend_us"] = beside_s * 1e6 / load.requests if load.requests else 0.0
        if server.limit:
            whole = workload.set_files * work.SET_FILE_BYTES
            sample.extras["cached_share"] = server.limit.cached_bytes() / whole
        sample.memory_bytes, sample.master_bytes = server.memory()
        sample.pids_changed = server.lasting_pids() != lasting
    sample.load = _without(load, beside)
    sample.apart_ns = tuple(trips)
    sample.processes = len(pids)
    sample.threads = len(bench.at_server(procfs.threads, pids))
    machine = functools.reduce(operator.add, machines)
    if bench.programs.hosts.two:
        sample.hosts = dict(zip(("server", "load"), machines))
    sample.steal_s, sample.cpu_total_s = machine.steal_s, machine.total_s
    ours = sample.usage.cpu_s + load.cpu_share * load.cpus * sample.window_s + beside_s
    sample.others_cores = max(0.0, (machine.busy_s - ours) / sample.window_s)
    sample.cpu_pressure_share = machine.cpu_pressure_s / sample.window_s
    sample.connections_made = machines[0].passive_opens


def _machines(bench: Bench, configuration: Configuration) -> list[Machine]:
    """Of the server's host and of the load's, each for its cores; or of this one for both."""
    if bench.programs.hosts.two:
        return [
            bench.at_server(procfs.machine, configuration.server_cpus),
            bench.at_load(procfs.machine, configuration.load_cpus),
        ]
    return [procfs.machine({*configuration.server_cpus, *configuration.load_cpus})]


def _without(load: Load, beside: _Beside) -> Load:
    """The kernel counts every connection to the port; those beside are not wrk's."""
    if load.established is None or load.unanswered is None:
        return load
    return replace(
        load,
        established=load.established - beside.connections,
        unanswered=max(0, load.unanswered - beside.unanswered),
        cut_off_us=None if beside.connections else load.cut_off_us,
    )
