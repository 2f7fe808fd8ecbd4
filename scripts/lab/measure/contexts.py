# SPDX-License-Identifier: MIT
"""What a process, a thread and a coroutine cost: in time, a switch; in memory, one more request.

Switches and what belongs to them are measured by scripts/coro-bench/bench.c, each once in a run.

Memory: a server that can hold COUNT requests is read (PSS of all its processes) idle and while each
of COUNT requests is suspended in /sleep, and so is one that holds a single request; the
difference, divided by COUNT - 1, is what the next one costs: a process, a thread or a
coroutine with all that a request needs. What all share drops out. The kernel's own memory
(a stack and a task each for processes and threads, page tables for processes) is in no PSS,
so processes and threads take more than this says.
"""

from __future__ import annotations

import resource
import select
import subprocess
import time
from contextlib import ExitStack
from typing import Sequence

from ..machine import procfs
from ..machine.children import Children
from ..machine.errors import LabError
from ..ask.plan import MODELS, POOLS, Configuration
from ..ask.workloads import WORKLOADS
from ..server.client import BadAnswer, Client
from ..server.servers import Server
from .environment import ROOT
from .measurement import Bench

PROGRAM = ROOT / "build" / "coro-bench"
COUNT = 64
HOLD_MS = 1500
ATTEMPTS = 3
UNITS = {"prefork": "process", "threads": "thread", "coro": "coroutine"}


def build() -> None:
    """Raises LabError."""
    try:
        subprocess.run(["make", "-s", str(PROGRAM.relative_to(ROOT))], cwd=ROOT, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(
            "scripts/coro-bench/bench.c could not be built; scripts/deps lab installs what it takes"
        ) from error


def bench_coro(children: Children, what: str, cpus: Sequence[int]) -> dict[str, tuple[float, str]]:
    """One run, pinned: name -> (value, unit). Raises LabError when the program fails."""
    child = children.start([str(PROGRAM), what], cpus, ROOT, stdout=subprocess.PIPE)
    output = child.communicate()[0].decode()
    children.ended(child)
    if child.returncode != 0:
        raise LabError(f"{PROGRAM.name} {what} failed with {child.returncode}")
    lines = (line.split() for line in output.splitlines())
    return {name: (float(value), unit) for name, value, unit in lines}


def switches(children: Children, core: Sequence[int]) -> dict[str, float]:
    """What switches cost in nanoseconds, and others_cores: of the core, what other programs had."""
    found: dict[str, float] = {}
    begun, busy, own = time.monotonic(), procfs.machine(core).busy_s, _ended_cpu_s()
    for what in ("kernel", "tasks", "switch"):
        measured = bench_coro(children, what, core)
        found |= {name: value for name, (value, _unit) in measured.items()}
    own, busy = _ended_cpu_s() - own, procfs.machine(core).busy_s - busy
    return {**found, "others_cores": max(0.0, busy - own) / (time.monotonic() - begun)}


def _ended_cpu_s() -> float:
    """CPU time of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _hold(server: Server, count: int) -> int | None:
    """PSS while so many requests are suspended; None when they were not all so at once, that is
    when one had ended before the reading did, or began, HOLD_MS before its end, after it did."""
    target, hold_s = f"/sleep?ms={HOLD_MS}", HOLD_MS / 1e3
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Client(server.port, hold_s * 10))
            for _ in range(count)
        ]
        for client in clients:
            client.send(target)
        time.sleep(hold_s / 2)  # whether that was long enough is judged by when they end
        begun = time.monotonic()
        memory = sum(server.memory())
        if select.select(clients, [], [], 0)[0]:
            return None
        for client in clients:
            answer = client.receive(target)
            if answer.status != 200:
                raise LabError(f"{target} answered {answer.status}")
        last_began = time.monotonic() - hold_s
    return memory if last_began <= begun else None


def _suspended(bench: Bench, configuration: Configuration, count: int) -> tuple[int, int]:
    """(idle, with count requests suspended), in bytes. Raises LabError."""
    for _ in range(ATTEMPTS):
        with bench.start(configuration, WORKLOADS["sleep"]) as server:
            idle = sum(server.memory())
            try:
                held = _hold(server, count)
            except BadAnswer as error:
                raise LabError(f"{configuration.label}: {error}") from None
            if held is not None:
                return idle, held
    raise LabError(
        f"{configuration.label}: {count} requests of {HOLD_MS} ms were never in progress all at once"
    )


def memory(bench: Bench) -> dict[str, float]:
    """One round: bytes for one more, NAME with a suspended request, NAME_idle of a pool."""
    cores, found = bench.plan.cores, {}
    for model in MODELS:
        readings = []
        for count in (1, COUNT):
            workers = count if model in POOLS else 1
            configuration = Configuration(model, workers, cores.server, cores.load)
            readings.append(_suspended(bench, configuration, count))
        (idle_one, held_one), (idle_all, held_all) = readings
        found[UNITS[model]] = (held_all - held_one) / (COUNT - 1)
        if model in POOLS:
            found[f"{UNITS[model]}_idle"] = (idle_all - idle_one) / (COUNT - 1)
    return found
