# SPDX-License-Identifier: MIT
"""kill -9 of workers that hold a connection, or a lock of SQLite: nothing leaks, nothing sticks."""

import os
import random
import signal
import sqlite3
import threading
from typing import Any, List

from support import processes
from support.client import Closed, Connection
from support.configurations import only
from support.database import ROWS, databases, is_unavailable, read_row, read_rows, server_connections
from support.server import Launcher, Server
from support.variant import fewer
from support.waiting import eventually

EXPECTED = ["worker"]


def _descriptors(server: Server) -> int:
    return processes.descriptors(server.pid)


def _kill_one(server: Server) -> None:
    victim = random.choice(server.wait_for_workers())
    os.kill(victim, signal.SIGKILL)
    server.wait_for_workers(but=[victim])


class Writers:
    """Clients that update rows until told to stop, through whatever happens to the workers."""

    def __init__(self, server: Server, clients: int) -> None:
        self._server = server
        self._stopping = threading.Event()
        self._error: List[BaseException] = []
        self.done = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._error:
            raise self._error[0]

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and not self._error:
                try:
                    with Connection(self._server.address, 30) as connection:
                        while not self._stopping.is_set():
                            answer = connection.get("/updates?n=5")
                            if not is_unavailable(answer):
                                read_rows(answer, 5)
                                self.done += 1
                            read_rows(connection.get("/queries?n=20"), 20)
                except (Closed, ConnectionError) as closed:
                    assert "timed out" not in str(closed), closed
        except BaseException as error:  # shown at the end of the block
            self._error.append(error)


@only("prefork", "threads", "coro", "stealing", "coro-2", "prefork-connection")
def test_sqlite_survives(launch: Launcher, sqlite: str) -> None:
    """Writers in every worker while workers are killed: the file stays sound, no lock stays held."""
    server = launch(f"--db={sqlite}", expected=EXPECTED)
    with Writers(server, 6) as writers:
        for kills in range(fewer(6)):
            before = writers.done
            eventually(f"updates after {kills} kills", lambda: writers.done > before + 10, within=20)
            _kill_one(server)
        before = writers.done
        eventually("updates in the end", lambda: writers.done > before + 10, within=20)
    path = sqlite[len("sqlite:") :]
    file = sqlite3.connect(path)
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.execute("BEGIN IMMEDIATE")  # nobody holds a lock
    file.close()
    rows = databases.world(sqlite)
    assert set(rows) == set(range(1, ROWS + 1))
    assert all(1 <= value <= ROWS for value in rows.values())


@only("prefork", "threads", "coro", "prefork-connection", "threads-connection")
def test_sqlite_locks_hold(launch: Launcher, sqlite: str) -> None:
    """The locks that workers take and those of a program outside exclude each other."""
    server = launch(f"--db={sqlite}", "--db-timeout=0.3")
    read_row(server.get("/db"))
    file = sqlite3.connect(sqlite[len("sqlite:") :], isolation_level=None)
    try:
        file.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            assert is_unavailable(server.get("/updates?n=2"))
            read_row(server.get("/db"))  # readers go on
        file.execute("COMMIT")
        eventually("updates", lambda: server.get("/updates?n=2").status, lambda s: s == 200)
    finally:
        file.close()


@only("prefork")
def test_nothing_leaks_sqlite(launch: Launcher, sqlite: str) -> None:
    """A killed worker's file, its log and its index are closed in the table that all share."""
    server = launch(f"--db={sqlite}", expected=EXPECTED)
    before = _descriptors(server)
    for _ in range(fewer(10)):
        with Writers(server, 6) as writers:
            eventually("updates", lambda: writers.done > 6)
            _kill_one(server)
    most = before + 8 * 3  # each of the workers: file, log and index
    eventually("no descriptor is left over", lambda: _descriptors(server), lambda n: n <= most)
    for victim in server.wait_for_workers():
        os.kill(victim, signal.SIGKILL)
    eventually("all are closed", lambda: _descriptors(server), lambda n: n <= before)
    read_row(server.get("/db"))


@only("prefork", "prefork-connection", "threads", "coro")
def test_nothing_leaks_postgres(launch: Launcher, postgres: Any) -> None:
    """A killed worker's connection goes with it, also one that was borrowed."""
    server = launch(f"--db={postgres.uri}", "--db-connections=3", "--db-timeout=20",
                    expected=EXPECTED)
    before = _descriptors(server)
    for _ in range(fewer(6)):
        with Writers(server, 6) as writers:
            eventually("updates", lambda: writers.done > 6, within=30)
            _kill_one(server)
    eventually("connections of the living only", lambda: server_connections(postgres),
               lambda n: n <= 3)
    for victim in server.wait_for_workers():
        os.kill(victim, signal.SIGKILL)
    eventually("all are closed", lambda: _descriptors(server), lambda n: n <= before)
    eventually("PostgreSQL sees none", lambda: server_connections(postgres), lambda n: n == 0)
    read_row(server.get("/db", timeout=20))
