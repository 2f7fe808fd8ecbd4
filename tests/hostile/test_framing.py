# SPDX-License-Identifier: MIT
"""Messages that cost the server much for little: framing, single bytes, fields, refused uploads."""

import threading
from typing import Callable, List, Tuple

import pytest

from support.client import Connection, chunked, message
from support.configurations import per_request
from support.healthy import healthy
from support.server import Server
from support.variant import VARIANT, fewer, patience

CHUNKED = "Transfer-Encoding: chunked"
MEMORY_BOUND = 16 << 20  # far below what is sent


def _all_at_once(server: Server, clients: int, converse: Callable[[Connection], None]) -> None:
    """So many clients, each in a thread; fails when one of them does."""
    failures: List[BaseException] = []

    def run() -> None:
        try:
            with server.connect(30) as connection:
                converse(connection)
        except BaseException as failure:  # shown below
            failures.append(failure)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience(90))
        assert not thread.is_alive(), "a client was never answered"
    if failures:
        raise failures[0]


def _extension(size: int) -> bytes:
    return b"5;name=" + b"v" * size + b"\r\nhello\r\n0\r\n\r\n"


@per_request
@pytest.mark.parametrize("target, refusal", [("/echo", 400), ("/nothing", 404), ("/hello", 405)])
def test_huge_chunk_extensions(server: Server, target: str, refusal: int) -> None:
    """Refused at the cap with an answer that a client reads who sends 10 MB of them. Where the
    route is refused anyway nobody reads on for them: what has come by then is judged, no more."""

    def converse(connection: Connection) -> None:
        try:
            connection.send(message("POST", target, CHUNKED, body=_extension(10 << 20)))
        except (ConnectionResetError, BrokenPipeError):
            pass  # it sent for longer than the server listens
        answer = connection.read_response("POST")
        assert answer.status in (400, refusal)
        assert answer.body

    before = server.memory()
    with healthy(server.address):
        for _ in range(fewer(3)):
            _all_at_once(server, 6, converse)
    if VARIANT == "release":
        assert server.memory() - before < MEMORY_BOUND


def test_chunk_extension_below_the_cap(server: Server) -> None:
    with server.connect() as connection:
        request = message("POST", "/echo", CHUNKED, body=_extension(16000))
        assert connection.request(request, "POST").body == b"hello"
        assert connection.get("/hello").status == 200


@per_request
def test_tiny_chunks(server: Server) -> None:
    """Bodies in chunks of one byte are echoed to the byte; nobody waits for them to end."""
    body = bytes(range(256)) * fewer(400)
    framed = chunked(*[body[i : i + 1] for i in range(len(body))])

    def converse(connection: Connection) -> None:
        sender = threading.Thread(
            target=connection.send, args=[message("POST", "/echo", CHUNKED, body=framed)]
        )
        sender.start()
        assert connection.read_response("POST").body == body
        sender.join()
        assert connection.get("/hello").status == 200

    with healthy(server.address):
        _all_at_once(server, 5, converse)


@per_request
def test_byte_by_byte(server: Server) -> None:
    """Head and body in single bytes, each in a segment of its own."""
    body = b"0123456789" * 20
    whole = message("POST", "/echo", *[f"X-{i}: v" for i in range(40)],
                    f"Content-Length: {len(body)}", body=body)

    def converse(connection: Connection) -> None:
        for _ in range(3):
            for i in range(len(whole)):
                connection.send(whole[i : i + 1])
            assert connection.read_response("POST").body == body

    with healthy(server.address):
        _all_at_once(server, 5, converse)


@per_request
def test_most_fields_without_end(server: Server) -> None:
    """Heads as large as allowed, with as many fields as allowed, pipelined."""
    fields = [f"X-{i:03}: " + "v" * 120 for i in range(99)]
    count = fewer(200)

    def converse(connection: Connection) -> None:
        sender = threading.Thread(
            target=connection.send, args=[message("GET", "/hello", *fields) * count]
        )
        sender.start()
        for _ in range(count):
            assert connection.read_response().body == b"Hello, World!"
        sender.join()

    with healthy(server.address):
        _all_at_once(server, 6, converse)


REFUSALS: List[Tuple[str, str, int]] = [
    ("/echo", "Content-Length: 104857600", 413),
    ("/hello", CHUNKED, 405),
    ("/nothing", CHUNKED, 404),
    ("/files/..%2fsecret", "Content-Length: 104857600", 413),
]


@per_request
@pytest.mark.parametrize("target, coding, status", REFUSALS)
def test_refused_uploads_side_by_side(
    server: Server, target: str, coding: str, status: int
) -> None:
    """More clients than workers send 20 MB each that nobody wants before they look, and each reads
    the whole refusal; the healthy ones notice nothing."""
    piece = b"x" * 100000
    if coding == CHUNKED:
        piece = b"%x\r\n%s\r\n" % (len(piece), piece)

    def converse(connection: Connection) -> None:
        connection.send(message("POST", target, coding))
        try:
            for _ in range(200):
                connection.send(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass
        answer = connection.read_response("POST")
        assert answer.status == status
        assert answer.body

    before = server.memory()
    with healthy(server.address):
        _all_at_once(server, 12, converse)
    if VARIANT == "release":
        assert server.memory() - before < MEMORY_BOUND
