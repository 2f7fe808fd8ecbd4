# SPDX-License-Identifier: MIT
"""Clients that reset their connection, at every stage and in great numbers: descriptors, memory,
contexts and counts are afterwards what they were, and healthy clients never notice.

HOSTILE_RESETS is how often the trial in mid-response is repeated for each configuration;
20,000 for a thorough one.
"""

import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Dict, List

import pytest

from support import processes
from support.client import chunked, message
from support.configurations import per_request
from support.healthy import healthy
from support.load import crowd
from support.server import Launcher, Server
from support.variant import VARIANT, fewer, patience
from support.waiting import eventually

RESETS = int(os.environ.get("HOSTILE_RESETS", fewer(400)))
AT_ONCE = 5  # with the healthy ones no more than the workers of a pool
GROWTH = 1 << 20  # bytes that memory may differ by and not count as having grown

UPLOAD = message("POST", "/echo", "Content-Length: 5000000", body=b"x" * 100000)


def reset(connected: socket.socket) -> None:
    """Closes with RST instead of FIN."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


def _some_answered(connected: List[socket.socket]) -> None:
    """Waits until each has something to read, an end included."""
    limit = time.monotonic() + patience(20)
    for each in connected:
        poll = select.poll()
        poll.register(each, select.POLLIN)
        assert poll.poll(1000 * max(0.0, limit - time.monotonic())), "no answer begins"


@dataclass
class Footprint:
    """Of all processes of a server together."""

    processes: int
    descriptors: int
    memory: int  # bytes, proportional


def _quiet(server: Server) -> Footprint:
    """Waits until nothing is open or served."""
    eventually("no connection is left", server.open_connections, lambda n: n == 0, within=20)
    eventually("no context is in use", server.contexts, lambda n: n == 0)
    pids = [server.pid, *server.worker_pids()]
    return Footprint(len(pids), sum(map(processes.descriptors, pids)), server.memory())


def _expect_unchanged(server: Server, before: Footprint) -> None:
    assert _quiet(server).processes == before.processes, "a process has died"
    # Those of the questions asked last may be closing yet.
    eventually("no descriptor is left", lambda: _quiet(server).descriptors,
               lambda n: n <= before.descriptors)  # fmt: skip
    if VARIANT == "release":
        eventually("memory is what it was", server.memory,
                   lambda m: m - before.memory < GROWTH, every=0.1)
    assert [line for line in server.lines if not line.startswith("ready ")] == []
    print(f"{server.configuration.name}: {before}, then {_quiet(server)}")


def _storm(server: Server, first_bytes: bytes, count: int, sip: int = 0) -> None:
    """So many resets, each when the answer has begun and `sip` bytes of it were read."""
    for _ in range(-(-count // AT_ONCE)):
        batch = crowd(server.address, AT_ONCE, first_bytes)
        _some_answered(batch)
        for index, connected in enumerate(batch):
            if sip and index % 2 == 1:
                try:
                    connected.recv(sip)
                except ConnectionResetError:
                    pass
            reset(connected)


IN_MID_RESPONSE: Dict[str, bytes] = {
    "file": message("GET", "/files/big.bin"),
    "stream": message("GET", "/stream?chunks=1000&ms=1&size=1000"),
    "large stream": message("GET", "/stream?chunks=1000&ms=0&size=65536"),
    "echo": UPLOAD,
    "pipeline": message("GET", "/files/big.bin") * 3,
}


@pytest.mark.parametrize("answer", IN_MID_RESPONSE)
def test_in_mid_response(launch: Launcher, site: object, answer: str) -> None:
    server = launch(f"--root={site}", "--write-timeout=5")
    first_bytes = IN_MID_RESPONSE[answer]
    count = max(AT_ONCE, RESETS // len(IN_MID_RESPONSE))
    # The first ones touch what is touched once: buffers, stacks, tables of the allocator.
    _storm(server, first_bytes, min(count, 200))
    before = _quiet(server)
    with healthy(server.address, bound=5, fresh=not server.configuration.per_connection):
        _storm(server, first_bytes, count, sip=50000)
    _expect_unchanged(server, before)


STAGES: Dict[str, bytes] = {
    "before the head": b"",
    "in the head": b"GET /hello HTTP/1.1\r\nHo",
    "after the head": message("GET", "/hello"),
    "while the handler waits": message("GET", "/sleep?ms=30"),
    "while a handler computes": message("GET", "/cpu?n=3000"),
    "while 100 Continue is due": message("POST", "/echo", "Content-Length: 9",
                                         "Expect: 100-continue"),
    "in the body": message("POST", "/echo", "Content-Length: 1000000", body=b"x" * 30000),
    "in a chunk": message("POST", "/echo", "Transfer-Encoding: chunked", body=b"fff\r\nabc"),
    "in a chunk's extension": message("POST", "/echo", "Transfer-Encoding: chunked",
                                      body=chunked(b"abc")[:-5] + b"1;ext=oh"),
    "in the trailers": message("POST", "/echo", "Transfer-Encoding: chunked",
                               body=b"1\r\nx\r\n0\r\nTrailer: "),
    "in a body that nobody reads": message("POST", "/nothing", "Content-Length: 100000",
                                           body=b"x" * 10),
    "between pipelined requests": message("GET", "/sleep?ms=5") * 20 + b"GET",
    "in lingering close": b"nonsense\r\n\r\n" + b"x" * 1000,
    "in lingering after a refused upload": message("POST", "/echo", "Content-Length: 99999999",
                                                   body=b"x" * 20000),
    "after Connection: close": message("GET", "/hello", "Connection: close") + b"more",
}


@pytest.mark.parametrize("half_closed", [False, True], ids=["open", "half-closed"])
def test_at_every_stage(launch: Launcher, site: object, half_closed: bool) -> None:
    """All stages at once and over again, some of them half-closed first."""
    server = launch(f"--root={site}")
    stages = list(STAGES.values())

    def storm(rounds: int) -> None:
        for i in range(rounds):
            batch: List[socket.socket] = []
            for n in range(AT_ONCE):
                batch += crowd(server.address, 1, stages[(i * AT_ONCE + n) % len(stages)])
            for index, connected in enumerate(batch):
                if half_closed:
                    try:
                        connected.shutdown(socket.SHUT_WR)
                    except OSError:  # the server has closed already
                        pass
                if (i + index) % 3 == 0:  # let it come to where it waits
                    select.select([connected], [], [], 0.01)
                reset(connected)

    storm(len(stages))
    before = _quiet(server)
    with healthy(server.address, bound=5, fresh=not server.configuration.per_connection):
        storm(fewer(10) * len(stages))
    _expect_unchanged(server, before)


@per_request
def test_half_open_without_a_word(launch: Launcher) -> None:
    """Clients that half-close and then neither read nor close cost nothing and are let go."""
    server = launch("--write-timeout=2", "--header-timeout=2", "--body-timeout=2")
    before = _quiet(server)
    held: List[socket.socket] = []
    with healthy(server.address):
        for first_bytes in STAGES.values():
            for connected in crowd(server.address, 20, first_bytes):
                connected.shutdown(socket.SHUT_WR)
                held.append(connected)
        eventually("only the healthy ones are left", server.open_connections,
                   lambda n: n <= 2, within=30)
    for connected in held:
        connected.close()
    if VARIANT == "release":
        eventually("memory is what it was", server.memory,
                   lambda m: m - before.memory < 8 * GROWTH, every=0.1)
