# SPDX-License-Identifier: MIT
"""Thousands of workers: what each costs does not grow with how many there are."""

import json
import os
import signal
import tempfile
from typing import List, Optional, Set

import pytest

from support import processes
from support.client import Connection
from support.configurations import Configuration, only
from support.server import Launcher, Server
from support.variant import VARIANT
from support.waiting import eventually

pytestmark = pytest.mark.skipif(VARIANT != "release", reason="sanitizers take megabytes for each")

WORKERS = 3000


def _reloaded(server: Server) -> int:
    return sum("reloaded:" in line for line in server.lines)


def _reload(server: Server) -> None:
    before = _reloaded(server)
    server.signal(signal.SIGHUP)
    eventually("reloaded", lambda: _reloaded(server) > before, within=60)


@only("prefork", "threads", "prefork-connection")
def test_thousands_start_idle_and_are_replaced(configuration: Configuration, launch: Launcher) -> None:
    """The master counts in time that grows with the workers, not with their square or cube; so it is
    nearly idle beside them. They take no descriptors of the master's."""
    server = launch(f"--workers={WORKERS}", within=60)
    assert processes.cpu_seconds(server.pid) < 2.5, "the master was busy starting them"
    assert server.get("/sleep?ms=1000").text == "slept 1000\n"  # those that have just started settle
    used = processes.cpu_seconds(server.pid)
    assert server.get("/sleep?ms=2000").text == "slept 2000\n"
    assert processes.cpu_seconds(server.pid) - used < 0.1, "the master is not idle"
    assert processes.descriptors(server.pid) < 100
    _reload(server)
    assert server.get("/hello").status == 200
    # As many as before remain: counted, as each look at a process takes longer than the next one.
    wanted = WORKERS if configuration.model == "prefork" else 1
    eventually("the old ones have gone", server.worker_pids, lambda pids: len(pids) == wanted,
               within=60, every=0.5)


def _connect_to_newest(server: Server, known: Set[int]) -> Connection:
    """To a generation that is not known yet: for a moment the one before accepts as well."""

    def connect() -> Optional[Connection]:
        connection = server.connect(60)
        pid = json.loads(connection.get("/whoami").text)["pid"]
        if pid in known:
            connection.close()
            return None
        known.add(pid)
        return connection

    connection = eventually("the newest generation accepts", connect)
    assert connection is not None
    return connection


@only("threads")
def test_reloads_beside_thousands_that_retire(launch: Launcher) -> None:
    """As many generations as may retire side by side leave room for one more."""
    server = launch("--workers=3400", "--shutdown-timeout=60", within=60)
    held: List[Connection] = []
    pids: Set[int] = set()
    try:
        for _ in range(5):
            held.append(_connect_to_newest(server, pids))
            held[-1].begin()  # keeps its generation from ending
            if len(held) < 5:
                _reload(server)
        assert len(server.worker_pids()) == 5
        assert len(server.status()["workers"]) == 5 * 3400
        for connection in held:
            connection.finish()
    finally:
        for connection in held:
            connection.close()
    eventually("they have gone", server.worker_pids, lambda pids: len(pids) == 1, within=30)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as a user with no other process")
@only("prefork", "threads", "prefork-connection")
def test_too_many_to_start(configuration: Configuration, launch: Launcher) -> None:
    """A reload says which limit it has met, and the server goes on as it was."""
    with tempfile.NamedTemporaryFile("w") as file:
        os.fchmod(file.fileno(), 0o644)
        server = launch(
            f"--config={file.name}", "--db=sqlite::memory:", expected=["cannot start", "while starting", "reload: "],
            prefix=["prlimit", "--nproc=60", "setpriv", f"--reuid={100000 + os.getpid()}", "--clear-groups"],
            model_options=[o for o in configuration.options if "workers" not in o])
        workers = server.worker_pids()
        file.write("workers = 500\n")
        file.flush()
        server.signal(signal.SIGHUP)
        server.wait_for_line("ulimit -u.*pids.max", within=20)
        server.wait_for_line("reload: its worker processes do not start; the server goes on", within=30)
        assert sum("ulimit -u" in line for line in server.lines) <= 3, server.lines
        eventually("the new ones have gone", server.worker_pids, lambda pids: pids == workers)
        assert server.get("/hello").status == 200
