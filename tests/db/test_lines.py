# SPDX-License-Identifier: MIT
"""More who ask than connections: a fair line, deadlines, and never more connections than told."""

import threading
from typing import Any, List

import pytest

from support.client import Response, message
from support.configurations import Configuration, only
from support.database import (
    Askers,
    LockedTable,
    is_unavailable,
    read_rows,
    server_connections,
)
from support.server import Launcher
from support.variant import fewer
from support.waiting import eventually


def _settled(answer: Response) -> bool:
    """Right, or wrong in a way that waiting does not mend."""
    return answer.status == 200 or not is_unavailable(answer)


FEW = 3  # connections; the pools under test have 8 workers


@pytest.mark.parametrize("connections", [FEW, 16])
def test_never_more_connections(
    launch: Launcher, postgres: Any, connections: int, configuration: Configuration
) -> None:
    """Everybody gets a turn, nobody another's answer, PostgreSQL sees no more than it was told.

    A connection that is given up to be opened elsewhere may be on its way out when the next
    has come: PostgreSQL counts it until it has noticed.
    """
    server = launch(f"--db={postgres.uri}", f"--db-connections={connections}", "--db-timeout=20")
    clients = 8 if configuration.pool else 32
    eventually("none of another server's", lambda: server_connections(postgres), lambda n: n == 0)
    seen = 0
    with Askers(server.address, clients) as askers:
        while askers.right < fewer(300):
            seen = max(seen, server_connections(postgres))
    assert askers.unavailable == 0
    leaving = FEW if configuration.pool and connections == FEW else 0
    assert seen <= connections + leaving
    eventually("no more connections than told", lambda: server_connections(postgres),
               lambda n: n <= connections)


def test_no_more_when_nobody_waits_any_longer(
    launch: Launcher, postgres: Any, configuration: Configuration
) -> None:
    """A statement goes on in PostgreSQL when its socket is closed, unless it is ended: questions that
    run out of time, one after another, are no more connections than told either."""
    server = launch(f"--db={postgres.uri}", f"--db-connections={FEW}", "--db-timeout=0.8")
    connections = [server.connect(timeout=20) for _ in range(min(configuration.width, 12))]
    eventually("none of another server's", lambda: server_connections(postgres), lambda n: n == 0)
    seen: List[int] = []
    done = threading.Event()

    def count() -> None:
        while not done.is_set():
            seen.append(server_connections(postgres))

    counter = threading.Thread(target=count)
    try:
        with LockedTable(postgres):
            counter.start()
            for _ in range(4):
                for connection in connections:
                    connection.send(message("GET", "/queries?n=7"))
                for connection in connections:
                    assert is_unavailable(connection.read_response())
    finally:
        done.set()
        counter.join()
        for connection in connections:
            connection.close()
    assert 0 < max(seen) <= FEW, seen


def test_deadlines(launch: Launcher, postgres: Any, configuration: Configuration) -> None:
    """Those who wait for an answer, and those in line behind them, are told in time.

    The connections that wait in mid-question are closed: what they are asked next is answered as if
    nothing had been.
    """
    server = launch(f"--db={postgres.uri}", f"--db-connections={FEW}", "--db-timeout=0.3")
    clients = min(configuration.width, 12)
    connections = [server.connect(timeout=20) for _ in range(clients)]
    try:
        with LockedTable(postgres) as lock:
            for connection in connections:
                connection.send(message("GET", "/queries?n=7"))
            for connection in connections:
                assert is_unavailable(connection.read_response())
            assert server.get("/hello").status == 200
        del lock
        for number, connection in enumerate(connections):
            answer = eventually(
                "the database answers again",
                lambda: connection.get(f"/queries?n={number + 1}"),
                _settled,
            )
            read_rows(answer, number + 1)
    finally:
        for connection in connections:
            connection.close()


@only("prefork", "threads", "threads-gil", "coro", "stealing")
def test_stopped_in_a_question(launch: Launcher, postgres: Any) -> None:
    """A server told to stop does not wait for a database that does not answer."""
    server = launch(f"--db={postgres.uri}", "--db-timeout=60", "--shutdown-timeout=1")
    with LockedTable(postgres) as lock, server.connect() as connection:
        connection.send(message("GET", "/db"))
        eventually("it waits for the lock", lock.waiting, lambda n: n == 1)
        server.stop()
        eventually("its connection is closed", lambda: server_connections(postgres),
                   lambda n: n <= 1)  # PostgreSQL notices when the lock is released
    eventually("and gone", lambda: server_connections(postgres), lambda n: n == 0)


def test_client_gone(launch: Launcher, postgres: Any) -> None:
    """A client that leaves while its question is under way costs nobody a connection."""
    server = launch(f"--db={postgres.uri}", f"--db-connections={FEW}", "--db-timeout=20")
    with LockedTable(postgres) as lock:
        gone = [server.connect() for _ in range(FEW)]
        for connection in gone:
            connection.send(message("GET", "/queries?n=9"))
        # Of two loops one has two of the three connections; the third client may be in line there.
        eventually("they wait for the lock", lock.waiting, lambda n: n >= FEW - 2)
        for connection in gone:
            connection.close()
    for count in range(1, 3 * FEW):
        read_rows(server.get(f"/queries?n={count}", timeout=20), count)
