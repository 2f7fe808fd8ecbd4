# SPDX-License-Identifier: MIT
"""Clients that vanish, and more of them than there are descriptors: nothing leaks or spins."""

import select
import socket
import struct
import time
from typing import List

import pytest

from support import processes
from support.client import Connection, message
from support.configurations import flooded_per_request, per_request
from support.load import crowd, disperse
from support.server import Launcher, Server
from support.variant import fewer
from support.waiting import eventually


def descriptors(server: Server) -> List[int]:
    """Open descriptors of the master and of each worker process.

    Where workers share one table they count the same ones, which does no harm.
    """
    return [processes.descriptors(pid) for pid in [server.pid, *server.worker_pids()]]


def reset(connected: socket.socket) -> None:
    """Closes with RST instead of FIN."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


def settled(server: Server, before: List[int]) -> None:
    """Waits until no more descriptors are open than before, and no connection."""
    eventually("no connection is left", server.open_connections, lambda n: n == 0)

    def no_more(now: List[int]) -> bool:
        return all(have <= had for have, had in zip(now, before))

    eventually(f"descriptors are back at {before}", lambda: descriptors(server), no_more)


STAGES = {
    "at once": b"",
    "in the head": b"GET /hello HT",
    "behind the head": message("GET", "/hello"),
    "in a wait": message("GET", "/sleep?ms=20"),
    "in the body": message("POST", "/echo", "Content-Length: 1000000", body=b"x" * 20000),
    "in a file": message("GET", "/files/big.bin"),
    "in a stream": message("GET", "/stream?chunks=50&ms=1&size=10000"),
    "in a pipeline": message("GET", "/files/big.bin") * 5,
    "after a refusal": b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("stage", STAGES)
def test_reset(server: Server, stage: str) -> None:
    server.get("/files/text.txt")
    eventually("no connection is left", server.open_connections, lambda n: n == 0)
    before = descriptors(server)
    for _ in range(fewer(30)):
        batch = crowd(server.address, min(6, server.configuration.width), STAGES[stage])
        for index, connected in enumerate(batch):
            if index % 2 == 1:  # half of them when the answer has begun
                connected.settimeout(0.02)
                try:
                    connected.recv(1000)
                except (socket.timeout, ConnectionResetError):
                    pass
            reset(connected)
    assert server.get("/hello").status == 200
    settled(server, before)


@flooded_per_request
def test_thousands_come_and_go(server: Server) -> None:
    server.get("/files/text.txt")
    eventually("no connection is left", server.open_connections, lambda n: n == 0)
    before = descriptors(server)
    for _ in range(3):
        disperse(crowd(server.address, 700))
        disperse(crowd(server.address, 700, b"GET /hello HTTP/1.1\r\nHo"))
    settled(server, before)


@per_request
def test_there_is_room_for_all_connections_before_the_first(launch: Launcher) -> None:
    """Who makes room in a table that threads or processes share waits for the kernel, and all others with him."""

    def room() -> List[int]:
        return [processes.room_for_descriptors(pid) for pid in server.worker_pids()]

    server = launch("--max-connections=3000")
    server.wait_for_workers()
    before = room()
    assert min(before) >= 3000
    held = crowd(server.address, 300)
    eventually("all are connected", server.open_connections, lambda count: count >= 300)
    assert room() == before
    disperse(held)


@per_request
def test_connections_beyond_the_limit_wait(launch: Launcher) -> None:
    server = launch("--max-connections=4")
    held = [server.connect() for _ in range(4)]
    late: List[Connection] = []
    try:
        for connection in held:  # in a request: who is idle makes room after a second
            connection.begin()
        for _ in range(3):
            late.append(server.connect())
            late[-1].send(message("GET", "/hello"))
        assert select.select([connection.socket for connection in late], [], [], 0.2)[0] == []
        for connection in held:
            connection.finish()
            connection.close()
        for connection in late:
            assert connection.read_response().status == 200
    finally:
        for connection in held + late:
            connection.close()


@per_request
def test_more_connections_than_descriptors(launch: Launcher) -> None:
    """Some have to wait; the server neither spins nor fails, and goes on when there is room."""
    server = launch(prefix=["prlimit", "--nofile=128:128"], expected=["."])
    opened: List[Connection] = []
    try:
        opened.append(server.connect())
        opened[0].begin()  # in a request: who is idle makes room after a second
        for _ in range(199):
            opened.append(server.connect())
        for connection in opened[1:]:
            connection.send(message("GET", "/hello"))
        used = server.cpu()
        began = time.monotonic()
        time.sleep(1)  # the length of the trial
        spent = server.cpu() - used
        assert spent < 0.5 * (time.monotonic() - began), "the server spins"
        opened[0].finish()
        lines = len(server.lines)
        assert lines < 10, server.lines
        # As some leave, the others come in; in the end all have been served.
        for connection in opened[:1]:
            connection.close()
        for connection in opened[1:]:
            assert connection.read_response().status == 200
            connection.close()
    finally:
        for connection in opened:
            connection.close()
    assert server.get("/hello").status == 200
