# SPDX-License-Identifier: MIT
"""SIGTERM finishes what has begun; a second one, or the master's death, ends it all."""

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import List

import pytest

from support import processes
from support.client import Closed, Connection, message
from support.configurations import only, per_request
from support.server import Launcher, Server
from support.variant import patience
from support.waiting import eventually

IN_FLIGHT = 6
TRIALS = 4
RECENT_S = 0.25  # since the last answer, or the connecting


def _in_flight(server: Server, request: bytes, count: int = IN_FLIGHT) -> List[Connection]:
    """So many connections, each with a request that a context is serving."""
    connections = [server.connect(15) for _ in range(count)]
    for connection in connections:
        assert connection.get("/hello").status == 200
    for connection in connections:
        connection.send(request)
    # Asked on one connection, so that nothing of the asking but itself is counted; and twice,
    # as a context may still be leaving the quick request.
    with server.connect() as asking:
        for _ in range(2):
            eventually("all are being served", lambda: _in_use(asking), lambda n: n > count)
    return connections


def _half_asked(server: Server) -> Connection:
    connection = server.connect(15)
    connection.begin()
    return connection


def _in_use(asking: Connection) -> int:
    return int(json.loads(asking.get("/status").text)["contexts"]["in_use"])


def _close(connections: List[Connection]) -> None:
    for connection in connections:
        connection.close()


def test_who_waits_for_a_place_is_served_before_it_closes(launch: Launcher) -> None:
    """All places are taken, more clients wait to be accepted and have asked; then SIGTERM."""
    server = launch("--max-connections=2")
    inside = [server.connect(15) for _ in range(2)]
    outside: List[Connection] = []
    try:
        for connection in inside:
            assert connection.get("/hello").status == 200
            connection.send(message("GET", "/sleep?ms=1000"))
        for _ in range(4):
            outside.append(server.connect(15))
            outside[-1].send(message("GET", "/hello"))
        server.signal(signal.SIGTERM)
        for connection in inside + outside:
            assert connection.read_response().status == 200
    finally:
        _close(inside + outside)
    assert server.wait(patience(10)) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_requests_in_progress_are_finished(launch: Launcher, number: int) -> None:
    server = launch()
    busy = _in_flight(server, message("POST", "/echo", "Content-Length: 5"))  # answered when its body comes
    try:
        began = time.monotonic()
        server.signal(number)
        eventually("it has begun to stop", server.refuses)
        for connection in busy:
            connection.send(b"hello")
            answer = connection.read_response("POST")
            assert answer.text == "hello"
            assert answer.closes
            assert connection.read_to_end() == b""
        assert server.wait() == 0
        assert time.monotonic() - began < patience(4)
    finally:
        _close(busy)


@per_request
def test_idle_connections_are_closed(launch: Launcher) -> None:
    """While a request is still being served; so they do not wait for it."""
    server = launch()
    unused = [server.connect() for _ in range(20)]
    used = [server.connect() for _ in range(20)]
    for connection in used:
        assert connection.get("/hello").status == 200
    busy = _half_asked(server)
    try:
        server.signal(signal.SIGTERM)
        for connection in unused + used:
            assert connection.read_to_end() == b""
        assert processes.alive(server.pid)
        busy.finish()
        assert busy.read_to_end() == b""
        assert server.wait() == 0
    finally:
        _close(unused + used + [busy])


def test_idle_server_ends_at_once(launch: Launcher) -> None:
    server = launch()
    idle = [server.connect() for _ in range(6)]
    try:
        for connection in idle:
            assert connection.get("/hello").status == 200
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        for connection in idle:
            assert connection.read_to_end() == b""
        assert server.wait() == 0
        assert time.monotonic() - began < patience(3)
    finally:
        _close(idle)


def test_no_connection_is_accepted_any_more(launch: Launcher) -> None:
    server = launch()
    with _half_asked(server) as busy:
        server.signal(signal.SIGTERM)
        eventually("a new connection is refused", server.refuses)
        busy.finish()
        assert busy.read_to_end() == b""
    assert server.wait() == 0


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "unix:{folder}/socket"])
def test_who_waits_is_served_and_who_comes_is_refused(
    launch: Launcher, tmp_path: Path, listen: str
) -> None:
    """However long it takes the workers to accept what waits."""
    server = launch("--stopped-timeout=30", listen=listen.format(folder=tmp_path))
    workers = server.wait_for_workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        with server.connect() as waiting:
            waiting.send(message("GET", "/hello"))
            server.signal(signal.SIGTERM)
            eventually("a newcomer is refused", server.refuses, within=1)
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
            assert waiting.read_response().status == 200
        assert server.wait() == 0
    finally:
        for pid in workers:
            if processes.alive(pid):
                os.kill(pid, signal.SIGCONT)


def test_who_has_just_been_served_may_ask_once_more(launch: Launcher) -> None:
    """And who has just connected: the request may be on its way already."""
    for _ in range(TRIALS):
        server = launch()
        began = time.monotonic()
        with server.connect() as kept, server.connect() as fresh:
            assert not kept.get("/hello").closes
            server.signal(signal.SIGTERM)
            eventually("draining", server.refuses)
            try:
                for connection in (kept, fresh):
                    answer = connection.get("/hello")
                    assert answer.status == 200
                    assert answer.closes
            except (Closed, OSError):
                if time.monotonic() - began < RECENT_S:
                    raise
                continue  # this machine took so long that it is not promised any more
        assert server.wait() == 0
        return
    pytest.skip("the machine is too slow")


def test_newcomers_are_refused(launch: Launcher) -> None:
    """Not left to wait on a socket that nobody attends any more, to be reset when it is shut."""
    resets: List[str] = []

    def ask(server: Server) -> None:
        while True:
            try:
                server.get("/hello")
            except (Closed, ConnectionResetError, BrokenPipeError) as error:
                resets.append(str(error))
            except OSError:
                return

    for _ in range(TRIALS):
        server = launch()
        threads = [threading.Thread(target=ask, args=(server,)) for _ in range(IN_FLIGHT)]
        for thread in threads:
            thread.start()
        server.signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.wait() == 0
    assert not resets


def test_body_in_progress_is_read(launch: Launcher) -> None:
    server = launch()
    body = b"x" * 100000
    with server.connect() as connection:
        connection.send(message("POST", "/echo", f"Content-Length: {len(body)}", body=body[:5000]))
        assert connection.read_head().status == 200
        connection.read_bytes(5000)
        server.signal(signal.SIGTERM)
        connection.send(body[5000:])
        assert connection.read_bytes(95000) == body[5000:]
        assert connection.read_to_end() == b""
    assert server.wait() == 0


def test_stream_in_progress_is_finished(launch: Launcher) -> None:
    server = launch()
    with server.connect() as connection:
        connection.send(message("GET", "/stream?chunks=10&ms=50&size=100"))
        assert connection.read_head().status == 200
        server.signal(signal.SIGTERM)
        rest = connection.read_to_end()
        assert rest.count(b"\r\n") == 2 * 11
        assert rest.endswith(b"\r\n0\r\n\r\n")
    assert server.wait() == 0


def test_under_load(launch: Launcher) -> None:
    """Every request that was sent on a connection in use is answered or not begun at all."""
    server = launch()
    broken: List[str] = []
    started = threading.Semaphore(0)

    def ask() -> None:
        with server.connect() as connection:
            for count in range(100000):
                try:
                    answer = connection.get("/sleep?ms=5")
                except Closed as closed:
                    # An idle connection is closed as the next request is on its way.
                    if closed.received or "timed out" in str(closed):
                        broken.append(str(closed))
                    return
                except OSError:
                    return
                if answer.status != 200:
                    broken.append(f"status {answer.status}")
                if count == 10:
                    started.release()
                if answer.closes:
                    return

    threads = [threading.Thread(target=ask) for _ in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert started.acquire(timeout=patience(10))
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    for thread in threads:
        thread.join()
    assert not broken


def test_second_signal_stops_at_once(launch: Launcher) -> None:
    server = launch("--shutdown-timeout=60")
    busy = _in_flight(server, message("GET", "/sleep?ms=50000"), 3)
    try:
        began = time.monotonic()
        workers = server.worker_pids()
        server.signal(signal.SIGTERM)
        # The first has been taken note of when new connections are refused.
        eventually("draining", server.refuses)
        assert processes.alive(server.pid)
        server.signal(signal.SIGTERM)
        server.wait(any_status=True)
        assert time.monotonic() - began < patience(4)
        eventually("no worker is left", lambda: not any(processes.alive(pid) for pid in workers))
        for connection in busy:
            with pytest.raises(Closed):
                connection.read_response()
    finally:
        _close(busy)


def test_shutdown_timeout(launch: Launcher) -> None:
    """What does not end in time is cut off; the exit status is 0 all the same."""
    server = launch("--shutdown-timeout=0.5")
    busy = _in_flight(server, message("GET", "/sleep?ms=50000"), 3)
    try:
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert 0.3 <= time.monotonic() - began < patience(4)
        for connection in busy:
            try:
                answer = connection.read_response()
            except Closed:
                continue
            assert answer.status == 503
            assert answer.closes
        server.wait_for_log_end()  # which tells of other ends than status 0, or that of one killed when it is late
        assert not [line for line in server.lines if "worker process" in line]
    finally:
        _close(busy)


@only("threads", "coro", "prefork")
def test_shutdown_timeout_in_a_call_that_blocks(launch: Launcher) -> None:
    """Not even a handler that never comes back keeps the server from ending."""
    server = launch("--shutdown-timeout=0.5")
    connection = server.connect()
    try:
        assert connection.get("/hello").status == 200
        connection.send(message("GET", "/block?ms=50000"))
        eventually("the call has begun", lambda: _blocked(server))
        server.signal(signal.SIGTERM)
        server.wait(5, any_status=True)
    finally:
        connection.close()


def _blocked(server: Server) -> bool:
    return any(processes.in_nanosleep(pid) for pid in server.worker_pids())


def test_death_of_the_master(launch: Launcher) -> None:
    """SIGKILL of the master takes the workers with it."""
    server = launch()
    workers = server.wait_for_workers()
    with server.connect() as connection:
        assert connection.get("/hello").status == 200
        server.signal(signal.SIGKILL)
        server.wait(any_status=True)
        eventually("no worker is left", lambda: not any(processes.alive(pid) for pid in workers))
        assert connection.read_to_end() == b""
