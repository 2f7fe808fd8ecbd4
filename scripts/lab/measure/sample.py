# SPDX-License-Identifier: MIT
"""Everything seen in one run of one configuration, before anybody judges it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping

from ..machine.procfs import Machine, Usage
from .load import OpenLoad
from .wrk import Load


@dataclass
class Sample:
    """load: of wrk; open: of scripts/load, at a rate. extras: what a kind of workload measures beside.
    Gates are added by run, far_share and cpu_factor by judge.distance."""

    block: int
    order: int
    workload: str
    connections: int
    configuration: str
    server_command: str
    wrk_command: str
    load: Load | None = None
    open: OpenLoad | None = None
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
    cpu_pressure_share: float = 0.0
    apart_ns: tuple[int, ...] = ()  # from the server's core to wrk's and back, again and again, see apart
    connections_made: int = 0  # on the server's whole machine
    hosts: dict[str, Machine] = field(default_factory=dict)  # of the server and of the load, where they are two
    pids_changed: bool = False
    exit_status: int | None = None
    answer_problem: str | None = None
    warmup_s: float = 0.0
    steady: bool = True
    warmup_windows: tuple[float, ...] = ()  # requests/s; only where they were looked at
    extras: dict[str, float] = field(default_factory=dict)
    gates: list[str] = field(default_factory=list)
    far_share: float = 0.0
    cpu_factor: float = 1.0

    @property
    def void(self) -> bool:
        return bool(self.gates)

    @property
    def steal_share(self) -> float:
        """Of the cores in use, what the hypervisor took."""
        return self.steal_s / self.cpu_total_s if self.cpu_total_s else 0.0

    @property
    def seen(self) -> bool:
        """Whether anything was measured, believed or not."""
        return bool(self.load or self.open or self.extras)

    @property
    def rps(self) -> float:
        if self.open:
            return self.open.rate_answered
        return self.load.rps if self.load else self.extras.get("rps", 0.0)

    @property
    def cpu_us(self) -> float:
        """Server CPU time per request, in microseconds."""
        return self._per_request(self.usage.cpu_s * 1e6) * self.cpu_factor

    @property
    def queued_us(self) -> float:
        """Run-queue delay per request, in microseconds: ready to run, but no core free."""
        return self._per_request(self.usage.run_queue_s * 1e6)

    @property
    def run_queue(self) -> float:
        """How many of the server's workers and threads were ready to run without a core, on average."""
        return self.usage.run_queue_s / self.load_s if self.load_s else 0.0

    @property
    def switches(self) -> float:
        return self._per_request(self.usage.voluntary_switches + self.usage.involuntary_switches)

    def _per_request(self, amount: float) -> float:
        answered = self.open.answered if self.open else self.load.requests if self.load else 0
        return amount / answered if answered else 0.0

    @property
    def load_s(self) -> float:
        """How long the load lasted, in seconds; 0: there was none."""
        return self.open.seconds if self.open else self.load.duration_s if self.load else 0.0

    @property
    def server_cores(self) -> float:
        """Cores' worth of CPU the server used while under load."""
        return self.usage.cpu_s / self.load_s if self.load_s else 0.0


@dataclass(frozen=True)
class Count:
    """System calls under one load, as strace counted them. calls: by name, over all workers and threads."""

    workload: str
    connections: int
    configuration: str
    requests: int
    calls: Mapping[str, int]

    @property
    def a_request(self) -> float:
        return sum(self.calls.values()) / self.requests if self.requests else 0.0
