# SPDX-License-Identifier: MIT
"""Many idle keep-alive connections: opened, each answered once, then left alone.

A connection that was never answered is not an idle one but a starved one: those are
counted apart, which is what a pool that binds a worker to each connection shows.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass
from typing import Sequence

from ..machine.errors import LabError
from ..server.client import ended

BATCH = 200  # connections being opened at a time: less than any backlog
ANSWER_S = 5.0  # without any answer for so long, nobody is being served
IP_BIND_ADDRESS_NO_PORT = 24  # the port is chosen by connect(), so it need only be free for this peer
TOTAL_S, EACH_S = 30.0, 0.001  # for all of them


@dataclass(frozen=True)
class Held:
    asked: int
    answered: int  # connections that got their answer and are still open


class Parked:
    """A context manager: leaving it closes the connections."""

    def __init__(
        self, port: int, count: int, target: str, sources: Sequence[str] = ()
    ) -> None:
        """sources: addresses to connect from, as many from each, where one has too few ports."""
        self._port = port
        self._request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode("ascii")
        self._sockets: list[socket.socket] = []
        self._count = count
        self._sources = sources
        self.held = Held(count, 0)

    def __enter__(self) -> "Parked":
        answered = 0
        deadline = time.monotonic() + TOTAL_S + self._count * EACH_S
        try:
            while len(self._sockets) < self._count and time.monotonic() < deadline:
                batch = min(BATCH, self._count - len(self._sockets))
                got = self._open(batch)
                answered += got
                if got == 0:
                    break
        except BaseException:
            self._close()
            raise
        self.held = Held(self._count, answered)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def open(self) -> int:
        """How many the server has not closed since."""
        return sum(not ended(each) for each in self._sockets)

    def _close(self) -> None:
        for each in self._sockets:
            each.close()
        self._sockets.clear()

    def _connect(self) -> socket.socket:
        made = socket.socket()
        try:
            made.settimeout(2.0)
            if self._sources:
                made.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                made.bind((self._sources[len(self._sockets) % len(self._sources)], 0))
            made.connect(("127.0.0.1", self._port))
        except OSError:
            made.close()
            raise
        return made

    def _open(self, count: int) -> int:
        """Opens a batch and returns how many of it were answered."""
        waiting: dict[int, socket.socket] = {}
        poll = select.epoll()
        try:
            for _ in range(count):
                try:
                    made = self._connect()
                except TimeoutError:
                    break  # the backlog is full: nobody accepts
                except OSError as error:
                    raise LabError(f"cannot park {self._count} connections: {error}") from None
                self._sockets.append(made)
                made.sendall(self._request)
                made.setblocking(False)
                waiting[made.fileno()] = made
                poll.register(made.fileno(), select.EPOLLIN)
            answered = 0
            while waiting:
                ready = poll.poll(ANSWER_S)
                if not ready:
                    break
                for fd, _events in ready:
                    poll.unregister(fd)
                    answered += _has_answer(waiting.pop(fd))
            return answered
        finally:
            poll.close()


def _has_answer(each: socket.socket) -> bool:
    try:
        return bool(each.recv(65536))
    except OSError:
        return False
