# SPDX-License-Identifier: MIT
"""Threads that take work from each other: what a busy one holds up, and what it does not."""

import json
import selectors
import signal
import socket
from functools import partial
from pathlib import Path
from typing import Iterator, List

import pytest

from support import preload, processes
from support.client import Closed, Connection, message
from support.configurations import Configuration
from support.load import Load
from support.server import Launcher, Server
from support.variant import patience
from support.waiting import eventually

WHOAMI = message("GET", "/whoami")
HELLO = message("GET", "/hello")


def _launch(workers: int, *options: str) -> Iterator[Server]:
    launcher = Launcher(Configuration("stealing", ("--model=stealing", f"--workers={workers}")))
    try:
        yield launcher(*options, expected=["worker process"])
        launcher.stop()
    finally:
        launcher.kill()


@pytest.fixture
def two() -> Iterator[Server]:
    yield from _launch(2)


def _answered(connection: Connection) -> bool:
    """Something has come on it."""
    with selectors.SelectSelector() as selector:
        selector.register(connection.socket, selectors.EVENT_READ)
        return bool(selector.select(0))


def _thread_of(connection: Connection) -> int:
    connection.send(WHOAMI)
    tid: int = json.loads(connection.read_response().text)["tid"]
    return tid


def _is_in(thread: int, state: str, busy: Connection) -> bool:
    """The kernel says so, or what it did is over."""
    return processes.state(thread) == state or _answered(busy)


def _connections(server: Server, count: int) -> List[Connection]:
    """So many of one thread's, whichever."""
    found: "dict[int, List[Connection]]" = {}
    while True:
        connection = server.connect(patience(30))
        same = found.setdefault(_thread_of(connection), [])
        same.append(connection)
        if len(same) == count:
            for others in found.values():
                if others is not same:
                    for other in others:
                        other.close()
            return same


def test_what_waits_at_a_thread_that_blocks_is_served_by_another(two: Server) -> None:
    """Connections of its own that ask while it blocks, and they stay with who served them."""
    busy, *others = _connections(two, 20)
    busy.send(message("GET", f"/block?ms={patience(2) * 1000:.0f}"))
    eventually("it blocks", two.contexts, lambda n: n >= 1)
    threads = set()
    for _ in range(3):
        for other in others:
            other.send(WHOAMI)
        threads = {json.loads(other.read_response().text)["tid"] for other in others}
    assert len(threads) == 1, "all but one thread blocks"
    assert not _answered(busy), "it was over before they were answered"
    assert busy.read_response().status == 200


def test_newcomers_are_served_while_a_thread_blocks(two: Server) -> None:
    with two.connect(patience(30)) as busy:
        busy.send(message("GET", f"/block?ms={patience(2) * 1000:.0f}"))
        eventually("it blocks", two.contexts, lambda n: n >= 1)
        for _ in range(20):
            assert two.get("/hello").status == 200
        assert not _answered(busy), "it was over before they were answered"
        assert busy.read_response().status == 200


def test_what_computes_after_a_wait_is_noticed_as_well(two: Server) -> None:
    """Its thread was asleep, and nobody watched, when it went on. Who shares it and asks then is served by
    another; who asked before or after it computed tells nothing, and asks again."""
    for _ in range(5):
        busy, *others = _connections(two, 8)
        own = _thread_of(busy)
        busy.send(message("GET", "/mix?cpu=200000&wait=300&rounds=2"))
        for state in "RSR":
            eventually(f"its thread's state is {state}", partial(_is_in, own, state, busy), within=60)
        for other in others:
            other.send(WHOAMI)
        threads = {json.loads(other.read_response().text)["tid"] for other in others}
        assert busy.read_response().status == 200
        if own not in threads:
            return
    pytest.fail("nobody else served them while it computed")


def test_slices_let_those_in_who_have_begun() -> None:
    """One thread, whom nobody can help."""
    for server in _launch(1, "--slice=2"):
        with server.connect(patience(60)) as busy, server.connect(patience(60)) as other:
            assert busy.get("/hello").status == other.get("/hello").status == 200
            busy.send(message("GET", "/cpu?n=1000000"))
            for _ in range(5):
                assert other.get("/hello").status == 200
            assert not _answered(busy), "it was over before they were answered"
            assert busy.read_response().status == 200


def test_a_thread_that_never_rests_is_left_alone() -> None:
    """It goes from one request that blocks to the next, and is seen to move once in each."""
    limit = patience(1.5)
    for server in _launch(1, f"--heartbeat-timeout={limit}"):
        workers = server.wait_for_workers()
        with Load(server.address, 3, message("GET", "/block?ms=200"), pause=0) as load:
            eventually("it has served for long", lambda: load.answers, lambda n: n > 3 * limit / 0.2, within=60)
        assert not load.failures
        assert server.worker_pids() == workers


@pytest.mark.parametrize("stops", [False, True])
def test_what_lies_behind_urgent_data_is_served_in_the_end(stops: bool) -> None:
    """A read ends before it, short of the input that is there, of which no event tells any more."""
    limit = 60 if stops else patience(1.5)
    for server in _launch(1, f"--header-timeout={limit}", f"--keepalive-timeout={limit}"):
        with server.connect(10) as busy, server.connect(10) as half, server.connect(10) as next_one:
            assert next_one.get("/hello").status == 200
            busy.send(message("GET", f"/block?ms={500 * patience(1):.0f}"))
            for connection, before, behind in ((half, HELLO[:9], HELLO[9:]), (next_one, HELLO, HELLO)):
                connection.send(before)
                connection.socket.send(b"!", socket.MSG_OOB)
                connection.send(behind)
            assert not _answered(busy), "some may have been read before all was there"
            assert next_one.read_response().status == 200
            if stops:
                server.signal(signal.SIGTERM)
            assert next_one.read_response().status == 200
            assert half.read_response().status == 200


@preload.needs_release
def test_no_bell_is_rung_that_has_gone(tmp_path: Path) -> None:
    """At the end, by a watch that is slow to ring them all."""
    library = preload.built("late_bells", tmp_path)
    launcher = Launcher(Configuration("stealing", ("--model=stealing", "--workers=2")))
    try:
        server = launcher(environment={"LD_PRELOAD": str(library)})
        launcher.stop()
        assert not [line for line in server.lines if "killed" in line]
    finally:
        launcher.kill()


def test_when_all_threads_stand_still_the_process_is_replaced() -> None:
    for server in _launch(2, "--heartbeat-timeout=0.5"):
        workers = server.wait_for_workers()
        busy = [server.connect(patience(30)) for _ in range(2)]
        for connection in busy:
            connection.send(message("GET", "/block?ms=60000"))
        server.wait_for_line("has not turned for --heartbeat-timeout; killing it")
        for connection in busy:
            with pytest.raises(Closed):
                connection.read_response()
            connection.close()
        eventually("it is replaced", server.worker_pids,
                   lambda pids: bool(pids) and set(pids) != set(workers))
        assert server.get("/hello").status == 200
