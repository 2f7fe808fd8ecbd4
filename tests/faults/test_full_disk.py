# SPDX-License-Identifier: MIT
"""The access log's disk is full: the server serves on, says so once, and counts what it drops.

The disk is a tmpfs of a few pages in a mount namespace of the server's own; the test
reaches it through /proc/PID/root.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import List

import pytest

from support.checked import Checked
from support.rounds import repeat
from support.server import Launcher, Server
from support.waiting import eventually

PAGES = 4
LINE = re.compile(
    r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "[A-Z]+ /\S* HTTP/1\.[01]"'
    r' \d{3} \d+ "-" "-" \d+\.\d{6} w\d+ (prefork|threads|coro|stealing)'
)


def _can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _can_mount(), reason="no mount namespace to be had here")


def _launch(launch: Launcher, folder: Path) -> Server:
    """A server whose access log is on a small disk mounted on the folder."""
    script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
    size = str(PAGES * os.sysconf("SC_PAGESIZE"))
    return launch(
        f"--access-log={folder}/log",
        prefix=["unshare", "-m", "sh", "-c", script, "sh", size, str(folder)],
        expected=["cannot write the access log"],
    )


def _lost(server: Server) -> int:
    return int(server.status()["access_log"]["lines_lost"])


def _said(server: Server, what: str) -> List[str]:
    return [line for line in server.lines if what in line]


def test_full_disk(launch: Launcher, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    server = _launch(launch, folder)
    workers = server.wait_for_workers()
    log = Path(f"/proc/{server.pid}/root{folder}/log")
    with Checked(server.address, 6) as load:
        eventually("lines are lost", lambda: _lost(server), within=20)
        had, lost = load.answers, _lost(server)
        eventually("requests are served all the same", lambda: load.answers > had + 200, within=20)
        assert _lost(server) > lost
        assert len(_said(server, "cannot write the access log: No space left on device")) == 1
        assert not _said(server, "written again")
    os.truncate(log, 0)  # as somebody who cleans up would

    def over() -> List[str]:
        server.get("/hello")
        return _said(server, "written again")

    eventually("it says that it is over", over, within=20, every=0.1)
    assert not load.wrong and not load.failures and not load.refused
    assert server.worker_pids() == workers
    count = _said(server, "written again")[0].rsplit(" ", 1)[1]
    assert int(count) <= _lost(server)
    text = log.read_text()
    lines = text.splitlines()
    torn = [line for line in lines if not LINE.fullmatch(line)]
    # At the most the line that the disk ended in, and, cut open by truncating, the first.
    assert len(torn) <= 2, torn
    assert len(lines) > len(torn)


def test_full_disk_leaves_nothing_behind(launch: Launcher, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    server = _launch(launch, folder)
    log = Path(f"/proc/{server.pid}/root{folder}/log")

    def fill() -> None:
        lost = _lost(server)
        with Checked(server.address, 4) as load:
            eventually("lines are lost", lambda: _lost(server) > lost + 20, within=20)
        assert not load.wrong and not load.failures
        os.truncate(log, 0)

    repeat(server, 3, fill)
