# SPDX-License-Identifier: MIT
"""SIGHUP replaces the workers and SIGUSR1 the access log, and no client notices."""

import json
import os
import signal
from pathlib import Path
from typing import Any, Dict

from support.client import message
from support.configurations import per_request
from support.load import Load
from support.server import Launcher, Server
from support.variant import patience
from support.waiting import eventually


def _settings(server: Server) -> Dict[str, str]:
    status: Dict[str, Any] = json.loads(server.get("/status").text)
    settings: Dict[str, str] = status["settings"]
    return settings


@per_request
def test_reload_under_load(launch: Launcher, tmp_path: Path) -> None:
    """No connection is refused or reset, and no request is lost."""
    file = tmp_path / "server.conf"
    file.write_text("keepalive-timeout = 50\n")
    server = launch(f"--config={file}")
    workers = server.wait_for_workers()
    with Load(server.address, 8, message("GET", "/sleep?ms=2")) as kept, \
            Load(server.address, 8, fresh=True) as fresh:
        for timeout in ("51", "52", "53"):
            answers = kept.answers + fresh.answers
            file.write_text(f"keepalive-timeout = {timeout}\n")
            server.signal(signal.SIGHUP)
            workers = server.wait_for_workers(but=workers)
            eventually("the new setting is in force",
                       lambda: _settings(server)["keepalive-timeout"], lambda v: v == timeout)
            eventually("requests are answered",
                       lambda: kept.answers + fresh.answers > answers + 100)
    # A connection may be closed between two requests, which a client has to expect.
    assert not [f for f in kept.failures if f != "closed while idle"]
    assert not fresh.failures
    assert fresh.longest < patience(2)


def test_reload_of_a_bad_configuration(launch: Launcher, tmp_path: Path) -> None:
    """It is reported and the old one stays."""
    file = tmp_path / "server.conf"
    file.write_text("keepalive-timeout = 50\n")
    server = launch(f"--config={file}", expected=["keepalive-tmeout"])
    workers = server.wait_for_workers()
    file.write_text("keepalive-tmeout = 60\n")
    server.signal(signal.SIGHUP)
    server.wait_for_line("keepalive-tmeout")
    assert _settings(server)["keepalive-timeout"] == "50"
    assert server.worker_pids() == workers
    # And a good one is taken again.
    file.write_text("keepalive-timeout = 70\n")
    server.signal(signal.SIGHUP)
    eventually("the new setting is in force",
               lambda: _settings(server)["keepalive-timeout"], lambda v: v == "70", within=10)


def test_request_in_progress_survives_a_reload(launch: Launcher) -> None:
    server = launch()
    workers = server.wait_for_workers()
    with server.connect() as connection:
        connection.send(message("GET", "/sleep?ms=1000"))
        if not server.configuration.per_connection:
            eventually("it is being served", lambda: '"in_use":2' in server.get("/status").text)
        else:
            server.get("/hello")
        server.signal(signal.SIGHUP)
        assert connection.read_response().text == "slept 1000\n"
    server.wait_for_workers(but=workers)
    assert server.get("/hello").status == 200


def test_access_log(launch: Launcher, tmp_path: Path) -> None:
    """A line a request, nothing a client sends unescaped, reopened on SIGUSR1."""
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    server = launch(f"--access-log={log}")
    with server.connect() as connection:
        for _ in range(20):
            assert connection.get("/hello").status == 200
        connection.get("/nothing?%22", 'User-Agent: a"b\\c\xe9')
        assert connection.get("/hello").status == 200
    eventually("22 lines", lambda: log.read_bytes().count(b"\n"), lambda count: count == 22)
    text = log.read_bytes()
    assert all(byte == 10 or 32 <= byte < 127 for byte in text)
    assert text.count(b"/hello") == 21 and text.count(b" 404 ") == 1

    os.rename(log, old)
    server.signal(signal.SIGUSR1)

    def reopened() -> bool:
        server.get("/json")
        return log.exists() and b"/json" in log.read_bytes()

    eventually("lines come in the new file", reopened)
    size = old.stat().st_size
    with server.connect() as connection:
        for _ in range(5):
            connection.get("/hello")
    eventually("five more lines", lambda: log.read_bytes().count(b"/hello"), lambda n: n == 5)
    assert old.stat().st_size == size


def test_many_signals(launch: Launcher) -> None:
    """In quick succession they neither end the server nor leave workers behind."""
    server = launch()
    server.wait_for_workers()
    for _ in range(5):
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGUSR1)
        assert server.get("/hello").status == 200
    before = set(server.worker_pids())
    server.signal(signal.SIGHUP)
    server.wait_for_workers(but=sorted(before))
    assert server.get("/hello").status == 200
