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

from ..machine import procfs
from ..machine.errors import LabError
from ..ask.plan import Cell, Configuration, Step
from ..server.servers import Server
from . import measurement
from .environment import ROOT
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
    """None where there is no strace, or where it may not attach, as in some containers, or wrk does not
    bear the tracing."""
    if not available():
        return None
    with bench.start(configuration, cell.workload) as server:
        with tempfile.NamedTemporaryFile(prefix="strace-", dir=bench.programs.folder) as out:
            argv = ["strace", "-f", "-c", "-o", out.name]
            for pid in server.worker_pids():
                argv += ["-p", str(pid)]
            tracer = bench.children.start(argv, configuration.load_cpus, ROOT)
            try:
                if not _attached(server, tracer):
                    return None
                step = Step(0, cell, configuration)
                load = measurement.command(bench, step, DURATION_S, server.port).run(bench.children)
                tracer.send_signal(signal.SIGINT)
                tracer.wait(ATTACH_S)
            except (LabError, subprocess.TimeoutExpired):
                return None
            finally:
                bench.children.kill(tracer)
            calls = parse(Path(out.name).read_text())
    if not calls or not load.requests:
        return None
    return Count(cell.workload.name, cell.connections, configuration.label, load.requests, calls)


def _attached(server: Server, tracer: subprocess.Popen[bytes]) -> bool:
    """Waits until every thread of every worker is traced."""
    deadline = time.monotonic() + ATTACH_S
    while time.monotonic() < deadline and tracer.poll() is None:
        if all(_tracer_of(thread) == tracer.pid for thread in procfs.threads(server.worker_pids())):
            return True
        time.sleep(0.01)
    return False


def _tracer_of(thread: Path) -> int:
    """The id of who traces it; 0 where it has ended or nobody does."""
    try:
        text = (thread / "status").read_text()
    except OSError:
        return 0
    found = re.search(r"^TracerPid:\s*(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def parse(text: str) -> dict[str, int]:
    """The table of strace -c to calls by name."""
    matches = [match for line in text.splitlines() if (match := _LINE.match(line))]
    return {match.group(2): int(match.group(1)) for match in matches if match.group(2) != "total"}
