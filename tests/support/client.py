# SPDX-License-Identifier: MIT
"""A strict HTTP/1.1 client over a raw socket.

It sends exactly the bytes it is given and accepts only answers that are well
formed to the letter; whatever else the server sends raises Malformed. What it
does not do (redirects, encodings, reuse) no test needs.
"""

import re
import socket
import struct
from dataclasses import dataclass, field
from typing import List, Optional, Tuple, Union

from support.variant import patience

Address = Union[Tuple[str, int], str]

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e]*)")
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")


class Malformed(AssertionError):
    """The server sent something that is not an HTTP/1.1 answer."""


class Closed(AssertionError):
    """The connection ended where an answer, or the rest of one, was due."""

    def __init__(self, message: str, received: bytes) -> None:
        super().__init__(f"{message}; received {len(received)} bytes: {received[:400]!r}")
        self.received = received


@dataclass
class Response:
    """One answer; a 1xx before it is in `interim`."""

    status: int
    reason: str
    head: bytes  # status line and fields, with the empty line
    fields: List[Tuple[str, str]]
    body: bytes = b""
    chunks: List[int] = field(default_factory=list)  # sizes, the last one's 0 included
    interim: List["Response"] = field(default_factory=list)

    def field(self, name: str) -> Optional[str]:
        """The value of the one field of that name (any case); None when absent."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} is there more than once: {self.head!r}"
        return values[0] if values else None

    @property
    def closes(self) -> bool:
        """The server says that it will close the connection."""
        return "close" in [t.strip().lower() for t in (self.field("Connection") or "").split(",")]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


def _parse_head(raw: bytes) -> Response:
    lines = raw[:-4].split(b"\r\n")
    status = _STATUS_LINE.fullmatch(lines[0])
    if status is None:
        raise Malformed(f"status line: {raw[:200]!r}")
    fields = []
    for line in lines[1:]:
        found = _FIELD_LINE.fullmatch(line)
        if found is None:
            raise Malformed(f"field line {line!r} in {raw!r}")
        fields.append((found.group(1).decode("ascii"), found.group(2).decode("ascii")))
    return Response(int(status.group(1)), status.group(2).decode("ascii"), raw, fields)


def _chunked_end(data: bytes, start: int) -> Optional[Tuple[int, List[Tuple[int, int]]]]:
    """Where a chunked body ends and its pieces' (start, size), or None when it is not all there."""
    pieces = []
    at = start
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            if len(data) - at > 18:
                raise Malformed(f"chunk size line: {data[at:at + 40]!r}")
            return None
        line = data[at:line_end]
        if _CHUNK_SIZE.fullmatch(line) is None:
            raise Malformed(f"chunk size line: {line!r}")
        size = int(line, 16)
        at = line_end + 2
        pieces.append((at, size))
        if len(data) < at + size + 2:
            return None
        if data[at + size : at + size + 2] != b"\r\n":
            raise Malformed(f"chunk of {size} bytes followed by {data[at + size:at + size + 2]!r}")
        at += size + 2
        if size == 0:
            return at, pieces


def parse(data: bytes, method: str, ended: bool, start: int = 0) -> Optional[Tuple[Response, int]]:
    """Reads one answer to `method` at data[start:].

    Returns it with the offset behind it, or None when more is needed. `ended`
    says that the connection has been closed in good order, which ends an answer
    without a length.
    """
    interim: List[Response] = []
    while True:
        end = data.find(b"\r\n\r\n", start)
        if end < 0:
            return None
        response = _parse_head(bytes(data[start : end + 4]))
        start = end + 4
        if response.status >= 200:
            break
        interim.append(response)
    response.interim = interim
    coding = response.field("Transfer-Encoding")
    length = response.field("Content-Length")
    if coding is not None and (length is not None or coding != "chunked"):
        raise Malformed(f"framing: {response.head!r}")
    if length is not None and not re.fullmatch("[0-9]+", length):
        raise Malformed(f"Content-Length: {response.head!r}")
    if response.status == 204 and (coding is not None or length is not None):
        raise Malformed(f"204 with a length: {response.head!r}")
    if method == "HEAD" or response.status in (204, 304):
        return response, start
    if coding is not None:
        found = _chunked_end(data, start)
        if found is None:
            return None
        behind, pieces = found
        response.body = b"".join(bytes(data[at : at + size]) for at, size in pieces)
        response.chunks = [size for _, size in pieces]
        return response, behind
    if length is not None:
        behind = start + int(length)
        if len(data) < behind:
            return None
        response.body = bytes(data[start:behind])
        return response, behind
    if not ended:
        return None
    response.body = bytes(data[start:])
    return response, len(data)


def open_socket(address: Address) -> socket.socket:
    """A connected stream socket that sends at once what it is given."""
    if isinstance(address, str):
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.connect(address)
        return unix
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    tcp = socket.socket(family, socket.SOCK_STREAM)
    try:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.settimeout(patience(10))
        tcp.connect(socket.getaddrinfo(*address, family)[0][4])  # which knows a zone
    except BaseException:
        tcp.close()
        raise
    return tcp


class Connection:
    """One connection; a context manager. All waiting ends after `timeout` seconds."""

    def __init__(self, address: Address, timeout: float = 5) -> None:
        self.socket = open_socket(address)
        self.socket.settimeout(patience(timeout))
        self.buffer = bytearray()
        self.ended = False

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Ends without a good-bye (RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _fill(self) -> None:
        try:
            data = self.socket.recv(256 * 1024)
        except socket.timeout:
            raise Closed("timed out", bytes(self.buffer)) from None
        except ConnectionResetError:
            raise Closed("reset", bytes(self.buffer)) from None
        if not data:
            self.ended = True
        self.buffer += data

    def read_response(self, method: str = "GET") -> Response:
        """The next answer, complete."""
        while True:
            found = parse(self.buffer, method, self.ended)
            if found is not None:
                response, behind = found
                del self.buffer[:behind]
                return response
            if self.ended:
                raise Closed("closed in or before an answer", bytes(self.buffer))
            self._fill()

    def read_head(self) -> Response:
        """The next head alone (a 1xx too); its body stays to be read with read_bytes()."""
        while b"\r\n\r\n" not in self.buffer:
            if self.ended:
                raise Closed("closed in or before a head", bytes(self.buffer))
            self._fill()
        end = self.buffer.index(b"\r\n\r\n") + 4
        head = _parse_head(bytes(self.buffer[:end]))
        del self.buffer[:end]
        return head

    def begin(self) -> None:
        """A request that is being served, its answer's head is here, until finish() sends the rest."""
        self.send(message("POST", "/echo", "Content-Length: 10", body=b"12345"))
        assert self.read_head().status == 200

    def finish(self) -> None:
        self.send(b"67890")
        assert self.read_bytes(10) == b"1234567890"

    def read_bytes(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if self.ended:
                raise Closed(f"closed before {count} bytes", bytes(self.buffer))
            self._fill()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_to_end(self) -> bytes:
        """All that comes until the server closes in good order."""
        while not self.ended:
            self._fill()
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def request(self, data: bytes, method: str = "GET") -> Response:
        self.send(data)
        return self.read_response(method)

    def get(self, target: str, *fields: str, method: str = "GET") -> Response:
        return self.request(message(method, target, *fields), method)


def message(method: str, target: str, *fields: str, body: bytes = b"", host: str = "x") -> bytes:
    """A request; Content-Length is not added by itself."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    return "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    """The pieces as a chunked body."""
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n" + trailers + b"\r\n"


def fetch(address: Address, target: str, timeout: float = 5) -> Response:
    """One GET on a connection of its own, closed afterwards."""
    with Connection(address, timeout) as connection:
        return connection.get(target, "Connection: close")
