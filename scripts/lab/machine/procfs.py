# SPDX-License-Identifier: MIT
"""What the kernel counted, read from /proc.

A server is a tree: a master, below it worker processes, in each some threads. The files
at /proc/PID/schedstat and /proc/PID/status cover a process's first thread only, so usage
is summed over /proc/PID/task/*. The CPU time of a thread that ended between two readings
is lost, but to spent_below(); sets of process ids are compared by the caller, who must not
trust a sample in which they changed.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Self, Sequence

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CPUCLOCK_SCHED = 2  # of a process, as clock_getcpuclockid(3) makes its clock: in ns
SETTLING_TURNS, SETTLING_S = 50, 0.002  # so often, with pauses of so long


@dataclass(frozen=True)
class Counters:
    """Subtract two readings for what happened between."""

    def __sub__(self, earlier: Self) -> Self:
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(earlier))
        return type(self)(*(after - before for after, before in pairs))

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(sum, zip(dataclasses.astuple(self), dataclasses.astuple(other))))


@dataclass(frozen=True)
class Usage(Counters):
    """Summed over threads."""

    cpu_s: float = 0.0
    run_queue_s: float = 0.0
    voluntary_switches: int = 0
    involuntary_switches: int = 0


@dataclass(frozen=True)
class Machine(Counters):
    """System-wide; the times in seconds, summed over the cores asked for."""

    busy_s: float
    steal_s: float
    total_s: float
    cpu_pressure_s: float
    passive_opens: int  # connections accepted, by whomever


def _stat_fields(pid: int) -> list[str]:
    """From the third (state) on; the name before may hold anything."""
    text = (PROC / str(pid) / "stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def parent_of(pid: int) -> int | None:
    """None when the process has ended."""
    try:
        return int(_stat_fields(pid)[1])
    except (OSError, ValueError):
        return None


def descendants(root: int) -> list[int]:
    """All processes below root, root excluded, in ascending order."""
    children = defaultdict(list)
    for pid in (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()):
        children[parent_of(pid)].append(pid)
    found = [root]
    for pid in found:  # which grows meanwhile
        found += children[pid]
    return sorted(found[1:])


def threads(pids: Sequence[int]) -> list[Path]:
    """The folders of all threads of these processes."""
    found: list[Path] = []
    for pid in pids:
        with suppress(OSError):
            found += (PROC / str(pid) / "task").iterdir()
    return found


def thread_usage(thread: Path) -> Usage:
    """One thread's counters; zero if it has ended."""
    try:
        cpu_ns, queue_ns, _slices = (thread / "schedstat").read_text().split()
        lines = (thread / "status").read_text().splitlines()
    except OSError:
        return Usage()
    status = dict(line.split(":", 1) for line in lines)
    return Usage(
        int(cpu_ns) / 1e9, int(queue_ns) / 1e9,
        int(status["voluntary_ctxt_switches"]), int(status["nonvoluntary_ctxt_switches"]),
    )  # fmt: skip


def usage(pids: Sequence[int]) -> Usage:
    """Summed over every thread of every process given."""
    each = [dataclasses.astuple(thread_usage(thread)) for thread in threads(pids)]
    return Usage(*map(sum, zip(*each)))


def cpu_seconds(pids: Sequence[int]) -> float:
    """Only the CPU time of usage(): one small file a thread, for readings under load."""
    cpu_ns = 0
    for thread in threads(pids):
        with suppress(OSError):
            cpu_ns += int((thread / "schedstat").read_text().split()[0])
    return cpu_ns / 1e9


def spent_seconds(pids: Sequence[int]) -> float:
    """CPU time of these processes, with their threads that have ended, and to a tick of each with their
    children that have."""
    found = 0.0
    for pid in pids:
        with suppress(OSError):
            found += time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED) + reaped_seconds(pid)
    return found


def spent_below(root: int) -> float:
    """The same of all processes below root. One that is waited for between two readings would count in
    none or twice, so they are read again until nobody has come or gone meanwhile; under a load in
    which that never is so, as they are at last."""
    for _ in range(SETTLING_TURNS):
        pids = descendants(root)
        spent = spent_seconds(pids)
        if descendants(root) == pids:
            break
        time.sleep(SETTLING_S)
    return spent


def reaped_seconds(pid: int) -> float:
    """CPU time of the children that have ended and that the process has waited for."""
    try:
        stat = _stat_fields(pid)
    except OSError:
        return 0.0
    return (int(stat[13]) + int(stat[14])) / TICKS_PER_S


def bytes_of(file: str, name: str) -> int:
    """Of a file below /proc that has a line NAME: N kB; 0 where it cannot be read."""
    with suppress(OSError):
        for line in (PROC / file).read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def pss_bytes(pid: int) -> int:
    """Proportional set size: a page shared by n processes counts 1/n in each."""
    return bytes_of(f"{pid}/smaps_rollup", "Pss")


def parse_cpu_times(text: str, cpus: Collection[int]) -> tuple[float, float, float]:
    """(busy, steal, total) seconds of these cores out of /proc/stat. Guest time is in user."""
    busy = stolen = total = 0
    wanted = {f"cpu{number}" for number in cpus}
    for name, *ticks in map(str.split, text.splitlines()):
        if name in wanted:
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, ticks[:8])
            busy += user + nice + system + irq + softirq
            stolen += steal
            total += user + nice + system + irq + softirq + steal + idle + iowait
    return busy / TICKS_PER_S, stolen / TICKS_PER_S, total / TICKS_PER_S


def _passive_opens() -> int:
    names, values = (
        line.split() for line in (PROC / "net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(values[names.index("PassiveOpens")])


def machine(cpus: Collection[int]) -> Machine:
    pressure_s = 0.0
    with suppress(OSError):  # a kernel without pressure stall information
        some = (PROC / "pressure/cpu").read_text().splitlines()[0]
        pressure_s = int(some.rsplit("total=", 1)[1]) / 1e6
    times = parse_cpu_times((PROC / "stat").read_text(), cpus)
    return Machine(*times, pressure_s, _passive_opens())
