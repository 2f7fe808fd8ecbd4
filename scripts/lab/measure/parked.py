# SPDX-License-Identifier: MIT
"""Many idle keep-alive connections: opened, each answered once, then left alone.

A connection that was never answered is not an idle one but a starved one: those are
counted apart, which is what a pool that binds a worker to each connection shows.
"""

from __future__ import annotations

import socket
import time
from typing import Sequence

from ..machine.errors import LabError
from ..machine.hosts import LOOPBACK
from ..server.client import ended

BATCH = 200  # connections being opened at a time: less than any backlog
ANSWER_S = 5.0  # one without an answer for so long when those before it have theirs is starved
IP_BIND_ADDRESS_NO_PORT = 24  # the port is chosen by connect(), so it need only be free for this peer
TOTAL_S, EACH_S = 30.0, 0.001  # for all of them


class Parked:
    """A context manager: leaving it closes the connections."""

    def __init__(
        self, port: int, count: int, target: str, sources: Sequence[str] = (), address: str = LOOPBACK
    ) -> None:
        """sources: addresses to connect from, as many from each, where one has too few ports."""
        self._server = address, port
        self._request = f"GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode("ascii")
        self._sockets: list[socket.socket] = []
        self._count = count
        self._sources = sources
        self.answered = 0  # connections that got their answer

    def __enter__(self) -> "Parked":
        deadline = time.monotonic() + TOTAL_S + self._count * EACH_S
        try:
            while len(self._sockets) < self._count and time.monotonic() < deadline:
                answered = self._open(min(BATCH, self._count - len(self._sockets)))
                self.answered += answered
                if answered == 0:
                    break
        except BaseException:
            self._close()
            raise
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
            made.connect(self._server)
        except OSError:
            made.close()
            raise
        return made

    def _open(self, count: int) -> int:
        """Opens a batch and returns how many of it were answered."""
        batch = []
        for _ in range(count):
            try:
                made = self._connect()
                self._sockets.append(made)
                made.sendall(self._request)
            except TimeoutError:
                break  # the backlog is full: nobody accepts
            except OSError as error:
                raise LabError(f"cannot park {self._count} connections: {error}") from None
            batch.append(made)
        answered, patience_s = 0, ANSWER_S
        for made in batch:
            made.settimeout(patience_s)
            try:
                answered += bool(made.recv(65536))
            except TimeoutError:
                patience_s = 0.0  # the others have waited as long
            except OSError:
                pass
            made.setblocking(False)
        return answered
