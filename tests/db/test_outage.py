# SPDX-License-Identifier: MIT
"""A PostgreSQL that goes away and comes back: honest answers meanwhile, right ones after."""

import time
from typing import Any, List

import pytest

from support.client import Response
from support.configurations import Configuration, only
from support.database import Askers, is_unavailable, read_row, read_rows
from support.server import Launcher
from support.variant import patience
from support.waiting import eventually


def _settled(answer: Response) -> bool:
    """Right, or wrong in a way that waiting does not mend."""
    return answer.status == 200 or not is_unavailable(answer)


CLIENTS = 6  # a worker each where a connection keeps its worker, and two are left
LONG_S = 1.7  # an outage in which pauses that double without a limit would exceed a second
RESUMED_S = 1.0  # from its return to the last request that is told of the outage
LIMIT_S = 5.0  # the same on a machine that has other things to do just then


@only("prefork", "threads", "coro", "stealing")  # seconds each, and what waits is not the dispatch's
def test_restarted_under_load(launch: Launcher, postgres: Any) -> None:
    """Twice, killed and stopped: right answers or honest failures throughout, and right ones alone
    soon after it is back."""
    server = launch(f"--db={postgres.uri}", "--db-connections=4")
    late: List[float] = []
    with Askers(server.address, CLIENTS) as askers:
        for end in (postgres.kill, postgres.stop):
            eventually("answers", lambda: askers.right, within=20)
            end()
            gone = time.monotonic()
            before = askers.unavailable
            eventually("honest failures", lambda: askers.unavailable > before + CLIENTS, within=20)
            assert server.get("/hello", timeout=20).status == 200
            eventually("pauses are at their longest", lambda: time.monotonic() - gone > LONG_S)
            postgres.start()
            back = time.monotonic()
            before = askers.right
            eventually("answers again", lambda: askers.right > before, within=LIMIT_S)
            eventually("and nothing else", lambda: time.monotonic() - max(
                back, askers.last_unavailable) > RESUMED_S, within=LIMIT_S + RESUMED_S)
            late.append(askers.last_unavailable - back)
        before = askers.right
        eventually("all is well", lambda: askers.right > before + 20 * CLIENTS, within=30)
    assert min(late) < patience(RESUMED_S), late
    assert any("--db" in line for line in server.lines), "an outage is to be logged"


def test_restarted_while_idle(launch: Launcher, postgres: Any) -> None:
    """Connections that died in their sleep are replaced before they are used, once one is noticed
    or a second has passed."""
    server = launch(f"--db={postgres.uri}", "--db-connections=4")
    with server.connect(timeout=20) as connection:
        read_row(connection.get("/db"))
        postgres.stop()
        postgres.start()
        answer = eventually("answers again", lambda: connection.get("/queries?n=3"),
                            _settled)
        read_rows(answer, 3)


def test_not_there_at_start(
    launch: Launcher, postgres: Any, configuration: Configuration
) -> None:
    """The server starts without its database, says so when asked, and finds it when it comes."""
    postgres.stop()
    server = launch(f"--db={postgres.uri}")
    with server.connect(timeout=20) as connection:
        for target in ("/db", "/queries?n=2", "/updates?n=2", "/fortunes"):
            assert is_unavailable(connection.get(target)), target
        assert connection.get("/hello").status == 200
        server.wait_for_line(r"^warn.* --db: ")
        postgres.start()
        # Each process finds out for itself, so the next request may fail where another does not.
        read_row(eventually("answers", lambda: connection.get("/db"), _settled))
    if configuration.model != "prefork":  # there the one that answers may not have failed before
        server.wait_for_line(r"--db: can be reached again")


@pytest.mark.parametrize("uri", ["postgresql://127.0.0.1:1/world",
                                 "postgresql:///?host=/nonexistent"])
def test_no_such_database(launch: Launcher, uri: str) -> None:
    server = launch(f"--db={uri}", "--db-timeout=2")
    for _ in range(3):
        assert is_unavailable(server.get("/db", timeout=20))
        assert is_unavailable(server.get("/updates?n=2", timeout=20))
    assert server.get("/hello", timeout=20).status == 200
