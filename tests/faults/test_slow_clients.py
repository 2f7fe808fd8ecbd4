# SPDX-License-Identifier: MIT
"""Clients that are slow in the head, the body or reading, with a healthy one beside them."""

import selectors
import socket
import threading
import time
from pathlib import Path
from typing import List

import pytest

from support.client import Closed, Connection, chunked, message, parse
from support.configurations import POOL, each_way, flooded_per_request, per_request
from support.healthy import healthy
from support.load import Load, crowd, disperse, hear_out
from support.server import Launcher, Server
from support.variant import VARIANT, patience
from support.waiting import eventually, in_time

HALF_A_HEAD = b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: "


def _statuses(answers: List[bytes]) -> List[int]:
    found = [parse(answer, "GET", True) for answer in answers]
    assert all(f is not None and f[1] == len(a) for f, a in zip(found, answers)), answers[:3]
    return [f[0].status for f in found if f is not None]


@flooded_per_request
def test_thousand_half_heads(launch: Launcher) -> None:
    """They hold nobody up, and the header deadline closes them."""
    server = launch("--header-timeout=2")
    with Load(server.address, 2) as kept, Load(server.address, 2, fresh=True) as fresh:
        began = time.monotonic()
        slow = crowd(server.address, 1000, HALF_A_HEAD)
        try:
            answers = hear_out(slow, within=patience(8))
            assert time.monotonic() - began >= 2, "closed before the deadline"
        finally:
            disperse(slow)
    assert _statuses(answers) == [408] * 1000
    for load in (kept, fresh):
        assert not load.failures
        assert load.answers > 100
        assert load.longest < patience(1)


@per_request
def test_deadline_of_a_head_is_absolute(launch: Launcher) -> None:
    """A byte now and then does not put it off."""
    server = launch("--header-timeout=1")
    clients = crowd(server.address, 20, HALF_A_HEAD)
    answered = [b""] * len(clients)
    began = time.monotonic()
    try:
        with selectors.EpollSelector() as selector:
            for index, connected in enumerate(clients):
                selector.register(connected, selectors.EVENT_READ, index)
            while not all(answered):
                assert time.monotonic() - began < patience(5), "the deadline has been put off"
                for connected, answer in zip(clients, answered):
                    if not answer:
                        connected.send(b"a")
                for key, _ in selector.select(0.1):
                    answered[key.data] = clients[key.data].recv(65536)
                    selector.unregister(key.fileobj)
    finally:
        disperse(clients)
    assert _statuses(answered) == [408] * len(clients)


def test_deadline_of_a_later_head(launch: Launcher) -> None:
    """On a connection in use the header deadline counts from the head's first byte."""
    server = launch("--header-timeout=0.5", "--keepalive-timeout=30")
    with server.connect() as connection:
        for _ in range(2):
            assert connection.get("/hello").status == 200
        began = time.monotonic()
        connection.send(HALF_A_HEAD)
        answer = connection.read_response()
        assert answer.status == 408
        assert answer.closes
        assert connection.read_to_end() == b""
        assert time.monotonic() - began >= 0.4


def test_idle_connections_are_closed_silently(launch: Launcher) -> None:
    server = launch("--keepalive-timeout=0.5", "--header-timeout=0.5")
    used, unused = server.connect(), server.connect()
    try:
        began = time.monotonic()
        assert used.get("/hello").status == 200
        assert used.read_to_end() == b""
        assert time.monotonic() - began >= 0.4
        assert unused.read_to_end() == b""
    finally:
        used.close()
        unused.close()


def test_keepalive_timeout_starts_anew(launch: Launcher) -> None:
    server = launch("--keepalive-timeout=0.6")

    def ask() -> None:
        with server.connect() as connection:
            began = time.monotonic()
            while time.monotonic() - began < 1.5:
                assert connection.get("/sleep?ms=50").status == 200
            assert connection.read_to_end() == b""

    in_time(0.3, ask)


@each_way
@pytest.mark.parametrize("coding", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_body_that_does_not_come(launch: Launcher, coding: str) -> None:
    server = launch("--body-timeout=0.5")
    with server.connect() as connection:
        connection.send(message("POST", "/echo", coding))
        answer = connection.read_response("POST")
        assert answer.status == 408
        assert answer.closes
        assert connection.read_to_end() == b""


def test_body_that_stops(launch: Launcher) -> None:
    """The answer has begun: it ends short and the connection closes."""
    server = launch("--body-timeout=0.5")
    with server.connect() as connection:
        connection.send(message("POST", "/echo", "Content-Length: 1000", body=b"x" * 500))
        try:
            answer = connection.read_response("POST")
        except Closed as closed:
            assert "timed out" not in str(closed)
        else:
            assert answer.status == 408
    assert server.get("/hello").status == 200


@per_request
def test_slow_bodies_leave_workers_free(launch: Launcher) -> None:
    """More clients than workers start a body and stop; others are served all along."""
    server = launch("--body-timeout=60")
    slow = crowd(server.address, 4 * POOL,
                 message("POST", "/echo", "Content-Length: 1000", body=b"x"))
    try:
        with healthy(server.address, bound=5, answers=100):
            pass
    finally:
        disperse(slow)


def _stuff(connected: socket.socket, data: bytes, most: int) -> int:
    """Sends until the other side takes no more for a while; how much it took."""
    connected.setblocking(False)
    taken = 0
    with selectors.SelectSelector() as selector:
        selector.register(connected, selectors.EVENT_WRITE)
        while taken < most and selector.select(0.7):
            try:
                taken += connected.send(data)
            except BlockingIOError:
                continue
    return taken


MEMORY_BOUND = 16 << 20  # far below what is asked for, far above what serving takes


@each_way
@pytest.mark.parametrize("target", ["/hello", "/files/big.bin"])
def test_pipelining_without_reading(launch: Launcher, site: object, target: str) -> None:
    """Back-pressure stops such a client; memory stays bounded, others are served."""
    server = launch(f"--root={site}", "--write-timeout=20")
    with server.connect() as other:
        assert other.get("/hello").status == 200
        before = server.memory()
        greedy: List[Connection] = []
        requests = message("GET", target) * 1000
        most = 64 << 20
        try:
            for _ in range(3):
                greedy.append(server.connect())
                taken = _stuff(greedy[-1].socket, requests, most)
                assert taken < most, "the server takes requests without end"
            if VARIANT == "release":
                assert server.memory() - before < MEMORY_BOUND
            assert other.get("/hello").status == 200
            # What was answered was answered right.
            greedy[0].socket.settimeout(patience(10))
            greedy[0].socket.setblocking(True)
            for _ in range(3):
                assert greedy[0].read_response().status == 200
        finally:
            for connection in greedy:
                connection.close()
    server.get("/hello")


@each_way
def test_slow_readers(launch: Launcher, site: object) -> None:
    """They cost no memory, and the write deadline frees what they hold."""
    server = launch(f"--root={site}", "--write-timeout=1")
    before = server.memory()

    def read_nothing() -> None:
        readers = [server.connect() for _ in range(POOL - 2)]
        try:
            for reader in readers:
                reader.send(message("GET", "/files/big.bin") * 20)
            eventually("all are counted", server.open_connections, lambda n: n == len(readers))
            if VARIANT == "release":
                assert server.memory() - before < MEMORY_BOUND
            # They go on holding their ends, and read nothing.
            eventually("the server has given them up", server.open_connections, lambda n: n == 0)
        finally:
            for reader in readers:
                reader.close()

    in_time(0.5, read_nothing)
    assert server.get("/hello").status == 200


@per_request
def test_slow_readers_leave_workers_free(launch: Launcher, site: object) -> None:
    """More clients than workers ask for much and read nothing; others are served all along."""
    server = launch(f"--root={site}", "--write-timeout=60")
    slow = crowd(server.address, 4 * POOL, message("GET", "/files/big.bin") * 5)
    try:
        with healthy(server.address, bound=5, answers=100):
            pass
    finally:
        disperse(slow)


def _upload(connection: Connection, head: bytes, size: int, framed: bool) -> int:
    """Sends a body of that size as far as the server lets it; how much went out."""
    piece = b"x" * 100000
    if framed:
        piece = chunked(piece)[: -len(b"0\r\n\r\n")]
    sent = 0
    try:
        connection.send(head)
        while sent < size:
            connection.send(piece)
            sent += len(piece)
    except OSError:  # the server has closed, or the test
        pass
    return sent


@pytest.mark.parametrize(
    "target, coding, status",
    [
        ("/echo", "Content-Length: 104857600", 413),
        ("/hello", "Content-Length: 104857600", 413),
        ("/hello", "Content-Length: 8000000", 405),
        ("/hello", "Transfer-Encoding: chunked", 405),
        ("/nothing", "Transfer-Encoding: chunked", 404),
    ],
)
def test_refused_upload(server: Server, target: str, coding: str, status: int) -> None:
    """A client that sends all 100 MB before it looks still finds the whole answer."""
    size = 8000000 if "8000000" in coding else 100 << 20
    with server.connect(20) as connection:
        head = message("POST", target, coding)
        _upload(connection, head, size, framed="chunked" in coding)
        answer = connection.read_response("POST")
        assert answer.status == status
        assert answer.body
    assert server.get("/hello").status == 200


def test_refused_upload_is_answered_early(server: Server) -> None:
    """The answer does not wait for the body that nobody wants."""
    with server.connect(20) as connection:
        connection.send(message("POST", "/echo", "Content-Length: 104857600"))
        assert connection.read_response("POST").status == 413
        sender = threading.Thread(
            target=_upload, args=[connection, b"", 20 << 20, False], daemon=True
        )
        sender.start()
        connection.read_to_end()
        connection.close()
        sender.join()


@each_way
def test_answer_without_framing_is_broken_off(launch: Launcher, tmp_path: Path) -> None:
    """HTTP/1.0's end of a stream is the connection's: the client sees a reset, even where answers
    before it are still on their way to it."""
    log = tmp_path / "log"
    server = launch("--write-timeout=1", f"--access-log={log}")
    with server.connect() as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        stream = message("GET", "/stream?chunks=10000&ms=0&size=65536").replace(b"1.1", b"1.0", 1)
        connection.send(message("GET", "/stream?chunks=100&ms=0&size=10000") + stream)
        eventually("it is given up", lambda: log.read_text().count("/stream"), lambda n: n == 2, within=patience(20))
        with pytest.raises(ConnectionResetError):
            while connection.socket.recv(65536):
                pass
