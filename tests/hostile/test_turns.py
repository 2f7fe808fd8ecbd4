# SPDX-License-Identifier: MIT
"""Clients that want a context for themselves: requests or bytes without end, none of it slow
enough to be ended by a deadline. Others must have their turn all the same."""

import socket
import threading
import time
from contextlib import contextmanager
from typing import Iterator, List

import pytest

from support.client import Connection, message
from support.configurations import POOL, per_request
from support.healthy import healthy
from support.load import crowd, disperse
from support.server import Launcher, Server
from support.variant import fewer, patience

MANY = 3 * POOL


@per_request
@pytest.mark.parametrize("target", ["/sleep?ms=20", "/cpu?n=1000"])
def test_pipelines(launch: Launcher, target: str) -> None:
    """Far more requests than can be served in the trial wait on each of many connections. Whoever
    comes behind them is answered long before they are, however slow the machine."""
    server = launch()
    each = 1000
    with server.connect(120) as kept:
        assert kept.get("/hello").status == 200
        greedy = crowd(server.address, MANY, message("GET", target) * each)
        try:
            for _ in range(5):
                assert kept.get("/hello").status == 200
                assert server.get("/hello", timeout=120).status == 200
            assert int(server.status()["requests"]) < MANY * each / 2
        finally:
            disperse(greedy)


@per_request
def test_pipelines_in_turns_are_answered_right(server: Server) -> None:
    """Requests that tell themselves apart, bodies among them, on more connections than workers."""
    rounds = fewer(60)
    wrong: List[str] = []

    def converse(number: int) -> None:
        with server.connect(30) as connection:
            sender = threading.Thread(
                target=connection.send, args=[b"".join(asked(number, i) for i in range(rounds))]
            )
            sender.start()
            for i in range(rounds):
                body = b"%d of %d" % (i, number) * 30
                if connection.read_response("POST").body != body:
                    wrong.append(f"echo {i} of {number}")
                if connection.read_response().body != b"slept %d\n" % (i % 4):
                    wrong.append(f"sleep {i} of {number}")
            sender.join()

    def asked(number: int, i: int) -> bytes:
        body = b"%d of %d" % (i, number) * 30
        upload = message("POST", "/echo", f"Content-Length: {len(body)}", body=body)
        return upload + message("GET", f"/sleep?ms={i % 4}")

    threads = [threading.Thread(target=converse, args=[n], daemon=True) for n in range(MANY)]
    with healthy(server.address, bound=5):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(patience(60))
            assert not thread.is_alive(), "a client was never answered in full"
    assert not wrong


@contextmanager
def _busy(step: "threading.Thread", stop: threading.Event) -> Iterator[None]:
    step.start()
    try:
        yield
    finally:
        stop.set()
        step.join()


def _trickle(clients: List[socket.socket], stop: threading.Event) -> None:
    """Two bytes for each every two milliseconds: twice what the minimum rate asks for."""
    while not stop.wait(0.002):
        for client in clients:
            try:
                client.send(b"xx")
            except OSError:  # this one was given up
                pass


# A pool of one has no worker that it could keep free but by giving its slow client up.
@per_request
@pytest.mark.parametrize("workers", [POOL, 2, 1])
def test_trickled_bodies(launch: Launcher, workers: int) -> None:
    server = launch(f"--workers={workers}")
    slow = crowd(server.address, MANY,
                 message("POST", "/echo", "Content-Length: 8000000", body=b"x"))
    stop = threading.Event()
    try:
        with _busy(threading.Thread(target=_trickle, args=[slow, stop]), stop):
            # The first ones are given time to show that they are slow, one after another.
            eventually_served(server, MANY)
            with healthy(server.address):
                pass
    finally:
        disperse(slow)


def eventually_served(server: Server, clients: int) -> None:
    """One request behind those that were there before it."""
    began = time.monotonic()
    assert server.get("/hello", timeout=30).status == 200
    assert time.monotonic() - began < patience(1 + 0.25 * clients)


def _sip(clients: List[socket.socket], stop: threading.Event) -> None:
    while not stop.wait(0.01):
        for client in clients:
            try:
                client.recv(64)
            except OSError:  # given up, or nothing there yet
                pass


@per_request
def test_trickled_answers(launch: Launcher, site: object) -> None:
    """Readers that take a little all the time, of an answer that fits no buffer."""
    server = launch(f"--root={site}")
    slow: List[socket.socket] = []
    stop = threading.Event()
    try:
        for _ in range(MANY):
            connection = Connection(server.address)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.send(message("GET", "/files/big.bin") * 3)
            connection.socket.setblocking(False)
            slow.append(connection.socket)
        with _busy(threading.Thread(target=_sip, args=[slow, stop]), stop):
            eventually_served(server, MANY)
            with healthy(server.address):
                pass
    finally:
        disperse(slow)
