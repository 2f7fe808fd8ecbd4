# SPDX-License-Identifier: MIT
"""A worker of prefork killed in the middle of accept(): its client is not left hanging, and nothing
else that is open in the table all share is touched."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Dict, List, Sequence

import pytest

from support import processes
from support.client import Closed, Connection
from support.configurations import only
from support.server import Launcher, Server
from support.waiting import eventually

EXPECTED = ["worker"]

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")


def _open(server: Server) -> Dict[str, str]:
    """What the shared table holds, by number."""
    folder = Path(f"/proc/{server.pid}/fd")
    found = {}
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # closed meanwhile
            found[name] = os.readlink(folder / name)
    return found


def _open_at_rest(server: Server) -> Dict[str, str]:
    """The same once it has not changed for two of the master's ticks: a generation that ends closes
    what it had."""
    last, since = _open(server), time.monotonic()
    while time.monotonic() - since < 0.6:
        time.sleep(0.02)
        now = _open(server)
        if now != last:
            last, since = now, time.monotonic()
    return last


def _accept_and_die(server: Server, workers: Sequence[int]) -> Connection:
    """A client whose worker, one of these, is killed when it has accepted the connection and not yet
    recorded it."""
    before = _open(server).items()
    command: List[str] = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=accept4"]
    command += ["-e", "inject=accept4:delay_exit=600s"]
    for pid in workers:
        command += ["-p", str(pid)]
    tracer = subprocess.Popen(command)
    try:
        for pid in workers:
            eventually("it is traced", lambda: processes.traced(pid))
        client = server.connect()
        eventually("it is accepted", lambda: _open(server).items() - before)
        victim = eventually(
            "a worker is in accept()",
            lambda: [pid for pid in workers if processes.state(pid) == "t"],
            lambda found: len(found) == 1,
        )[0]
        os.kill(victim, signal.SIGKILL)
    finally:
        tracer.terminate()
        tracer.wait()
    return client


def _expect_end(client: Connection) -> None:
    with client, pytest.raises(Closed) as ended:
        client.get("/hello")
    assert "timed out" not in str(ended.value), "it hangs"


@only("prefork")
def test_its_client_is_told(launch: Launcher) -> None:
    server = launch(expected=EXPECTED)
    _expect_end(_accept_and_die(server, server.wait_for_workers()))
    eventually("it is not counted", server.open_connections, lambda n: n == 0)


@only("prefork")
def test_after_a_second_pool(launch: Launcher, tmp_path: Path) -> None:
    """A reload that makes a pool of its own, while there are connections: their numbers are not
    exempt for it when others have them."""
    file = tmp_path / "server.conf"
    file.write_text("max-header = 8k\nshutdown-timeout = 2\n")
    server = launch(f"--config={file}", expected=EXPECTED)
    old = server.wait_for_workers()
    idle = [server.connect() for _ in range(20)]
    for connection in idle:
        assert connection.get("/hello").status == 200
    file.write_text("max-header = 32k\nshutdown-timeout = 2\n")
    server.signal(signal.SIGHUP)
    server.wait_for_line("^info: reloaded")
    new = server.wait_for_workers(but=old)
    for connection in idle:
        connection.close()
    eventually("none is open", server.open_connections, lambda n: n == 0)
    _expect_end(_accept_and_die(server, new))


@only("prefork")
def test_while_an_old_pool_retires(launch: Launcher, tmp_path: Path) -> None:
    """Two pools have connections in one table; who waits for its worker need not wait for the old
    one's end."""
    file = tmp_path / "server.conf"
    file.write_text("max-header = 8k\nshutdown-timeout = 60\n")
    server = launch(f"--config={file}", expected=EXPECTED)
    old = server.wait_for_workers()
    with server.connect() as idle:
        assert idle.get("/hello").status == 200
        file.write_text("max-header = 32k\nshutdown-timeout = 1\n")
        server.signal(signal.SIGHUP)
        server.wait_for_line("^info: reloaded")
        new = [pid for pid in server.worker_pids() if pid not in old]
        _expect_end(_accept_and_die(server, new))
        assert idle.get("/hello").closes  # the old pool's, untouched



@only("prefork")
def test_what_the_master_has_open_stays(
    launch: Launcher, site: Path, sqlite: str, tmp_path: Path
) -> None:
    """All that it may open, before there were workers and since."""
    options = [f"--root={site}", f"--access-log={tmp_path / 'log'}", f"--db={sqlite}",
               f"--pid-file={tmp_path / 'pid'}", "--db-connections=2"]  # fmt: skip
    server = launch(*options, expected=EXPECTED)
    for _ in range(2):
        before = _open_at_rest(server)
        _expect_end(_accept_and_die(server, server.wait_for_workers()))
        server.wait_for_line("closing descriptor")
        server.wait_for_workers()
        eventually("only what it accepted is closed", lambda: _open(server), lambda now: now == before)
        assert server.get("/files/text.txt").status == 200
        workers = server.wait_for_workers()
        server.signal(signal.SIGUSR1)
        server.signal(signal.SIGHUP)
        server.wait_for_line("^info: reloaded")
        server.wait_for_workers(but=workers)
