# SPDX-License-Identifier: MIT
"""Where workers share a descriptor table they open nothing unannounced, by whatever library.

src/master/strays.h says why: "Outside of these times it opens nothing". A tracer (support/announced.c) looks
at the word of the worker at each call that opens or closes, in every route, with every database, through
deaths, reloads and turnover.
"""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any, List

import pytest

from support.client import Closed, Connection, message
from support.configurations import only
from support.server import Launcher, Server
from support.variant import ROOT, VARIANT
from support.waiting import eventually

ROUTES = [
    "/", "/status", "/hello", "/json", "/cpu?n=10", "/sleep?ms=1", "/block?ms=1", "/whoami",
    "/block?ms=1&offload=1", "/mix?cpu=1&wait=1&rounds=2", "/fanout?n=3&ms=1",
    "/stream?chunks=3&ms=1&size=10", "/files/text.txt", "/files/folder/", "/files/none", "/files/../x", "/nope",
]  # fmt: skip
QUESTIONS = ["/db", "/queries?n=20", "/updates?n=20", "/fortunes", "/cache?n=20", "/queries?n=500"]
EXPECTED = ["worker", "PostgreSQL", "database", "cache"]

pytestmark = pytest.mark.skipif(
    VARIANT != "release", reason="leaks cannot be looked for in a process that is traced"
)


@pytest.fixture(scope="session")
def tracer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("announced") / "announced"
    subprocess.run(
        ["cc", "-std=c11", "-D_GNU_SOURCE", f"-I{ROOT}/src", "-O1", "-o", program,
         ROOT / "tests" / "support" / "announced.c"], check=True)  # fmt: skip
    return program


class Traced:
    """Starts servers under the tracer, and judges what it saw of them."""

    def __init__(self, launch: Launcher, tracer: Path, report: Path) -> None:
        self._launch, self._tracer, self._report = launch, tracer, report

    def __call__(self, *options: str) -> Server:
        prefix = (str(self._tracer), str(self._report))
        return self._launch(*options, prefix=prefix, expected=EXPECTED, within=30)

    def lines(self) -> List[str]:
        return self._report.read_text().splitlines()

    def judge(self, server: Server) -> None:
        """Stops it; all it has opened was announced, and there was some of that."""
        server.stop()
        eventually("the tracer ends", lambda: "announced " in self._report.read_text())
        *unannounced, last = self.lines()
        assert unannounced == []
        assert int(last.split()[1]) > 100


@pytest.fixture
def traced(launch: Launcher, tracer: Path, tmp_path: Path) -> Traced:
    return Traced(launch, tracer, tmp_path / "report")


def _ask(server: Server, targets: List[str]) -> None:
    """Until each worker has most likely been asked for each."""
    for _ in range(8):
        for target in targets:
            server.get(target, timeout=30)
    with Connection(server.address, 30) as connection:
        for target in targets:
            connection.get(target)
        connection.send(message("POST", "/echo", "Content-Length: 5", body=b"12345"))
        assert connection.read_response().body == b"12345"


@only("prefork")
def test_in_requests(traced: Traced, site: Path, tmp_path: Path) -> None:
    server = traced(f"--root={site}", f"--access-log={tmp_path / 'log'}")
    _ask(server, ROUTES)
    server.signal(signal.SIGUSR1)
    _ask(server, ROUTES[:3])
    traced.judge(server)


@only("prefork")
def test_in_a_changing_pool(traced: Traced, site: Path, tmp_path: Path) -> None:
    """As workers come and go: deaths of every kind, turnover, reloads."""
    server = traced(f"--root={site}", f"--access-log={tmp_path / 'log'}", "--max-requests=10",
                    "--enable-fault-routes", "--shutdown-timeout=5")
    for kind in ("overflow", "segv", "abort", "exit"):
        with pytest.raises(Closed):
            server.get(f"/fault/{kind}", timeout=30)
        _ask(server, ROUTES[:4])
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    _ask(server, ROUTES)
    server.signal(signal.SIGHUP)
    server.wait_for_line("^info: reloaded", within=30)
    _ask(server, ROUTES)
    traced.judge(server)


@only("prefork")
@pytest.mark.parametrize("connections", [16, 3], ids=["one-each", "borrowed"])
def test_with_databases(traced: Traced, uri: str, redis: Any, connections: int) -> None:
    """Also where processes borrow the right to have a connection from each other."""
    server = traced(f"--db={uri}", f"--redis={redis.address}", f"--db-connections={connections}",
                    "--db-timeout=20")
    _ask(server, QUESTIONS)
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    _ask(server, QUESTIONS)
    traced.judge(server)


@only("prefork")
def test_with_a_new_file(traced: Traced, tmp_path: Path) -> None:
    """The one that SQLite makes, with its journal, log and index."""
    server = traced(f"--db=sqlite:{tmp_path / 'new.sqlite'}")
    _ask(server, QUESTIONS)
    traced.judge(server)


@only("prefork")
def test_with_names_to_look_up(traced: Traced) -> None:
    """The resolver reads files and loads modules."""
    server = traced("--db=postgresql://localhost:1/world", "--redis=localhost:1")
    _ask(server, QUESTIONS)
    traced.judge(server)
