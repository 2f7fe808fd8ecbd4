# SPDX-License-Identifier: MIT
"""The machine and the build a run was made with, recorded once. Nothing that names a host."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from pathlib import Path
from typing import Any

from ..machine import agent
from ..ask.plan import Plan
from ..server import peers

ROOT = agent.ROOT
SYSCTLS = (
    "net/core/somaxconn",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/ipv4/tcp_congestion_control",
    "net/core/default_qdisc",
    "kernel/sched_autogroup_enabled",
    "fs/file-max",
)
SPARE_DESCRIPTORS = 100  # of a process, for other things than its connections
PACING = ("bbr", "bbr2", "bbr3")
TWO_HOSTS = (
    "servers and load ran on two hosts: latencies are those that the load's host saw, the network between them "
    "included; how far apart their cores are nobody can see, so CPU per request is not corrected for it"
)


def record(server: str, wrk: str, plan: Plan) -> dict[str, Any]:
    """What cannot be read is None. server: as given, relative to ROOT. wrk: its version."""
    others = {c.model for cell in plan.cells for c in cell.configurations if c.peer}
    changes = _ran(["git", "--no-optional-locks", "status", "--porcelain"])
    return {
        **machine(),
        "server_version": version(server),
        "commit": _output(["git", "rev-parse", "HEAD"]),
        "tree_dirty": bool(changes.stdout.strip()) if changes else None,
        "compiler": _output(["cc", "--version"]),
        "flags": _read(str(ROOT / "build/release/flags")),  # the compiler's, as make noted them
        "wrk": wrk,
        "peers": {name: _output(peers.version_command(name)) for name in sorted(others)},
        "python": platform.python_version(),
    }


def machine() -> dict[str, Any]:
    memory = _value("/proc/meminfo", "MemTotal")
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _value("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "cores_allowed": sorted(os.sched_getaffinity(0)),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clock_source": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "memory_kb": int(memory.split()[0]) if memory else None,
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE),
        "sysctl": {name.replace("/", "."): _read(f"/proc/sys/{name}") for name in SYSCTLS},
        "load_average": os.getloadavg()[0],
    }


def version(server: str) -> str | None:
    return _output([server, "--version"])


def notes(recorded: dict[str, Any], plan: Plan) -> list[str]:
    """What of the machine must be known to read the results."""
    said = [TWO_HOSTS] if "load_host" in recorded else []
    control = recorded["sysctl"].get("net.ipv4.tcp_congestion_control")
    large = [c.workload.name for c in plan.cells if c.workload.files or c.workload.post_bytes]
    if control not in PACING or not large:
        return said
    return [
        *said,
        f"TCP's congestion control here is {control}, which paces what is sent, on loopback too: "
        f"timers of the kernel, not the models, decide most of what large bodies cost; "
        "net.ipv4.tcp_congestion_control=cubic does without"
    ]


def raise_open_files() -> None:
    """As many descriptors as allowed, for the lab and all it starts."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptors() -> int:
    """How many connections a process may have."""
    return max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS)


def most_connections() -> tuple[int, str]:
    """How many one wrk and one server can have between them here, and by what that is limited."""
    first, last = (_read("/proc/sys/net/ipv4/ip_local_port_range") or "32768 60999").split()
    ports = int(last) - int(first) + 1
    if descriptors() < ports:
        return descriptors(), "by the descriptors of a process, ulimit -Hn"
    return ports, "by the ports of an address, net.ipv4.ip_local_port_range"


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _ran(argv: list[str]) -> subprocess.CompletedProcess[str] | None:
    """None if it fails."""
    try:
        return subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None


def _output(argv: list[str]) -> str | None:
    """The first line a program says."""
    done = _ran(argv)
    lines = (done.stdout or done.stderr).strip().splitlines() if done else []
    return lines[0] if lines else None


def _value(path: str, name: str) -> str | None:
    """Of a file with a line NAME: VALUE."""
    for line in (_read(path) or "").splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return None
