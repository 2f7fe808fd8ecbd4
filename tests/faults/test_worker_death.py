# SPDX-License-Identifier: MIT
"""kill -9 of a worker: only what it was serving fails, it is replaced, nothing leaks."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import List

import pytest

from support import processes
from support.client import Closed, Connection, message
from support.configurations import POOL, only
from support.load import Load
from support.server import Launcher, Server
from support.variant import fewer, patience
from support.waiting import eventually

EXPECTED = ["worker"]  # the log may say that one has died


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _outcome(connection: Connection) -> str:
    try:
        return str(connection.read_response().status)
    except Closed as closed:
        assert "timed out" not in str(closed), "neither answered nor closed"
        return "failed"


@only("prefork")
def test_only_what_it_was_serving(launch: Launcher) -> None:
    """All but one worker wait in a request, each for a client of its own; then one is killed."""
    server = launch(expected=EXPECTED)
    workers = server.wait_for_workers()
    idle = [server.connect() for _ in range(20)]
    busy = [server.connect() for _ in range(POOL - 1)]
    try:
        for connection in idle + busy:
            assert connection.get("/hello").status == 200
        for connection in busy:
            connection.send(message("GET", "/sleep?ms=2000"))
        eventually("all but one are in a request", server.contexts, lambda n: n == POOL - 1)
        free = _home(idle[0])
        victim = next(pid for pid in workers if pid != free)
        _kill(victim)
        outcomes = sorted(_outcome(connection) for connection in busy)
        assert outcomes == ["200"] * (POOL - 2) + ["failed"]
        server.wait_for_workers(but=[victim])
        for connection in idle:
            assert connection.get("/hello").status == 200
        eventually("the lost connection is not counted any more",
                   server.open_connections, lambda n: n == len(idle) + POOL - 2)
    finally:
        for connection in idle + busy:
            connection.close()


@only("prefork")
@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_all_die_at_once(launch: Launcher, tmp_path: Path) -> None:
    """They are replaced, and then each idle connection is armed once, not once for each death."""
    server = launch(expected=EXPECTED)
    idle = [server.connect() for _ in range(50)]
    calls = tmp_path / "calls"
    try:
        for connection in idle:
            assert connection.get("/hello").status == 200
        workers = server.wait_for_workers()
        command = ["strace", "-qq", "-e", "trace=epoll_ctl,clone", "-o", str(calls), "-p", str(server.pid)]
        with subprocess.Popen(command) as tracer:
            eventually("it is traced", lambda: processes.traced(server.pid))
            server.signal(signal.SIGSTOP)
            for victim in workers:
                _kill(victim)
            eventually("all are dead", lambda: not any(map(processes.alive, workers)))
            server.signal(signal.SIGCONT)
            server.wait_for_workers(but=workers)
            for connection in idle:
                assert connection.get("/hello").status == 200
            eventually("all are armed", lambda: calls.read_text().count("epoll_ctl(") >= len(idle))
            tracer.terminate()
    finally:
        for connection in idle:
            connection.close()
    names = re.findall(r"^(\w+)\(", calls.read_text(), re.MULTILINE)
    assert names.count("clone") == POOL
    assert len(idle) <= names.count("epoll_ctl") < 2 * len(idle)
    last_clone = len(names) - names[::-1].index("clone")
    assert names[:last_clone].count("epoll_ctl") < 10, "armed before all were replaced"


@only("threads", "coro", "stealing")
def test_the_only_process_dies(launch: Launcher) -> None:
    """All its connections are closed, at once and not by a timeout; its successor serves."""
    server = launch(expected=EXPECTED)
    (victim,) = server.wait_for_workers()
    connections = [server.connect() for _ in range(10)]
    try:
        for connection in connections:
            assert connection.get("/hello").status == 200
        connections[0].send(message("GET", "/sleep?ms=20000"))
        connections[1].send(b"GET /hello HTTP/1.1\r\nHo")
        _kill(victim)
        # Asked by someone who waits in the backlog meanwhile.
        assert server.get("/hello").status == 200
        assert [_outcome(connection) for connection in connections] == ["failed"] * 10
        assert victim not in server.wait_for_workers()
        eventually("no connection is counted", server.open_connections, lambda n: n == 0)
    finally:
        for connection in connections:
            connection.close()


@only("threads", "threads-gil")
def test_all_threads_come_back(launch: Launcher) -> None:
    """Killed while they are idle, and again while they serve: each time all of them begin anew."""
    server = launch(expected=EXPECTED)
    target = "/stream?chunks=2500&ms=20&size=10"  # until its client closes
    for busy in (False, True, False):
        with server.connect() as waiting:
            (victim,) = server.wait_for_workers()
            if busy:
                waiting.send(message("GET", "/sleep?ms=20000"))
                eventually("it sleeps", server.contexts, lambda n: n >= 1)
            _kill(victim)
        server.wait_for_workers(but=[victim])
        together = [server.connect() for _ in range(POOL - 1)]  # one more tells of them
        try:
            for connection in together:
                connection.send(message("GET", target))
            eventually("all serve", server.contexts, lambda n: n == len(together))
            assert [connection.read_head().status for connection in together] == [200] * len(together)
        finally:
            for connection in together:
                connection.close()


@only("coro-2")
def test_one_of_two_loops_dies(launch: Launcher) -> None:
    """The other's connections live on."""
    server = launch(expected=EXPECTED)
    victims = server.wait_for_workers()
    connections: List[Connection] = []
    try:
        homes: List[int] = []
        while len(set(homes)) < 2 or len(homes) < 10:
            assert len(homes) < 400, "one of the two loops gets no connection"
            connections.append(server.connect())
            homes.append(_home(connections[-1]))
        _kill(victims[0])
        server.wait_for_workers(but=victims[:1])
        for connection, home in zip(connections, homes):
            if home == victims[1]:
                assert connection.get("/hello").status == 200
            else:
                assert _outcome(connection) == "failed"
        eventually("only the other's connections are counted", server.open_connections,
                   lambda n: n == homes.count(victims[1]))
    finally:
        for connection in connections:
            connection.close()


def _home(connection: Connection) -> int:
    """The process that serves it."""
    return int(json.loads(connection.get("/whoami").text)["pid"])


@only("prefork-connection")
def test_worker_of_a_connection_dies(launch: Launcher) -> None:
    server = launch(expected=EXPECTED)
    server.wait_for_workers()
    connections = [server.connect() for _ in range(4)]
    try:
        homes = [_home(connection) for connection in connections]
        _kill(homes[0])
        assert _outcome(connections[0]) == "failed"
        server.wait_for_workers(but=homes[:1])
        for connection in connections[1:]:
            assert connection.get("/hello").status == 200
        eventually("the lost connection is not counted any more",
                   server.open_connections, lambda n: n == 3)
    finally:
        for connection in connections:
            connection.close()


def _kill_under_load(server: Server, kills: int) -> int:
    """Kills so many workers one after the other, each when all are there; requests failed."""
    choose = random.Random(1)
    clients = 6 if server.configuration.per_connection else 32
    with Load(server.address, clients, message("GET", "/sleep?ms=2"), pause=0.002) as waiting, \
            Load(server.address, 2 if server.configuration.per_connection else 16) as quick:
        for _ in range(kills):
            victim = choose.choice(server.wait_for_workers())
            answers = waiting.answers + quick.answers
            _kill(victim)
            server.wait_for_workers(but=[victim])
            eventually("requests are answered again",
                       lambda: waiting.answers + quick.answers > answers + 20, within=10)
    assert quick.longest < patience(5)
    return len(waiting.failures) + len(quick.failures)


def _leak_test(launch: Launcher, kills: int) -> int:
    """Failed requests; fails itself when descriptors or connections are left over."""
    server = launch(expected=EXPECTED)
    server.wait_for_workers()
    _kill_under_load(server, 2)
    eventually("no connection is left", server.open_connections, lambda n: n == 0)
    before = _quiet_descriptors(server)
    failed = _kill_under_load(server, kills)
    eventually("no connection is left", server.open_connections, lambda n: n == 0)
    eventually(f"the master has {before} descriptors again",
               lambda: _quiet_descriptors(server), lambda now: now == before)
    for pid in server.wait_for_workers():
        assert processes.alive(pid)
    return failed


def _quiet_descriptors(server: Server) -> int:
    """Those of the master, once the count stands still."""
    last = -1
    limit = time.monotonic() + patience(5)
    while time.monotonic() < limit:
        now = processes.descriptors(server.pid)
        if now == last:
            return now
        last = now
        time.sleep(0.1)
    return last


# A process that dies young is replaced after a pause of up to half a second, so where there is
# only one or two of them each kill takes as long; a leak shows after twenty as well.
KILLS = int(os.environ.get("SERVER_KILLS", "20"))


@only("prefork")
def test_hundred_workers_of_prefork(launch: Launcher) -> None:
    """A worker serves one connection at a time: so many may fail, and no more."""
    kills = fewer(100)
    assert _leak_test(launch, kills) <= kills


@only("prefork-connection", "threads", "coro", "stealing", "coro-2", "coro-connection")
def test_many_workers(launch: Launcher) -> None:
    _leak_test(launch, fewer(KILLS))
