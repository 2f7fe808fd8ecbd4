# SPDX-License-Identifier: MIT
"""--access-log, and SIGUSR1, which opens it anew."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from support.server import Launcher, Server
from support.waiting import eventually


def _is_held(server: Server, path: Path) -> bool:
    """A process of the server has it open."""
    for pid in [server.pid, *server.worker_pids()]:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since
                if os.readlink(descriptor) == str(path):
                    return True
    return False


def test_access_log(launch: Launcher, tmp_path: Path) -> None:
    """A line a request, nothing a client sends unescaped, reopened on SIGUSR1."""
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    server = launch(f"--access-log={log}")
    with server.connect() as connection:
        for _ in range(20):
            assert connection.get("/hello").status == 200
        connection.get("/nothing?%22", 'User-Agent: a"b\\c\xe9')
        assert connection.get("/hello").status == 200
    eventually("22 lines", lambda: log.read_bytes().count(b"\n"), lambda count: count == 22)
    text = log.read_bytes()
    assert all(byte == 10 or 32 <= byte < 127 for byte in text)
    assert text.count(b"/hello") == 21 and text.count(b" 404 ") == 1

    os.rename(log, old)
    server.signal(signal.SIGUSR1)

    def reopened() -> bool:
        server.get("/json")
        return log.exists() and b"/json" in log.read_bytes()

    eventually("lines come in the new file", reopened)
    eventually("nobody holds the old file", lambda: not _is_held(server, old))
    size = old.stat().st_size
    with server.connect() as connection:
        for _ in range(5):
            connection.get("/hello")
    eventually("five more lines", lambda: log.read_bytes().count(b"/hello"), lambda n: n == 5)
    assert old.stat().st_size == size
