# SPDX-License-Identifier: MIT
"""SIGUSR1: all processes let go of the old file at once, busy or idle, so that its disk space is free."""

import os
import select
import signal
from functools import partial
from pathlib import Path
from typing import List

import pytest

from support.client import message
from support.processes import children
from support.server import Launcher, Server
from support.variant import VARIANT
from support.waiting import eventually


def _holders(server: Server, inode: int) -> List[int]:
    """The processes of the server that have that file open."""
    found = []
    for pid in [server.pid, *children(server.pid)]:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except FileNotFoundError:  # it has just ended
            continue
        for name in names:
            try:
                if os.stat(f"/proc/{pid}/fd/{name}").st_ino == inode:
                    found.append(pid)
            except FileNotFoundError:  # closed since
                continue
    return found


def _rotate(server: Server, log: Path) -> None:
    inode = log.stat().st_ino
    assert server.pid in _holders(server, inode)
    os.rename(log, log.with_suffix(".1"))
    server.signal(signal.SIGUSR1)
    eventually("nobody holds the old file", lambda: _holders(server, inode), lambda found: not found)
    assert log.exists()


def _has(log: Path, what: bytes) -> bool:
    return what in log.read_bytes()


def test_idle_workers_let_go(launch: Launcher, tmp_path: Path) -> None:
    """Without a request that would make them look; again and again."""
    log = tmp_path / "log"
    server = launch(f"--access-log={log}")
    server.wait_for_workers()
    for _ in range(3):
        _rotate(server, log)
    with server.connect() as connection:
        assert connection.get("/hello").status == 200
        _rotate(server, log)
        assert connection.get("/json").status == 200
    eventually("a line", lambda: b"/json" in log.read_bytes())
    assert b"/json" not in log.with_suffix(".1").read_bytes()


def _busy_workers_let_go(server: Server, log: Path, ms: int) -> bool:
    """False: they were done too early, before the old file had been let go."""
    with server.connect(30) as sleeping, server.connect(30) as blocking, server.connect(30) as slow:
        sleeping.send(message("GET", f"/sleep?ms={2 * ms}"))
        slow.send(message("POST", "/echo", "Content-Length: 4", body=b"ab"))
        eventually("two are under way", server.contexts, lambda count: count >= 2)
        blocking.send(message("GET", f"/block?ms={ms}"))
        _rotate(server, log)
        early, _, _ = select.select([sleeping.socket, blocking.socket], [], [], 0)
        slow.send(b"cd")
        assert slow.read_response("POST").body == b"abcd"
        assert blocking.read_response().text == f"blocked {ms}\n"
        assert sleeping.read_response().text == f"slept {2 * ms}\n"
    return not early


@pytest.mark.skipif(VARIANT == "tsan", reason="ThreadSanitizer puts off a signal that comes in clock_nanosleep()")
def test_busy_workers_let_go(launch: Launcher, tmp_path: Path) -> None:
    """In the middle of a request that takes long, and of one whose client is slow; both are answered."""
    log = tmp_path / "log"
    server = launch(f"--access-log={log}")
    server.wait_for_workers()
    assert any(_busy_workers_let_go(server, log, ms) for ms in (500, 2000, 8000)), "it takes seconds"
    for what in (b"/sleep", b"/echo", b"/block"):
        eventually("its line is in the new file", partial(_has, log, what))


def test_after_reloads(launch: Launcher, tmp_path: Path) -> None:
    """Workers that still finish, of a server that was loaded again, let go as well."""
    log = tmp_path / "log"
    server = launch(f"--access-log={log}")
    with server.connect(30) as connection:
        connection.begin()
        server.signal(signal.SIGHUP)
        server.wait_for_line("reloaded")
        _rotate(server, log)
        connection.finish()
