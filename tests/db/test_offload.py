# SPDX-License-Identifier: MIT
"""What --offload is for: SQLite blocks, so somebody waits for it: a helper thread, or the loop.

The wait is for a lock that the test holds, so it lasts as long as the test wants on any machine.
"""

import sqlite3

import pytest

from support.client import Closed, Connection, message
from support.configurations import Configuration, only
from support.database import is_unavailable, read_row, read_rows
from support.server import Launcher
from support.variant import patience
from support.waiting import eventually

MOMENT = 0.5  # seconds: an answer that takes longer is taken to be held up
LONG = 30  # one that comes in the end
HELPERS = 4  # threads, of each loop


def _is_held_up(connection: Connection) -> bool:
    """Asks for /hello. When the answer is held up it is still to come."""
    connection.socket.settimeout(MOMENT)
    try:
        assert connection.get("/hello").status == 200
    except Closed as closed:
        assert "timed out" in str(closed), closed
        return True
    return False


@only("prefork", "threads", "coro", "stealing")
@pytest.mark.parametrize("offload", ["on", "off"])
def test_who_waits(
    launch: Launcher, sqlite: str, offload: str, configuration: Configuration
) -> None:
    """Without it one request that waits for SQLite holds up all others of its loop."""
    server = launch(f"--db={sqlite}", f"--offload={offload}", "--db-timeout=300")
    read_row(server.get("/db"))
    file = sqlite3.connect(sqlite[len("sqlite:") :], isolation_level=None)
    try:
        with server.connect(LONG) as updating, server.connect(LONG) as other:
            file.execute("BEGIN IMMEDIATE")
            updating.send(message("GET", "/updates?n=2"))
            if configuration.model == "coro" and offload == "off":
                eventually("the loop is held", lambda: _is_held_up(other), within=LONG, every=0)
                file.execute("COMMIT")
                other.socket.settimeout(patience(LONG))
                assert other.read_response().status == 200
            else:
                eventually("the update is being served", server.contexts, lambda n: n >= 1)
                for _ in range(100):
                    assert other.get("/hello").status == 200
                file.execute("COMMIT")
            read_rows(updating.read_response(), 2)
    finally:
        file.close()


@only("coro", "stealing")
def test_no_helper_thread_in_time(launch: Launcher, sqlite: str) -> None:
    """The manual: --db-timeout is how long a request may wait. It holds for a helper thread, too."""
    server = launch("--workers=1", f"--db={sqlite}", "--db-timeout=0.5")
    read_row(server.get("/db"))
    busy = [server.connect(LONG) for _ in range(HELPERS)]
    try:
        for connection in busy:
            connection.send(message("GET", f"/block?ms={3000 * patience(1):.0f}&offload=1"))
        eventually("they are being served", server.contexts, lambda n: n >= HELPERS)
        assert is_unavailable(server.get("/db", timeout=LONG))
        for connection in busy:
            assert connection.read_response().status == 200
        read_row(server.get("/db"))
    finally:
        for connection in busy:
            connection.close()
