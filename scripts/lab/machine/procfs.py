# SPDX-License-Identifier: MIT
"""What the kernel counted, read from /proc.

A server is a tree: a master, below it worker processes, in each some threads. The files
at /proc/PID/schedstat and /proc/PID/status cover a process's first thread only, so usage
is summed over /proc/PID/task/*. The CPU time of a thread that ended between two readings
is lost; sets of process ids are compared by the caller, who must not trust a sample in
which they changed.
"""

from __future__ import annotations

import dataclasses
import operator
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Collection

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Counters summed over threads; subtract two readings for what happened between."""

    cpu_s: float = 0.0
    run_queue_s: float = 0.0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    minor_faults: int = 0
    major_faults: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*map(operator.add, dataclasses.astuple(self), dataclasses.astuple(other)))

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(*map(operator.sub, dataclasses.astuple(self), dataclasses.astuple(other)))


@dataclass(frozen=True)
class Machine:
    """System-wide counters, to be subtracted likewise; the times in seconds, summed over the cores
    asked for."""

    busy_s: float
    steal_s: float
    total_s: float
    listen_overflows: int
    tcp_memory_pages: int
    cpu_pressure_s: float
    passive_opens: int = 0  # connections accepted, by whomever

    def __sub__(self, other: "Machine") -> "Machine":
        return Machine(*map(operator.sub, dataclasses.astuple(self), dataclasses.astuple(other)))


def _stat_fields(path: Path) -> list[str]:
    """Fields of a stat file from the third (state) on; the name before may hold anything."""
    text = path.read_text()
    return text[text.rindex(")") + 2 :].split()


def parent_of(pid: int) -> int | None:
    try:
        return int(_stat_fields(PROC / str(pid) / "stat")[1])
    except (OSError, ValueError, IndexError):
        return None


def start_ticks(pid: int) -> int | None:
    """When the process started: with its id, what names it even after the id is reused."""
    try:
        return int(_stat_fields(PROC / str(pid) / "stat")[19])
    except (OSError, ValueError, IndexError):
        return None


def descendants(root: int) -> list[int]:
    """All processes below root, root excluded, in ascending order."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            pid = int(entry.name)
            parent = parent_of(pid)
            if parent is not None:
                children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return sorted(found)


def threads(pid: int) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(PROC / str(pid) / "task"))
    except OSError:
        return []


def parse_status_switches(text: str) -> tuple[int, int]:
    voluntary = involuntary = 0
    for line in text.splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            voluntary = int(line.split()[1])
        elif line.startswith("nonvoluntary_ctxt_switches:"):
            involuntary = int(line.split()[1])
    return voluntary, involuntary


def thread_usage(pid: int, tid: int) -> Usage:
    """One thread's counters; zero if it has ended."""
    base = PROC / str(pid) / "task" / str(tid)
    try:
        cpu_ns, wait_ns, _slices = (base / "schedstat").read_text().split()
        voluntary, involuntary = parse_status_switches((base / "status").read_text())
        stat = _stat_fields(base / "stat")
    except OSError:
        return Usage()
    return Usage(
        int(cpu_ns) / 1e9, int(wait_ns) / 1e9, voluntary, involuntary, int(stat[7]), int(stat[9])
    )


def usage(pids: list[int]) -> Usage:
    """Summed over every thread of every process given."""
    total = Usage()
    for pid in pids:
        for tid in threads(pid):
            total = total + thread_usage(pid, tid)
    return total


def cpu_seconds(pids: list[int]) -> float:
    """Only the CPU time of usage()."""
    return cpu_and_queue_seconds(pids)[0]


def reaped_seconds(pid: int) -> float:
    """CPU time of the children that have ended and that the process has waited for."""
    try:
        stat = _stat_fields(PROC / str(pid) / "stat")
    except OSError:
        return 0.0
    return (int(stat[13]) + int(stat[14])) / os.sysconf("SC_CLK_TCK")


def cpu_and_queue_seconds(pids: list[int]) -> tuple[float, float]:
    """CPU time and run-queue delay: one small file a thread, for readings under load."""
    cpu_ns = queue_ns = 0
    for pid in pids:
        for tid in threads(pid):
            try:
                fields = (PROC / f"{pid}/task/{tid}/schedstat").read_text().split()
            except OSError:
                continue
            cpu_ns += int(fields[0])
            queue_ns += int(fields[1])
    return cpu_ns / 1e9, queue_ns / 1e9


def pss_bytes(pid: int) -> int:
    """Proportional set size: a page shared by n processes counts 1/n in each."""
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def parse_cpu_times(text: str, cpus: Collection[int]) -> tuple[float, float, float]:
    """(busy, steal, total) seconds of these cores out of /proc/stat. Guest time is in user."""
    busy = stolen = total = 0
    for line in text.splitlines():
        name, *rest = line.split()
        if not name.startswith("cpu") or not name[3:].isdigit() or int(name[3:]) not in cpus:
            continue
        fields = [int(x) for x in rest[:8]]
        fields += [0] * (8 - len(fields))
        user, nice, system, idle, iowait, irq, softirq, steal = fields
        busy += user + nice + system + irq + softirq
        stolen += steal
        total += sum(fields)
    return busy / TICKS_PER_S, stolen / TICKS_PER_S, total / TICKS_PER_S


def _netstat_value(text: str, name: str) -> int:
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        if name in names.split():
            return int(values.split()[names.split().index(name)])
    return 0


def machine(cpus: Collection[int]) -> Machine:
    busy, steal, total = parse_cpu_times((PROC / "stat").read_text(), cpus)
    overflows = memory = opens = 0
    pressure = 0.0
    try:
        overflows = _netstat_value((PROC / "net/netstat").read_text(), "ListenOverflows")
        opens = _netstat_value((PROC / "net/snmp").read_text(), "PassiveOpens")
        for line in (PROC / "net/sockstat").read_text().splitlines():
            if line.startswith("TCP:"):
                memory = int(line.split()[line.split().index("mem") + 1])
        some = (PROC / "pressure/cpu").read_text().splitlines()[0]
        pressure = int(some.rsplit("total=", 1)[1]) / 1e6
    except (OSError, ValueError, IndexError):
        pass  # not every kernel has these; steal and busy above it always has
    return Machine(busy, steal, total, overflows, memory, pressure, opens)
