# SPDX-License-Identifier: MIT
"""System calls per request, counted by strace in runs of their own: tracing costs a multiple
of what it counts, so nothing else is taken from these runs.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from ..machine.errors import LabError
from ..ask.plan import Cell, Configuration
from ..server import servers
from .measurement import Bench
from .sample import Count

DURATION_S = 0.6
ATTACH_S = 10.0
_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def available() -> bool:
    return shutil.which("strace") is not None


def countable(cell: Cell) -> bool:
    """Only where wrk's requests are all there is; once for each workload."""
    return cell.workload.kind.compared and cell.connections == cell.workload.connections


def count(bench: Bench, cell: Cell, configuration: Configuration) -> Count | None:
    """None where strace may not attach, as in some containers."""
    workload = cell.workload
    with bench.start(configuration, workload) as server:
        with tempfile.NamedTemporaryFile(prefix="strace-", dir=bench.programs.folder) as out:
            argv = ["strace", "-f", "-c", "-o", out.name]
            for pid in server.worker_pids():
                argv += ["-p", str(pid)]
            tracer = bench.children.start(
                argv, configuration.load_cpus, bench.programs.root, stderr=subprocess.DEVNULL
            )
            if not _attached(server, tracer):
                bench.children.kill(tracer)
                return None
            requests = _requests(bench, cell, configuration, server.port)
            tracer.send_signal(signal.SIGINT)
            try:
                tracer.wait(ATTACH_S)
            except subprocess.TimeoutExpired:
                bench.children.kill(tracer)
                return None
            bench.children.ended(tracer)
            calls = parse(Path(out.name).read_text())
    if not calls or not requests:
        return None
    return Count(workload.name, cell.connections, configuration.label, requests, calls)


def _attached(server: servers.Server, tracer: subprocess.Popen[bytes]) -> bool:
    """Waits until every thread of every worker is traced."""
    deadline = time.monotonic() + ATTACH_S
    while time.monotonic() < deadline and tracer.poll() is None:
        if all(_tracer_of(pid) == tracer.pid for pid in server.worker_pids()):
            return True
        time.sleep(0.01)
    return False


def _tracer_of(pid: int) -> int:
    """Who traces the last of a process's threads."""
    tasks = sorted(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())
    try:
        text = Path(f"/proc/{pid}/task/{tasks[-1]}/status").read_text()
    except (OSError, IndexError):
        return 0
    found = re.search(r"^TracerPid:\s*(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def parse(text: str) -> dict[str, int]:
    """The table of strace -c to calls by name."""
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and match.group(2) != "total":
            found[match.group(2)] = int(match.group(1))
    return found


def _requests(bench: Bench, cell: Cell, configuration: Configuration, port: int) -> int:
    """Made under a load; 0 where wrk does not bear the tracing."""
    cpus = configuration.load_cpus
    try:
        return bench.load(cell.workload, cell.connections, cpus, DURATION_S, port).requests
    except LabError:
        return 0
