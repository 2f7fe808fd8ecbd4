# SPDX-License-Identifier: MIT
"""How each model waits: what runs side by side, and what holds up what.

Where it can be, the order in which two answers arrive is the proof, not a time.
"""

import selectors
import threading
import time
from typing import Callable, List

import pytest

from support.client import Connection, message
from support.configurations import only
from support.server import Launcher, Server
from support.variant import VARIANT
from support.waiting import in_time


def _answered(connection: Connection) -> bool:
    """Something has come on it."""
    with selectors.SelectSelector() as selector:
        selector.register(connection.socket, selectors.EVENT_READ)
        return bool(selector.select(0))


def _elapsed(run: Callable[[], object]) -> float:
    began = time.monotonic()
    run()
    return time.monotonic() - began


def _together(server: Server, target: str, count: int) -> float:
    """Seconds until so many requests, sent at once, are all answered."""
    connections = [server.connect() for _ in range(count)]
    try:
        for connection in connections:
            assert connection.get("/hello").status == 200
        began = time.monotonic()
        for connection in connections:
            connection.send(message("GET", target))
        for connection in connections:
            assert connection.read_response().status == 200
        return time.monotonic() - began
    finally:
        for connection in connections:
            connection.close()


def test_sleeps_side_by_side(server: Server) -> None:
    """As many requests wait together as there are workers; with --gil too, as a wait gives it up."""
    assert 0.5 <= _together(server, "/sleep?ms=500", 6) < 3, "which one after another take"


@only("prefork", "threads")
def test_sleeps_take_turns_in_a_pool(server: Server) -> None:
    """Nine on eight workers: the last has to wait for a worker."""
    assert _together(server, "/sleep?ms=200", 9) >= 0.4


@only("coro", "stealing", "coro-2", "coro-connection")
def test_sleeps_by_the_hundred(server: Server) -> None:
    assert 0.3 <= _together(server, "/sleep?ms=300", 300) < 10, "less than eight at a time take"


@only("coro", "stealing", "coro-2")
def test_fanout_at_once(server: Server) -> None:
    with server.connect() as connection:
        connection.get("/hello")
        began = time.monotonic()
        answer = connection.get("/fanout?n=10&ms=500")
        assert 0.5 <= time.monotonic() - began < 5, "which one after another take"
    assert "concurrent" in answer.text


@only("prefork", "threads", "threads-gil", "prefork-connection", "threads-connection")
def test_fanout_one_after_another(server: Server) -> None:
    with server.connect() as connection:
        began = time.monotonic()
        answer = connection.get("/fanout?n=10&ms=50")
        assert time.monotonic() - began >= 0.5
    assert "one after another" in answer.text


@only("coro")
def test_block_stalls_a_loop(server: Server) -> None:
    """A request that comes while the loop is blocked waits until it no longer is."""
    with server.connect() as blocked, server.connect() as other:
        assert blocked.get("/hello").status == other.get("/hello").status == 200
        waits: List[float] = []
        # The first may still slip in before the loop has begun to block.
        for _ in range(5):
            blocked.send(message("GET", "/block?ms=500"))
            waits += [_elapsed(lambda: other.get("/hello")) for _ in range(3)]
            assert blocked.read_response().text == "blocked 500\n"
            if max(waits) > 0.3:
                break
        assert max(waits) > 0.3


def _not_held_up(server: Server, target: str, times: int) -> None:
    """/hello is answered so many times before target is."""
    with server.connect(30) as busy, server.connect() as other:
        assert busy.get("/hello").status == other.get("/hello").status == 200
        busy.send(message("GET", target))
        for _ in range(times):
            assert other.get("/hello").status == 200
        assert not _answered(busy), f"{target} was over before {times} times /hello"
        assert busy.read_response().status == 200


@only("coro", "stealing", "coro-2", "threads-gil")
def test_offloaded_block_stalls_nobody(server: Server) -> None:
    in_time(0.2, lambda: _not_held_up(server, "/block?ms=1000&offload=1", 20))


@only("prefork", "threads", "stealing", "prefork-connection", "threads-connection")
def test_block_holds_one_worker_of_a_pool(server: Server) -> None:
    in_time(0.2, lambda: _not_held_up(server, "/block?ms=1000", 20))


@only("prefork", "threads", "stealing", "threads-gil")
def test_computing_stalls_nobody(server: Server) -> None:
    """With --gil because the one who computes offers the lock every few milliseconds."""
    target = "/cpu?n=1500000" if VARIANT == "release" else "/cpu?n=500000"
    in_time(0.2, lambda: _not_held_up(server, target, 5))


@only("coro", "coro-2")
def test_slices_let_others_in(launch: Launcher) -> None:
    """Beside several that compute, too: of those one goes on in each turn of the loop."""
    server = launch("--slice=2")
    with server.connect(60) as first, server.connect(60) as second:
        for busy in (first, second):
            assert busy.get("/hello").status == 200
            busy.send(message("GET", "/cpu?n=500000"))
        _not_held_up(server, "/cpu?n=500000", 20)
        answers = {busy.read_response().text for busy in (first, second)}
    assert len(answers) == 1, "what is computed does not depend on slices"


@only("coro")
def test_without_slices_a_loop_that_computes_stands_still(server: Server) -> None:
    """What the test before this one would see without slices."""
    with server.connect(60) as busy, server.connect(60) as other:
        assert busy.get("/hello").status == other.get("/hello").status == 200
        held_up = False
        for _ in range(5):  # the first may still slip in before the loop has begun to compute
            busy.send(message("GET", "/cpu?n=300000"))
            for _ in range(3):
                assert other.get("/hello").status == 200
                held_up = held_up or _answered(busy)
            assert busy.read_response().status == 200
            if held_up:
                break
        assert held_up


@only("threads-gil")
def test_blocking_call_keeps_the_lock(server: Server) -> None:
    """As in CPython: a call that does not know of the lock holds everyone up."""
    with server.connect() as blocked, server.connect() as other:
        assert blocked.get("/hello").status == other.get("/hello").status == 200
        waits: List[float] = []
        for _ in range(5):
            blocked.send(message("GET", "/block?ms=500"))
            waits += [_elapsed(lambda: other.get("/hello")) for _ in range(3)]
            assert blocked.read_response().status == 200
            if max(waits) > 0.3:
                break
        assert max(waits) > 0.3


@pytest.mark.parametrize("target", ["/sleep?ms=250", "/block?ms=250", "/block?ms=250&offload=1"])
def test_a_wait_is_never_short(server: Server, target: str) -> None:
    with server.connect() as connection:
        assert _elapsed(lambda: connection.get(target)) >= 0.25


def test_mix_waits_each_round(server: Server) -> None:
    with server.connect() as connection:
        assert _elapsed(lambda: connection.get("/mix?cpu=10&wait=40&rounds=5")) >= 0.2


def test_concurrent_uploads_do_not_mix(server: Server) -> None:
    """Each of six clients, sending in pieces, gets its own body back."""
    failures: List[str] = []

    def upload(number: int) -> None:
        body = bytes([number]) * 50000
        with server.connect() as connection:
            connection.send(message("POST", "/echo", f"Content-Length: {len(body)}"))
            for at in range(0, len(body), 5000):
                connection.send(body[at : at + 5000])
            if connection.read_response("POST").body != body:
                failures.append(f"client {number}")

    threads = [threading.Thread(target=upload, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
