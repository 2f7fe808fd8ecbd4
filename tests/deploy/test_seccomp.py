# SPDX-License-Identifier: MIT
"""What deploy/SECCOMP.md says: a filter that refuses by an error costs no more than what it refuses."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Set, Tuple

import pytest

from support.configurations import only
from support.server import Launcher
from support.tracing import can_trace
from support.variant import BINARY, ROOT, patience

# On each machine: to change a thread's time slice; the one that a server needs to start.
CALLS: Dict[str, Tuple[int, int]] = {"x86_64": (314, 157), "aarch64": (274, 167)}
SCHED_SETATTR, PRCTL = CALLS.get(platform.machine(), (0, 0))
REFUSING = [sys.executable, str(ROOT / "tests/support/refuse_call.py")]

pytestmark = pytest.mark.skipif(SCHED_SETATTR == 0, reason="no numbers of system calls for this machine")


def test_the_filter_refuses() -> None:
    """Else the tests below would show nothing."""
    ask = f"import ctypes; c = ctypes.CDLL(None, use_errno=True); c.syscall({SCHED_SETATTR}, 0, 0, 0); print(ctypes.get_errno())"
    nothing: List[str] = []
    for prefix, expected in ((nothing, errno.EINVAL), ([*REFUSING, str(SCHED_SETATTR)], errno.EPERM)):
        done = subprocess.run([*prefix, sys.executable, "-c", ask], capture_output=True, text=True, check=True)
        assert int(done.stdout) == expected


def test_without_prctl_it_does_not_start() -> None:
    done = subprocess.run([*REFUSING, str(PRCTL), BINARY, "--listen=127.0.0.1:0"], capture_output=True, text=True,
                          timeout=patience(20), check=False)  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "Operation not permitted" in done.stderr


@only("prefork", "threads", "coro")
def test_without_sched_setattr_it_serves(launch: Launcher) -> None:
    server = launch(prefix=[*REFUSING, str(SCHED_SETATTR)])
    assert server.get("/hello").status == 200
    assert [line for line in server.lines if not line.startswith("ready ")] == []


def systemds_set(name: str) -> Set[str]:
    """The calls of a set such as @system-service; skips where that cannot be asked."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, timeout=patience(20), check=False,
        env={**os.environ, "SYSTEMD_COLORS": "0"},
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr[:200]}")
    found = set()
    for line in done.stdout.splitlines()[1:]:
        word = line.strip()
        found |= systemds_set(word) if word.startswith("@") else {word}
    return found


ROUTES = ("/", "/cpu?n=10", "/sleep?ms=1", "/block?ms=1&offload=1", "/fanout?n=3&ms=1", "/stream?chunks=2&ms=1", "/files/",
          "/status", "/metrics", "/db", "/queries?n=2", "/updates?n=2", "/cache")  # fmt: skip


@pytest.mark.skipif(not can_trace(), reason="strace cannot follow a server here")
@only("prefork", "threads", "coro")
def test_the_units_let_through_what_is_called(launch: Launcher, tmp_path: Path) -> None:
    """From the start over a reload and a worker's death to the end; systemd kills for what they do not name."""
    (named,) = re.findall(r"^SystemCallFilter=(.*)$", (ROOT / "share/systemd/server.service").read_text(), re.MULTILINE)
    allowed: Set[str] = set()
    for word in named.split():
        allowed |= systemds_set(word) if word.startswith("@") else {word}
    trace = tmp_path / "trace"
    server = launch(f"--root={tmp_path}", f"--access-log={tmp_path}/log", "--lame-duck=0.1", expected=["worker"],
                    prefix=["strace", "-D", "-f", "-qq", "-o", str(trace)], within=30)  # fmt: skip
    for target in ROUTES:
        server.get(target, timeout=20)
    server.signal(signal.SIGHUP)
    server.wait_for_line("reloaded:", within=20)
    before = server.wait_for_workers()
    os.kill(before[0], signal.SIGKILL)
    server.wait_for_workers(but=before[:1])
    assert server.get("/hello", timeout=20).status == 200
    server.stop()
    called = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE))
    assert {"accept4", "execve"} < called
    assert called - allowed == set()
