# SPDX-License-Identifier: MIT
"""The machine and the build a run was made with, recorded once. Nothing that names a host."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from pathlib import Path
from typing import Any

from ..ask.plan import Plan
from ..server import peers
from . import wrk

ROOT = Path(__file__).resolve().parents[3]
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


def record(server: str, wrk_path: str, plan: Plan | None = None) -> dict[str, Any]:
    """What cannot be read is None. server: as given, relative to ROOT."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_allowed": sorted(os.sched_getaffinity(0)),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clock_source": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "memory_kb": _memory_kb(),
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE),
        "sysctl": {name.replace("/", "."): _read(f"/proc/sys/{name}") for name in SYSCTLS},
        "load_average": os.getloadavg()[0],
        "server_version": _output([server, "--version"]),
        "commit": _output(["git", "rev-parse", "HEAD"]),
        "tree_dirty": _dirty(),
        "compiler": _output(["cc", "--version"]),
        "flags": _flags(),
        "wrk": wrk.version(wrk_path),
        "peers": _peer_versions(plan) if plan else {},
        "python": platform.python_version(),
    }


def notes(recorded: dict[str, Any], plan: Plan) -> list[str]:
    """What of the machine must be known to read the results."""
    control = recorded["sysctl"].get("net.ipv4.tcp_congestion_control")
    large = [c.workload.name for c in plan.cells if c.workload.files or c.workload.post_bytes]
    if control not in PACING or not large:
        return []
    return [
        f"TCP's congestion control here is {control}, which paces what is sent, on loopback too: "
        f"timers of the kernel, not the models, decide most of what large bodies cost; "
        "net.ipv4.tcp_congestion_control=cubic does without"
    ]


def raise_open_files() -> None:
    """As many descriptors as allowed, for the lab and all it starts."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections() -> tuple[int, str]:
    """How many one wrk and one server can have between them here, and by what that is limited."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS
    first, last = (_read("/proc/sys/net/ipv4/ip_local_port_range") or "32768 60999").split()
    ports = int(last) - int(first) + 1
    if descriptors < ports:
        return max(1, descriptors), "by the descriptors of a process, ulimit -Hn"
    return ports, "by the ports of an address, net.ipv4.ip_local_port_range"


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _output(argv: list[str]) -> str | None:
    """The first line a program says, None if it fails."""
    try:
        done = subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else None


def _peer_versions(plan: Plan) -> dict[str, str | None]:
    """What each other server in the plan says of its version."""
    names = {c.model for cell in plan.cells for c in cell.configurations if c.peer}
    return {
        name: _output(peers.version_command(name)) for name in sorted(names)
    }


def _dirty() -> bool | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "status", "--porcelain"],
            cwd=ROOT, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(done.stdout.strip())


def _flags() -> str | None:
    """The compiler's command line as the Makefile noted it."""
    return _read(str(ROOT / "build/release/flags"))


def _cpu_model() -> str | None:
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return None


def _memory_kb() -> int | None:
    for line in (_read("/proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return None
