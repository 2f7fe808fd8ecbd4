# SPDX-License-Identifier: MIT
"""A minimal HTTP client that keeps the answer's bytes as they came.

Used for checking one answer byte by byte and for requests one at a time; the load is wrk's.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from ..machine.hosts import LOOPBACK

_STATUS = re.compile(rb"HTTP/1\.1 (\d+) ")
_DATE = re.compile(rb"(\r\nDate: )[^\r\n]*", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\nTransfer-Encoding: *chunked", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)


class BadAnswer(Exception):
    """The peer closed, timed out, or sent something that is not an answer with a length."""


def ended(each: socket.socket) -> bool:
    """Whether the server has closed an idle, non-blocking connection: a client that looks, as any
    that keeps connections does, sends no request into it."""
    try:
        return each.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@dataclass(frozen=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    def masked(self) -> bytes:
        """The whole answer with the Date, the one thing that may differ, blanked out."""
        return _DATE.sub(rb"\1*", self.head) + self.body


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int, timeout_s: float = 5.0, address: str = LOOPBACK) -> None:
        self._host = f"{address}:{port}"
        try:
            self._socket = socket.create_connection((address, port), timeout_s)
        except OSError as error:
            raise BadAnswer(f"cannot connect to {self._host}: {error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = self._socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._received.close()
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def get(self, target: str, post: bytes | None = None) -> Answer:
        """One request, a POST where there is a body; the whole answer, in whichever framing."""
        self.send(target, post)
        return self.receive(target)

    def send(self, target: str, post: bytes | None = None, times: int = 1) -> None:
        method = "GET" if post is None else "POST"
        fields = "" if post is None else f"Content-Length: {len(post)}\r\n"
        request = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\n{fields}\r\n"
        try:
            self._socket.sendall((request.encode("ascii") + (post or b"")) * times)
        except OSError as error:
            raise BadAnswer(f"{target}: {error}") from None

    def receive(self, target: str) -> Answer:
        try:
            head = self._line()
            while not head.endswith(b"\r\n\r\n"):
                head += self._line()
            status, length = _STATUS.match(head), _LENGTH.search(head)
            if status is None:
                raise BadAnswer(f"{target}: not an HTTP/1.1 answer: {head[:80]!r}")
            if length is not None:
                body = self._bytes(int(length[1]))
            elif _CHUNKED.search(head):
                body = self._chunks()
            else:
                raise BadAnswer(f"{target}: an answer without Content-Length: {head[:80]!r}")
        except OSError as error:
            raise BadAnswer(f"{target}: {error}") from None
        return Answer(int(status[1]), head, body)

    def _chunks(self) -> bytes:
        """A chunked body, as it came."""
        body, size = b"", -1
        while size != 0:
            line = self._line()
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError:
                raise BadAnswer(f"not a chunk's size: {line[:40]!r}") from None
            body += line + self._bytes(size + 2)
        if not body.endswith(b"\r\n\r\n"):
            raise BadAnswer(f"not the end of a chunked body: {body[-40:]!r}")
        return body

    def _line(self) -> bytes:
        line = self._received.readline()
        if not line.endswith(b"\n"):
            raise BadAnswer(f"connection closed after {len(line)} bytes of a line")
        return line

    def _bytes(self, count: int) -> bytes:
        data = self._received.read(count)
        if len(data) < count:
            raise BadAnswer(f"connection closed after {len(data)} of {count} bytes")
        return data


def one(port: int, address: str, target: str, post: bytes | None) -> Answer:
    """The answer to a single request. Raises BadAnswer."""
    with Client(port, address=address) as client:
        return client.get(target, post)
