# SPDX-License-Identifier: MIT
"""A minimal HTTP client that keeps the answer's bytes as they came.

Used for checking one answer byte by byte and for requests one at a time; the load is wrk's.
"""

from __future__ import annotations

import re
import select
import socket
from dataclasses import dataclass

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


def _end_of_chunks(data: bytes, at: int) -> int:
    """Where a chunked body that starts at a position ends; 0 while it is incomplete."""
    while (line := data.find(b"\r\n", at)) >= 0:
        try:
            size = int(data[at:line].split(b";")[0], 16)
        except ValueError:
            raise BadAnswer(f"not a chunk's size: {data[at:line][:40]!r}") from None
        at = line + 2 + size + 2
        if size == 0:
            return at if data[line + 2 : at] == b"\r\n" else 0
        if at > len(data):
            return 0
    return 0


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

    def __init__(self, host: str, port: int, timeout_s: float = 5.0) -> None:
        self._host = f"{host}:{port}"
        self._rest = b""
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise BadAnswer(f"cannot connect to {host}:{port}: {error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def readable(self) -> bool:
        """Whether an answer, or the end of the connection, has arrived."""
        return bool(self._rest) or bool(select.select([self._socket], [], [], 0)[0])

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
            data = self._rest
            while b"\r\n\r\n" not in data:
                data += self._receive(data)
            end = data.index(b"\r\n\r\n") + 4
            length = _LENGTH.search(data[:end])
            if length is not None:
                whole = end + int(length.group(1))
                while len(data) < whole:
                    data += self._receive(data)
            elif _CHUNKED.search(data[:end]):
                while (whole := _end_of_chunks(data, end)) == 0:
                    data += self._receive(data)
            else:
                raise BadAnswer(f"{target}: an answer without Content-Length: {data[:80]!r}")
        except OSError as error:
            raise BadAnswer(f"{target}: {error}") from None
        self._rest = data[whole:]
        fields = data[:end].split(None, 2)
        if not data.startswith(b"HTTP/1.1 ") or not fields[1].isdigit():
            raise BadAnswer(f"{target}: not an HTTP/1.1 answer: {data[:80]!r}")
        return Answer(int(fields[1]), data[:end], data[end:whole])

    def _receive(self, so_far: bytes) -> bytes:
        more = self._socket.recv(65536)
        if not more:
            raise BadAnswer(f"connection closed after {len(so_far)} bytes of an answer")
        return more
