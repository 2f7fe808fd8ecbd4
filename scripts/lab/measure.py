# SPDX-License-Identifier: MIT
"""One measurement: a fresh server, one answer checked, a warm-up, a load, a Sample."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

from . import procfs, servers, sockets, wrk
from .children import Children
from .client import Answer, BadAnswer, Client
from .errors import LabError
from .plan import Cell, Configuration, Workload
from .procfs import Usage
from .wrk import Load

# Requests for the CPU time of one alone, after one that is not counted.
SINGLES = 10
SETTLE_S = 0.5


@dataclass(frozen=True)
class Programs:
    """Paths relative to root are shown as they are; nothing absolute is recorded."""

    root: Path
    server: str
    floor: str
    wrk: str

    def argv(self, configuration: Configuration) -> list[str]:
        program = self.floor if configuration.floor else self.server
        return [program, *configuration.arguments()]


@dataclass
class Sample:
    """Everything seen in one run of one configuration. Gates and notes are added later."""

    block: int
    order: int
    workload: str
    connections: int
    configuration: str
    server_command: str
    wrk_command: str
    load: Load | None = None
    usage: Usage = field(default_factory=Usage)
    window_s: float = 0.0
    single_cpu_us: float | None = None
    memory_bytes: int = 0
    memory_before_bytes: int = 0
    master_bytes: int = 0
    processes: int = 0
    threads: int = 0
    steal_s: float = 0.0
    cpu_total_s: float = 0.0
    others_cores: float = 0.0
    repeats: int = 0  # earlier takes, given up because other programs disturbed them
    cpu_pressure_share: float = 0.0
    listen_overflows: int = 0
    tcp_memory_pages: int = 0
    pids_changed: bool = False
    exit_status: int | None = None
    answer_problem: str | None = None
    gates: list[str] = field(default_factory=list)

    @property
    def void(self) -> bool:
        return bool(self.gates)

    @property
    def rps(self) -> float:
        return self.load.rps if self.load else 0.0

    @property
    def cpu_us(self) -> float:
        """Server CPU time per request, in microseconds."""
        return self._per_request(self.usage.cpu_s * 1e6)

    @property
    def switches(self) -> float:
        return self._per_request(
            self.usage.voluntary_switches + self.usage.involuntary_switches
        )

    def _per_request(self, amount: float) -> float:
        return amount / self.load.requests if self.load and self.load.requests else 0.0

    @property
    def server_cores(self) -> float:
        """Cores' worth of CPU the server used while under load."""
        return self.usage.cpu_s / self.load.duration_s if self.load else 0.0


class Answers:
    """The first answer seen to each target; every other server must give the same bytes."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, bytes]] = {}

    def problem(self, workload: Workload, label: str, answer: Answer, floor: bool) -> str | None:
        if answer.status != 200:
            return f"GET {workload.target} answered {answer.status}"
        if workload.body is not None and answer.body != workload.body:
            return f"GET {workload.target}: body {answer.body[:40]!r}, not {workload.body!r}"
        if floor:  # it imitates the size, not the bytes
            return None
        first, bytes_seen = self._first.setdefault(workload.target, (label, answer.masked()))
        if answer.masked() != bytes_seen:
            return f"GET {workload.target}: not the bytes that {first} answers"
        return None


def measure(
    children: Children,
    programs: Programs,
    cell: Cell,
    configuration: Configuration,
    block: int,
    order: int,
    duration_s: float,
    warmup_s: float,
    answers: Answers,
) -> Sample:
    """Raises LabError when the server does not start or wrk does not run."""
    workload = cell.workload
    argv = programs.argv(configuration)
    with servers.start(
        children, argv, configuration.server_cpus, programs.root, configuration.expected_ready()
    ) as server:
        url = f"http://127.0.0.1:{server.ready.port}{workload.target}"
        load_argv = wrk.command(
            programs.wrk, cell.connections, len(configuration.load_cpus), duration_s, url
        )
        sample = Sample(
            block,
            order,
            workload.name,
            cell.connections,
            configuration.label,
            _with_cores(argv, configuration.server_cpus),
            _with_cores(["wrk", *load_argv[1:]], configuration.load_cpus),
        )
        port = server.ready.port
        sample.answer_problem = _check(workload, configuration, port, answers)
        if sample.answer_problem is None:
            if workload.compute_target:
                sample.single_cpu_us = _single_cpu(server, port, workload.compute_target)
            _load(children, server, sample, load_argv, configuration, programs.root,
                  duration_s, warmup_s)
            sample.answer_problem = _check(workload, configuration, port, answers)
        if not server.alive():
            sample.answer_problem = f"the server ended: {servers.last_words(server.log())}"
        sample.exit_status = server.stop()
    return sample


def _settle(port: int) -> None:
    """Wait until the warm-up's connections are closed: their last requests, whose client has
    left, still occupy a pool and would be charged to what is measured next."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        if sockets.held_by_server(port) == 0:
            return
        time.sleep(0.005)


def _with_cores(argv: Sequence[str], cpus: Sequence[int]) -> str:
    return " ".join(["taskset", "-c", ",".join(map(str, cpus)), *argv])


def _check(
    workload: Workload, configuration: Configuration, port: int, answers: Answers
) -> str | None:
    try:
        with Client("127.0.0.1", port) as client:
            answer = client.get(workload.target)
    except BadAnswer as error:
        return str(error)
    return answers.problem(workload, configuration.label, answer, configuration.floor)


def _single_cpu(server: servers.Server, port: int, target: str) -> float:
    """CPU microseconds of one request served alone: what the computing itself takes."""
    try:
        with Client("127.0.0.1", port) as client:
            client.get(target)
            before = procfs.cpu_seconds(server.worker_pids())
            for _ in range(SINGLES):
                client.get(target)
            return (procfs.cpu_seconds(server.worker_pids()) - before) * 1e6 / SINGLES
    except BadAnswer as error:
        raise LabError(f"GET {target}: {error}") from None


def _load(
    children: Children,
    server: servers.Server,
    sample: Sample,
    argv: Sequence[str],
    configuration: Configuration,
    root: Path,
    duration_s: float,
    warmup_s: float,
) -> None:
    """Warm up, then load, reading every counter right before and right after."""
    port = server.ready.port
    if warmup_s > 0:
        wrk.run(
            children, argv, configuration.load_cpus, root, sample.connections, warmup_s, port
        )
        _settle(port)
    pids = server.worker_pids()
    workers, _ = server.memory()
    sample.memory_before_bytes = workers
    cpus = {*configuration.server_cpus, *configuration.load_cpus}
    machine_before = procfs.machine(cpus)
    usage_before = procfs.usage(pids)
    begun = time.monotonic()

    load = wrk.run(
        children, argv, configuration.load_cpus, root, sample.connections, duration_s, port
    )

    sample.window_s = time.monotonic() - begun
    sample.usage = procfs.usage(pids) - usage_before
    machine_after = procfs.machine(cpus)
    sample.load = load
    sample.memory_bytes, sample.master_bytes = server.memory()
    sample.pids_changed = server.worker_pids() != pids
    sample.processes = len(pids)
    sample.threads = sum(len(procfs.threads(pid)) for pid in pids)
    sample.steal_s = machine_after.steal_s - machine_before.steal_s
    sample.cpu_total_s = machine_after.total_s - machine_before.total_s
    busy = machine_after.busy_s - machine_before.busy_s
    ours = sample.usage.cpu_s + load.cpu_share * load.cpus * sample.window_s
    sample.others_cores = max(0.0, (busy - ours) / sample.window_s)
    pressure = machine_after.cpu_pressure_s - machine_before.cpu_pressure_s
    sample.cpu_pressure_share = pressure / sample.window_s
    sample.listen_overflows = machine_after.listen_overflows - machine_before.listen_overflows
    sample.tcp_memory_pages = machine_after.tcp_memory_pages
