# SPDX-License-Identifier: MIT
"""Limits on descriptors and memory: what is promised within them can be served."""

import resource
import signal
import socket
from functools import partial
from pathlib import Path
from typing import List

import pytest

from support.client import Closed, Connection, message
from support.configurations import Configuration, only
from support.load import crowd, disperse
from support.server import Launcher, Server
from support.variant import VARIANT
from support.waiting import eventually

WORKERS = 64


def promised(server: Server) -> int:
    return int(server.status()["settings"]["max-connections"])


def _reload(server: Server) -> None:
    before = sum("reloaded:" in line for line in server.lines)
    server.signal(signal.SIGHUP)
    eventually("reloaded", lambda: sum("reloaded:" in line for line in server.lines) > before,
               within=20)


def _fill(server: Server, count: int) -> List[Connection]:
    held = [server.connect(10) for _ in range(count)]
    for connection in held:
        assert connection.get("/hello").status == 200
    return held


@only("prefork", "threads", "threads-gil", "coro", "coro-2")
def test_all_that_is_promised_is_served(
    configuration: Configuration, launch: Launcher, site: Path, sqlite: str
) -> None:
    """As many connections as /status says, and files and the database for those who are connected,
    by every worker; and a reload is possible."""
    pool = (f"--workers={WORKERS}",) if configuration.pool else ()
    server = launch(f"--root={site}", f"--db={sqlite}", *pool, prefix=["prlimit", "--nofile=1024:1024"])
    # But for one: who asked /status may not have been missed yet, and of all some would have to make room.
    held = _fill(server, promised(server) - 1)
    try:
        assert len(held) >= 511
        for _ in range(2):
            for connection in held[:WORKERS]:
                connection.send(message("GET", "/files/text.txt") + message("GET", "/db"))
            for connection in held[:WORKERS]:
                assert connection.read_response().status == 200
                assert connection.read_response().status == 200
            _reload(server)
            assert [c.get("/hello").status for c in held[:WORKERS]] == WORKERS * [200]
            if configuration.name != "prefork":  # idle connections belong to the workers that retire
                for connection in held:
                    connection.close()
                eventually("they have left", server.open_connections, lambda n: n <= 0)
                held = _fill(server, len(held))
    finally:
        for connection in held:
            connection.close()


@only("prefork-connection")
def test_each_process_has_a_table_of_its_own(launch: Launcher) -> None:
    server = launch(model_options=["--model=prefork", "--dispatch=connection", "--workers=3"],
                    prefix=["prlimit", "--nofile=1024:1024"])
    assert 3 * 512 <= promised(server) <= 3 * 1024


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers need address space themselves")
@only("prefork", "threads", "coro", "coro-2")
def test_less_address_space_than_descriptors_want(launch: Launcher, tmp_path: Path) -> None:
    """There is a server all the same, for fewer connections, and it says for how many."""
    file = tmp_path / "server.conf"
    file.write_text("max-header = 1M\n")
    server = launch(f"--config={file}", prefix=["prlimit", "--as=2500000000", "--nofile=10000:10000"])
    server.wait_for_line("address space .* for the connections of .* descriptors, not of 10000")
    assert 100 <= promised(server) < 5000
    disperse(crowd(server.address, 100, message("GET", "/hello")))
    assert server.get("/hello").status == 200
    for header in ("512k", "1M"):  # beside the one that there is
        file.write_text(f"max-header = {header}\n")
        _reload(server)
        assert server.get("/hello").status == 200
    eventually("the old workers have gone", server.worker_pids,
               lambda pids: len(pids) == server.configuration.worker_processes, within=20)


def _serves(server: Server) -> bool:
    """A client that has come before the limit was put back is let go."""
    try:
        return server.get("/hello").status == 200
    except (Closed, OSError):
        return False


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers need address space themselves")
@only("prefork", "threads", "coro", "coro-2")
def test_a_limit_raised_from_outside(launch: Launcher, site: Path) -> None:
    """prlimit(1) on a server that runs: what there is no record for is not served, and nobody dies."""
    server = launch("--max-header=1M", f"--root={site}",
                    prefix=["prlimit", "--as=600000000", "--nofile=10000:10000"])
    workers = server.wait_for_workers()
    slow: List[socket.socket] = []
    try:
        for _ in range(promised(server)):  # each that is served has a file open besides
            for pid in [server.pid, *workers]:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (10000, 10000))
            slow += crowd(server.address, 1, message("GET", "/files/big.bin") * 20)
    finally:
        disperse(slow)
    eventually("served again", partial(_serves, server))
    assert server.wait_for_workers() == workers
    assert not any("worker process" in line for line in server.lines), server.lines
