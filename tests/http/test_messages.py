# SPDX-License-Identifier: MIT
"""Bodies of every size, pipelines, Expect, and clients that close in the middle."""

import random
import socket
import threading

import pytest

from cases.case import HELLO, MAX_BODY
from support.client import Closed, Connection, Response, chunked, message
from support.server import Server
from support.variant import fewer

CODINGS = ["length", "chunked"]


def _body(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _post(body: bytes, coding: str, *fields: str) -> bytes:
    if coding == "length":
        return message("POST", "/echo", f"Content-Length: {len(body)}", *fields, body=body)
    pieces = [body[i : i + 5000] for i in range(0, len(body), 5000)]
    return message("POST", "/echo", "Transfer-Encoding: chunked", *fields, body=chunked(*pieces))


def _exchange(connection: Connection, request: bytes) -> Response:
    """Sends while it reads, as a client of a streaming echo must."""

    def send() -> None:
        try:
            connection.send(request)
        except OSError:  # refused half way; the answer says why
            pass

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return connection.read_response("POST")
    finally:
        sender.join()


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, 16384, 65537, 1 << 20, MAX_BODY])
def test_echo(server: Server, size: int, coding: str) -> None:
    body = _body(size)
    with server.connect(20) as connection:
        answer = _exchange(connection, _post(body, coding))
        assert answer.status == 200
        assert answer.body == body
        assert connection.get("/hello").body == HELLO


def test_body_over_the_limit(server: Server) -> None:
    with server.connect() as connection:
        body = _body(MAX_BODY + 1)
        answer = _exchange(connection, _post(body, "length"))
        assert answer.status == 413
        assert answer.closes
        assert connection.read_to_end() == b""


def test_chunked_body_over_the_limit(server: Server) -> None:
    """Noticed only when the answer is under way: it must end short, never look complete."""
    with server.connect(20) as connection:
        try:
            answer = _exchange(connection, _post(_body(MAX_BODY + 1), "chunked"))
        except Closed as closed:
            assert "reset" not in str(closed)
            assert closed.received.startswith(b"HTTP/1.1 200 ")
        else:
            assert answer.status == 413
            assert answer.closes


@pytest.mark.parametrize("request_line", [
    "POST /echo", "GET /hello", "PUT /hello", "GET /nothing", "GET /stream?chunks=2&ms=1", "GET /",
    "GET /files/text.txt", "GET /sleep?ms=1", "GET *", "POST https://x/echo",
])
def test_chunks_that_have_come_are_judged_first(server: Server, request_line: str) -> None:
    """Whoever answers, and whether the body is read: what is seen to be malformed gets a 400."""
    method, target = request_line.split()
    for body, status in [
        (b"5\r\nhello!\r\n0\r\n\r\n", 400),
        (b"5\r\nhello\r\n0\n\r\n", 400),
        (chunked(b"hello", trailers=b"A : b\r\n"), 400),
        (chunked(b"a" * 9000, b"b" * 9000)[:-5] + b"x", 400),
        (b"5\r\nhello\r\n7fffffffffffffff\r\n", 413),
    ]:
        with server.connect() as connection:
            connection.send(message(method, target, "Transfer-Encoding: chunked", body=body))
            answer = connection.read_response(method)
            assert (answer.status, answer.closes) == (status, True), answer.head
            assert answer.field("Allow") is None and answer.field("ETag") is None
            assert connection.read_to_end() == b""


def test_single_chunk_over_the_limit(server: Server) -> None:
    """Announced in the first chunk's size: refused before the answer begins."""
    with server.connect() as connection:
        connection.send(message("POST", "/echo", "Transfer-Encoding: chunked"))
        connection.send(b"%x\r\n" % (MAX_BODY + 1))
        answer = connection.read_response("POST")
        assert answer.status == 413
        assert answer.closes
        assert connection.read_to_end() == b""


def test_echo_streams(server: Server) -> None:
    """What has been sent comes back before the rest of the body is sent."""
    with server.connect() as connection:
        connection.send(message("POST", "/echo", "Transfer-Encoding: chunked"))
        connection.send(b"3\r\nabc\r\n")
        assert connection.read_head().status == 200
        assert connection.read_bytes(8) == b"3\r\nabc\r\n"
        connection.send(b"1\r\nd\r\n")
        assert connection.read_bytes(6) == b"1\r\nd\r\n"
        connection.send(b"0\r\n\r\n")
        assert connection.read_bytes(5) == b"0\r\n\r\n"


def test_hundred_pipelined(server: Server) -> None:
    """Answered all, in order; different routes show the order."""
    targets = ["/hello", "/json", "/cpu?n=%d", "/sleep?ms=0", "/nothing", "/cpu?n=0"]
    requests = [targets[i % len(targets)].replace("%d", str(i + 1)) for i in range(100)]
    with server.connect() as single:
        wanted = [(r.status, r.body) for r in (single.get(target) for target in requests)]
    with server.connect() as connection:
        connection.send(b"".join(message("GET", target) for target in requests))
        got = [connection.read_response() for _ in requests]
        assert [(r.status, r.body) for r in got] == wanted
        assert connection.get("/hello").body == HELLO


def test_pipelined_answers_are_coalesced(server: Server) -> None:
    """A hundred small answers come in a few reads, not in a hundred.

    The client reads as slowly as it can tell: each recv() takes what one or more
    writes of the server have brought by then. So this counts segments that the
    kernel received: far fewer than answers.
    """
    count = 100
    with server.connect() as connection:
        connection.get("/hello")
        received = _segments_in(connection.socket)
        connection.send(message("GET", "/hello") * count)
        for _ in range(count):
            assert connection.read_response().body == HELLO
        assert _segments_in(connection.socket) - received <= count // 4


def _segments_in(connected: socket.socket) -> int:
    """tcpi_data_segs_in of struct tcp_info: segments with data received so far."""
    info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int.from_bytes(info[152:156], "little")


def test_pipelined_bodies(server: Server) -> None:
    bodies = [_body(size) for size in [0, 1, 100, 5000, 20000, 3]]
    requests = b"".join(
        _post(body, CODINGS[i % 2]) + message("GET", "/hello") for i, body in enumerate(bodies)
    )
    with server.connect() as connection:
        sender = threading.Thread(target=connection.send, args=[requests])
        sender.start()
        for body in bodies:
            assert connection.read_response("POST").body == body
            assert connection.read_response().body == HELLO
        sender.join()


def test_nothing_after_close_is_served(server: Server) -> None:
    before = server.get("/whoami")
    assert before.status == 200
    with server.connect() as connection:
        connection.send(message("GET", "/hello", "Connection: close") + message("GET", "/json") * 3)
        assert connection.read_response().closes
        assert connection.read_to_end() == b""


def test_many_requests_on_a_connection(server: Server) -> None:
    with server.connect() as connection:
        for _ in range(fewer(2000)):
            assert connection.get("/hello").body == HELLO


def test_continue_when_the_body_is_wanted(server: Server) -> None:
    for expectation in ["100-continue", "100-Continue"]:
        with server.connect() as connection:
            connection.send(
                message("POST", "/echo", f"Expect: {expectation}", "Content-Length: 5")
            )
            interim = connection.read_head()
            assert interim.status == 100
            assert interim.field("Content-Length") is None
            connection.send(b"hello")
            answer = connection.read_response("POST")
            assert answer.status == 200
            assert answer.body == b"hello"
            assert not answer.interim
            assert connection.get("/hello").body == HELLO


def test_continue_for_chunks(server: Server) -> None:
    with server.connect() as connection:
        connection.send(
            message("POST", "/echo", "Expect: 100-continue", "Transfer-Encoding: chunked")
        )
        assert connection.read_head().status == 100
        connection.send(chunked(b"hello"))
        assert connection.read_response("POST").body == b"hello"


def test_no_continue_for_http_1_0(server: Server) -> None:
    with server.connect() as connection:
        connection.send(b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        connection.send(b"hello")
        answer = connection.read_response("POST")
        assert answer.status == 200
        assert not answer.interim


def test_no_continue_when_refused(server: Server) -> None:
    """The final status at once, and the connection closes: the body may or may not follow."""
    with server.connect() as connection:
        connection.send(message("POST", "/hello", "Expect: 100-continue", "Content-Length: 5"))
        answer = connection.read_response("POST")
        assert answer.status == 405
        assert not answer.interim
        assert answer.closes
        assert connection.read_to_end() == b""


@pytest.mark.parametrize("target", ["/hello", "/sleep?ms=50", "/files/big.bin",
                                    "/stream?chunks=5&ms=10&size=1000"])
def test_half_closed_client_gets_its_answer(server: Server, target: str) -> None:
    with server.connect() as whole:
        wanted = whole.get(target).body
    with server.connect() as connection:
        connection.send(message("GET", target))
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read_response().body == wanted
        assert connection.read_to_end() == b""


def test_half_closed_client_with_a_body(server: Server) -> None:
    body = _body(100000)
    with server.connect() as connection:

        def send() -> None:
            connection.send(_post(body, "length"))
            connection.socket.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert connection.read_response("POST").body == body
        sender.join()
        assert connection.read_to_end() == b""


@pytest.mark.parametrize("part", [b"", b"G", b"GET /hello HTTP/1.1\r\nHost: x\r\n"])
def test_client_closes_before_a_request_is_whole(server: Server, part: bytes) -> None:
    """Nothing was asked: the server closes too. A 400 for a part is as good."""
    with server.connect() as connection:
        connection.send(part)
        connection.socket.shutdown(socket.SHUT_WR)
        rest = connection.read_to_end()
        assert rest == b"" or (part and rest.startswith(b"HTTP/1.1 400 "))
    assert server.get("/hello").body == HELLO


@pytest.mark.parametrize("coding", CODINGS)
def test_client_closes_before_its_body_is_whole(server: Server, coding: str) -> None:
    """The answer must not look complete."""
    request = _post(_body(20000), coding)
    with server.connect() as connection:
        connection.send(request[:-10])
        connection.socket.shutdown(socket.SHUT_WR)
        try:
            answer = connection.read_response("POST")
        except Closed as closed:
            assert "timed out" not in str(closed)
        else:
            assert answer.status == 400
    assert server.get("/hello").body == HELLO


def test_stream_arrives_as_it_is_made(server: Server) -> None:
    """The first chunk is there long before the last can be."""
    with server.connect() as connection:
        connection.send(message("GET", "/stream?chunks=1000&ms=100&size=10"))
        assert connection.read_head().status == 200
        connection.read_bytes(3 + 1 + 10 + 2)
