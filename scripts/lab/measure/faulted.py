# SPDX-License-Identifier: MIT
"""What becomes of requests when a worker is killed, and when the server is told to stop."""

from __future__ import annotations

import os
import signal
import time

from ..machine import procfs
from ..ask.workloads import CRASH, Workload
from ..server.servers import STOP_TIMEOUT_S, Server
from . import counted
from .sample import Sample

BEFORE_S = 0.3  # of undisturbed load
RECOVERY_LIMIT_S = 10.0


def measure(server: Server, sample: Sample, workload: Workload, duration_s: float) -> None:
    """Fills in the sample's extras. The load is this process's own (see counted)."""
    client = counted.Client(server.ready.port, workload.target, sample.connections)
    pids = server.worker_pids()
    cpus_before = procfs.machine(os.sched_getaffinity(0))
    try:
        client.run(max(BEFORE_S, duration_s / 2))
        client.run(RECOVERY_LIMIT_S, until=lambda: client.outcome.answered > 0)
        before = client.outcome.answered
        figures = (_crash if workload.kind == CRASH else _drain)(server, client, pids, duration_s)
    finally:
        outcome = client.close()
    after = procfs.machine(os.sched_getaffinity(0))
    sample.steal_s = after.steal_s - cpus_before.steal_s
    sample.cpu_total_s = after.total_s - cpus_before.total_s
    sample.processes = len(pids)
    sample.extras = {
        "answered_before": before,
        "answered": outcome.answered,
        # The listener survives a worker: there, every connection was accepted.
        "lost": outcome.lost + (outcome.reset if workload.kind == CRASH else 0),
        "reset": 0 if workload.kind == CRASH else outcome.reset,
        "refused": outcome.refused,
        "errors": outcome.errors,
        "still_cut": outcome.still_cut if workload.kind == CRASH else 0,
        "rps": outcome.answered / outcome.lasted_s if outcome.lasted_s else 0.0,
        **figures,
    }


def _crash(
    server: Server, client: counted.Client, pids: list[int], duration_s: float
) -> dict[str, float]:
    """SIGKILL to one worker; the time until the workers are complete, and clients served."""
    killed_at = time.monotonic()
    os.kill(pids[0], signal.SIGKILL)
    back_at = 0.0

    def complete() -> bool:
        nonlocal back_at
        now = server.worker_pids()
        if len(now) >= len(pids) and pids[0] not in now:
            back_at = time.monotonic()
        return back_at > 0

    client.run(RECOVERY_LIMIT_S, until=complete)
    client.run(max(BEFORE_S, duration_s / 2))
    client.run(RECOVERY_LIMIT_S, until=lambda: client.cut == 0)
    return {
        "workers_back_ms": (back_at - killed_at) * 1e3 if back_at else RECOVERY_LIMIT_S * 1e3,
        "served_again_ms": client.outcome.back_after_s * 1e3,
    }


def _drain(
    server: Server, client: counted.Client, pids: list[int], duration_s: float
) -> dict[str, float]:
    """SIGTERM to the server; the clients go on asking until it has ended."""
    told_at = time.monotonic()
    server.tell(signal.SIGTERM)
    client.run(STOP_TIMEOUT_S, until=lambda: not server.alive())
    ended_at = time.monotonic()
    client.stop_reconnecting()
    client.run(0.2, until=lambda: client.open == 0)
    return {"drain_ms": (ended_at - told_at) * 1e3}
