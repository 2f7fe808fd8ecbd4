# SPDX-License-Identifier: MIT
"""All of --max-connections are open and others wait: who is in and needs no place makes room."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Iterator, List

import pytest

from support.client import Connection, message
from support.configurations import only
from support.server import Launcher, Server
from support.variant import patience

LIMIT = 4  # fewer than workers of a pool


@contextlib.contextmanager
def _connections(server: Server, count: int, ask: bool = True) -> Iterator[List[Connection]]:
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(server.connect(20)) for _ in range(count)]
        for connection in connections:
            if ask:
                assert connection.get("/hello").status == 200
        yield connections


@pytest.mark.parametrize("family", ["inet", "unix"])
def test_idle_ones_make_room(launch: Launcher, tmp_path: Path, family: str) -> None:
    """Long before their time is over, whether they have asked before or not."""
    listen = {"listen": f"unix:{tmp_path}/socket"} if family == "unix" else {}
    server = launch(f"--max-connections={LIMIT}", "--header-timeout=60", **listen)
    with _connections(server, LIMIT // 2), _connections(server, LIMIT // 2, ask=False):
        began = time.monotonic()
        with _connections(server, LIMIT):
            assert time.monotonic() - began < patience(10)


@only("prefork", "threads", "coro")
def test_as_many_as_wait_and_the_longest_idle_first(launch: Launcher) -> None:
    server = launch(f"--max-connections={LIMIT}")
    with _connections(server, LIMIT) as inside:
        time.sleep(1.5)  # how long they are idle before
        for connection in inside[1:]:
            assert connection.get("/hello").status == 200
        with _connections(server, 1):
            assert inside[0].read_to_end() == b""
            for connection in inside[1:]:
                assert connection.get("/hello").status == 200


def test_who_is_never_idle_makes_room_too(launch: Launcher) -> None:
    """Its answer says that it is the last, and whoever waits is let in."""
    server = launch(f"--max-connections={LIMIT}")
    stop = threading.Event()
    told: List[bool] = []

    def ask(connection: Connection) -> None:
        while not stop.is_set():
            if connection.get("/sleep?ms=5").closes:
                told.append(True)
                connection.close()
                return

    with _connections(server, LIMIT) as inside:
        threads = [threading.Thread(target=ask, args=[connection]) for connection in inside]
        for thread in threads:
            thread.start()
        try:
            with _connections(server, 1):
                assert told
                assert len(told) < LIMIT
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_nobody_is_told_to_go_while_nobody_waits(launch: Launcher) -> None:
    server = launch(f"--max-connections={LIMIT}")
    with _connections(server, LIMIT) as inside:
        for _ in range(4):
            time.sleep(0.5)  # two looks
            for connection in inside:
                assert not connection.get("/hello").closes


@only("prefork", "threads", "coro", "coro-2")
def test_a_request_under_way_is_left_alone(launch: Launcher) -> None:
    server = launch(f"--max-connections={LIMIT}")
    with _connections(server, LIMIT, ask=False) as inside:
        for connection in inside[:-1]:
            connection.send(message("GET", "/sleep?ms=3000"))
        inside[-1].send(b"GET /hello HTTP/1.1\r\nHost: a\r\n")  # half a head
        with _connections(server, 1):  # let in when one of them has ended
            for connection in inside[:-1]:
                assert connection.read_response().text == "slept 3000\n"
