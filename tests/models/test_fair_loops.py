# SPDX-License-Identifier: MIT
"""Several loops on one listening socket share its connections fairly.

Fairness is Jain's index over the loops' connections: (sum x)^2 / (n * sum x^2),
1 when all have the same, 1/n when one has them all.
"""

import os
import signal
from statistics import median
from typing import Iterator, List

import pytest

from support import processes
from support.client import Connection, message
from support.configurations import Configuration
from support.server import Server
from support.waiting import eventually

CONNECTIONS = 64
HELLO = message("GET", "/hello")


@pytest.fixture(params=(2, 4))
def loops(request: pytest.FixtureRequest) -> Iterator[Server]:
    count: int = request.param
    server = Server(Configuration(f"coro-{count}", ("--model=coro", f"--workers={count}", "--stopped-timeout=60")))
    try:
        yield server
        server.stop()
    finally:
        server.kill()


def shares(server: Server) -> List[int]:
    """How many connections each loop has."""
    return [worker["accepted"] - worker["closed"] for worker in server.status()["workers"]]


def jain(x: List[int]) -> float:
    return sum(x) ** 2 / (len(x) * sum(value * value for value in x))


def close_all(server: Server, connections: List[Connection]) -> None:
    for connection in connections:
        connection.close()
    eventually("all connections closed", server.open_connections, lambda count: count == 0)


def test_connections_that_come_one_by_one(loops: Server) -> None:
    connections = []
    pids = loops.worker_pids()
    for _ in range(CONNECTIONS):
        eventually("no loop waits for a core", lambda: all(processes.state(pid) == "S" for pid in pids))
        connections.append(loops.connect())
        assert connections[-1].get("/hello").status == 200
    found = shares(loops)
    print(f"shares {found}, Jain's index {jain(found):.3f}")
    assert jain(found) >= 0.95
    close_all(loops, connections)


def test_connections_that_come_all_at_once(loops: Server) -> None:
    """The median of several bursts: in one a loop may get no CPU time while others accept."""
    found = []
    for _ in range(5):
        connections = [loops.connect() for _ in range(CONNECTIONS)]
        eventually("all accepted", loops.open_connections, lambda count: count == CONNECTIONS)
        found.append(shares(loops))
        close_all(loops, connections)
    print("\n".join(f"shares {x}, Jain's index {jain(x):.3f}" for x in found))
    assert median(jain(x) for x in found) >= 0.95


def test_a_loop_that_does_not_come_is_not_waited_for(loops: Server) -> None:
    stopped = loops.worker_pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        eventually("it has stopped", lambda: processes.state(stopped) == "T")
        # It is told of each of them and has fewer than any other, yet they are served.
        connections = [loops.connect() for _ in range(CONNECTIONS)]
        for connection in connections:
            connection.send(HELLO)
        for connection in connections:
            assert connection.read_response().status == 200
    finally:
        os.kill(stopped, signal.SIGCONT)
    close_all(loops, connections)


def test_each_loop_has_descriptors_of_its_own() -> None:
    """Two loops hold more connections than one process may have descriptors."""
    configuration = Configuration("coro-2", ("--model=coro", "--workers=2"))
    server = Server(configuration, prefix=("prlimit", "--nofile=600:600"))
    try:
        # At least half of a process's descriptors are for connections.
        assert int(server.status()["settings"]["max-connections"]) >= 600
        connections = [server.connect() for _ in range(590)]
        for connection in connections:
            assert connection.get("/hello").status == 200
        close_all(server, connections)
        server.stop()
    finally:
        server.kill()
