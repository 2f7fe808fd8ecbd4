# SPDX-License-Identifier: MIT
"""SIGHUP: the configuration is read again and the workers replaced; no client notices."""

import signal
from pathlib import Path
from typing import Dict

import pytest

from support.client import message
from support.configurations import per_request
from support.load import Load
from support.server import Launcher, Server
from support.variant import patience
from support.waiting import eventually




def _settings(server: Server) -> Dict[str, str]:
    settings: Dict[str, str] = server.status()["settings"]
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
            eventually("it is being served", server.contexts, lambda n: n == 1)
        else:
            server.get("/hello")
        server.signal(signal.SIGHUP)
        assert connection.read_response().text == "slept 1000\n"
    server.wait_for_workers(but=workers)
    assert server.get("/hello").status == 200


def test_many_reloads(launch: Launcher) -> None:
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
