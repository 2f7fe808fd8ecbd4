# SPDX-License-Identifier: MIT
"""What deploy/SECCOMP.md says: a filter that refuses by an error costs no more than what it refuses."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import sys
from typing import Dict, List, Tuple

import pytest

from support.configurations import only
from support.server import Launcher
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


def test_systemds_set_has_it() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", "@resources", "@system-service"],
        capture_output=True, text=True, timeout=patience(20), check=False, env={**os.environ, "SYSTEMD_COLORS": "0"},
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr[:200]}")
    resources, _, service = done.stdout.partition("@system-service")
    assert "sched_setattr" in resources and "@resources" in service
