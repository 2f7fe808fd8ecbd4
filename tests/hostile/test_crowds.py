# SPDX-License-Identifier: MIT
"""Connections in numbers: idle ones, half heads, refused ones that linger, and floods."""

import json
import selectors
import socket
import threading
import time
from typing import List

from support.client import Response, message, open_socket, parse
from support.configurations import per_request
from support.healthy import healthy
from support.load import Load, crowd, disperse
from support.server import Launcher, Server
from support.variant import VARIANT, fewer, patience
from support.waiting import eventually


@per_request
def test_thousands_of_idle_connections(launch: Launcher) -> None:
    """Some never asked, some have; each costs a record and no context."""
    server = launch()
    server.get("/hello")
    before = server.memory()
    count = 2000
    with healthy(server.address):
        idle = crowd(server.address, count)
        try:
            for connected in idle[::4]:
                connected.sendall(message("GET", "/hello"))
            for connected in idle[::4]:
                connected.settimeout(patience(10))
                assert connected.recv(1000).endswith(b"Hello, World!")
            eventually("all are in", server.open_connections, lambda n: n >= count)
            eventually("no context is held", server.contexts, lambda n: n <= 2)
            if VARIANT == "release":
                assert server.memory() - before < count * 1024
        finally:
            disperse(idle)
    eventually("all are gone", server.open_connections, lambda n: n == 0)


@per_request
def test_long_half_heads_give_their_memory_back(launch: Launcher) -> None:
    """A head that is almost there costs its bytes, and no longer than it is there."""
    server = launch()
    server.get("/hello")
    before = server.memory()
    count, size = 500, 15000
    half = b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: " + b"v" * size
    with healthy(server.address):
        slow = crowd(server.address, count, half)
        try:
            eventually("all are in", server.open_connections, lambda n: n >= count)
            eventually("no context is held", server.contexts, lambda n: n <= 2)
            if VARIANT == "release":
                assert server.memory() - before < count * 24 * 1024
            for connected in slow[: count // 2]:  # these go on
                connected.sendall(b"\r\n\r\n")
                connected.settimeout(patience(10))
                assert connected.recv(1000).endswith(b"Hello, World!")
        finally:
            disperse(slow)
    eventually("all are gone", server.open_connections, lambda n: n == 0)
    if VARIANT == "release":
        eventually("memory is what it was", server.memory,
                   lambda m: m - before < 2 << 20, every=0.1)


def _bytes_in(server: Server) -> int:
    return int(server.status()["bytes"]["in"])


@per_request
def test_refused_clients_that_stay(launch: Launcher) -> None:
    """Refused and half-closed, they go on sending and never close: no context is held by them."""
    server = launch()
    stop = threading.Event()
    lingering: List[socket.socket] = []

    def go_on() -> None:
        while not stop.wait(0.01):
            for connected in lingering:
                try:
                    connected.send(b"x" * 500, socket.MSG_DONTWAIT)
                except OSError:
                    pass

    sender = threading.Thread(target=go_on)
    with healthy(server.address):
        lingering += crowd(server.address, 300, b"nonsense\r\n\r\n")
        sender.start()
        try:
            for connected in lingering:
                connected.settimeout(patience(10))
                assert connected.recv(1000).startswith(b"HTTP/1.1 400 ")
            assert server.open_connections() >= 300
            eventually("no context is held", server.contexts, lambda n: n <= 2)
            taken = _bytes_in(server)
            eventually("what they send is read and dropped",
                       lambda: _bytes_in(server), lambda n: n > taken + 1000000)
        finally:
            stop.set()
            sender.join()
            disperse(lingering)
    eventually("all are gone", server.open_connections, lambda n: n == 0)


@per_request
def test_flood_beyond_max_connections(launch: Launcher) -> None:
    """Those beyond the limit wait in the backlog and are served as others leave; those within it
    notice nothing; never are more open than allowed."""
    limit, flood = 20, 300
    server = launch(f"--max-connections={limit}")
    waiting: List[socket.socket] = []
    answers: List[bytes] = []
    seen: List[int] = []

    def note(status: Response) -> bool:
        seen.append(json.loads(status.text)["connections"]["open"])
        return True

    watcher = Load(server.address, 1, message("GET", "/status"), accept=note)
    with watcher, healthy(server.address, bound=5, fresh=False), selectors.EpollSelector() as selector:
        try:
            eventually("it looks", lambda: watcher.answers)
            waiting = crowd(server.address, flood, message("GET", "/hello"))
            for connected in waiting:
                selector.register(connected, selectors.EVENT_READ)
            eventually("it is seen full", lambda: limit in seen)
            end = time.monotonic() + patience(60)
            while selector.get_map():
                assert time.monotonic() < end, f"{len(selector.get_map())} were never served"
                for key, _ in selector.select(0.1):
                    connected = key.fileobj  # type: ignore[assignment]
                    answers.append(connected.recv(1000))
                    selector.unregister(connected)
                    connected.close()
        finally:
            disperse(waiting)
    assert not watcher.failures, watcher.failures[:3]
    assert max(seen) == limit
    assert len(answers) == flood
    for answer in answers:
        found_answer = parse(answer, "GET", False)
        assert found_answer is not None and found_answer[0].body == b"Hello, World!"


@per_request
def test_connects_without_end(launch: Launcher) -> None:
    """A storm of connections that say nothing, or ask and leave, starves nobody who is served."""
    server = launch()
    stop = threading.Event()
    storms: List[int] = []

    def storm() -> None:
        done = 0
        while not stop.is_set():
            batch: List[socket.socket] = []
            for _ in range(20):
                connected = open_socket(server.address)
                if done % 3:
                    connected.send(message("GET", "/hello"))
                batch.append(connected)
                done += 1
            disperse(batch)
        storms.append(done)

    threads = [threading.Thread(target=storm) for _ in range(2)]
    with healthy(server.address, answers=fewer(200)):
        for thread in threads:
            thread.start()
        time.sleep(1)  # the length of the trial at the least
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(storms) > 100
    eventually("all are gone", server.open_connections, lambda n: n == 0)
