# SPDX-License-Identifier: MIT
"""GET /files/: what is served, conditional requests, ranges, and what must stay hidden."""

import email.utils
import re

import pytest

from support.client import Connection, message
from support.server import Server
from support.site import BIG, MODIFIED, MODIFIED_TEXT, PAGE, TEXT

EARLIER = email.utils.formatdate(MODIFIED - 60, usegmt=True)
LATER = email.utils.formatdate(MODIFIED + 60, usegmt=True)


@pytest.mark.parametrize(
    "path, content_type, body",
    [
        ("text.txt", r"text/plain(;.*)?", TEXT),
        ("page.html", r"text/html(;.*)?", PAGE),
        ("a%20file.txt", r"text/plain(;.*)?", b"spaced\n"),
        ("%74ext.txt", r"text/plain(;.*)?", TEXT),
        ("empty.txt", r"text/plain(;.*)?", b""),
        ("big.bin", r"application/octet-stream", BIG),
        ("folder/", r"text/html(;.*)?", PAGE),
        ("folder/index.html", r"text/html(;.*)?", PAGE),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,  # megabytes, which each test's name would have
)
def test_file(server: Server, path: str, content_type: str, body: bytes) -> None:
    with server.connect() as connection:
        answer = connection.get(f"/files/{path}")
        assert answer.status == 200
        assert answer.body == body
        assert re.fullmatch(content_type, answer.field("Content-Type") or "")
        assert answer.field("Content-Length") == str(len(body))
        assert answer.field("Last-Modified") == MODIFIED_TEXT
        tag = answer.field("ETag") or ""
        assert re.fullmatch(r'"[\x21\x23-\x7e]+"', tag)  # strong
        assert connection.get("/hello").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "nothing", "text.txt/", "text.txt/more", "bare/", ".hidden", "folder/.hidden", "outside",
        "outside-folder/secret", "pipe", "../secret", "folder/../../secret", "folder/../text.txt",
        "%2e%2e/secret", "..%2fsecret", "%2e%2e%2fsecret", "%252e%252e%252fsecret",
        "..%252fsecret", "//text.txt", "/text.txt", "./text.txt", "folder//index.html",
        "text.txt%00", "%00", "text.txt%zz", "%", "%5c..%5csecret", "..\x5csecret".replace("\\", "%5C"),
        "/etc/passwd", "%2fetc/passwd", "%2Fetc%2Fpasswd", "big.bin%2f", "%c0%ae%c0%ae/secret",
    ],
)
def test_not_served(server: Server, path: str) -> None:
    with server.connect() as connection:
        answer = connection.get(f"/files/{path}")
        assert answer.status in (400, 404)
        assert b"secret\n" not in answer.body
        assert connection.get("/hello").status == 200


def _conditional(connection: Connection, *fields: str, method: str = "GET") -> int:
    tag = connection.get("/files/text.txt").field("ETag")
    answer = connection.get("/files/text.txt", *[f.replace("TAG", str(tag)) for f in fields],
                            method=method)
    if answer.status == 304:
        assert answer.field("ETag") == tag
    elif answer.status == 200 and method == "GET":
        assert answer.body == TEXT
    return answer.status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "status, fields",
    [
        (304, ["If-None-Match: TAG"]),
        (304, ["If-None-Match: W/TAG"]),
        (304, ["If-None-Match: *"]),
        (304, ['If-None-Match: "other", TAG']),
        (304, ['If-None-Match: "a,b" , W/"c" ,TAG']),
        (200, ['If-None-Match: "other"']),
        (200, ['If-None-Match: "other", W/"more"']),
        (304, [f"If-Modified-Since: {MODIFIED_TEXT}"]),
        (304, [f"If-Modified-Since: {LATER}"]),
        (200, [f"If-Modified-Since: {EARLIER}"]),
        (304, ["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"]),
        (304, ["If-Modified-Since: Sun Nov  6 08:49:37 1994"]),
        (200, ["If-Modified-Since: yesterday"]),
        (200, ["If-Modified-Since: Sun, 06 Nov 1994 08:49:37"]),
        (200, ["If-Modified-Since: 784111777"]),
        # If-None-Match beats If-Modified-Since
        (200, ['If-None-Match: "other"', f"If-Modified-Since: {LATER}"]),
        (304, ["If-None-Match: TAG", f"If-Modified-Since: {EARLIER}"]),
    ],
    ids=str,
)
def test_conditional(server: Server, status: int, fields: "list[str]", method: str) -> None:
    with server.connect() as connection:
        assert _conditional(connection, *fields, method=method) == status
        assert connection.get("/hello").status == 200


@pytest.mark.parametrize(
    "value, first, last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-9", 0, 9),
        ("bytes=10-19", 10, 19),
        ("bytes=30-", 30, 35),
        ("bytes=30-1000", 30, 35),
        ("bytes=35-35", 35, 35),
        ("bytes=-1", 35, 35),
        ("bytes=-10", 26, 35),
        ("bytes=-1000", 0, 35),
        ("bytes=0-99999999999999999999999", 0, 35),
    ],
)
def test_range(server: Server, value: str, first: int, last: int) -> None:
    with server.connect() as connection:
        answer = connection.get("/files/text.txt", f"Range: {value}")
        assert answer.status == 206
        assert answer.field("Content-Range") == f"bytes {first}-{last}/{len(TEXT)}"
        assert answer.body == TEXT[first : last + 1]
        assert connection.get("/hello").status == 200


@pytest.mark.parametrize("value", ["bytes=36-", "bytes=36-40", "bytes=1000-2000", "bytes=-0",
                                   "bytes=99999999999999999999999-"])
def test_range_not_satisfiable(server: Server, value: str) -> None:
    with server.connect() as connection:
        answer = connection.get("/files/text.txt", f"Range: {value}")
        assert answer.status == 416
        assert answer.field("Content-Range") == f"bytes */{len(TEXT)}"
        assert connection.get("/hello").status == 200


@pytest.mark.parametrize("value", ["bytes=0-1,5-6", "bytes=5-4", "bytes=", "bytes=-", "bytes=a-b",
                                   "lines=0-1", "0-1", "bytes=1", "bytes=+1-2", "bytes=--1"])
def test_range_ignored(server: Server, value: str) -> None:
    """Several ranges, or what is no range: the whole file."""
    with server.connect() as connection:
        answer = connection.get("/files/text.txt", f"Range: {value}")
        assert answer.status == 200
        assert answer.body == TEXT
        assert answer.field("Content-Range") is None


def test_range_is_for_get_only(server: Server) -> None:
    with server.connect() as connection:
        head = connection.get("/files/text.txt", "Range: bytes=0-1", method="HEAD")
        assert head.status == 200
        assert head.field("Content-Length") == str(len(TEXT))
        assert connection.get("/hello").status == 200


def test_range_of_a_big_file(server: Server) -> None:
    with server.connect() as connection:
        answer = connection.get("/files/big.bin", "Range: bytes=1000-3000000")
        assert answer.status == 206
        assert answer.body == BIG[1000:3000001]


def test_range_on_condition(server: Server) -> None:
    """If-Range: the range when the file is still the same, the whole file otherwise."""
    with server.connect() as connection:
        tag = connection.get("/files/text.txt").field("ETag")
        for validator, status in [(tag, 206), ('"other"', 200), (f"W/{tag}", 200),
                                  (MODIFIED_TEXT, 206), (EARLIER, 200)]:
            answer = connection.get("/files/text.txt", "Range: bytes=0-1", f"If-Range: {validator}")
            assert answer.status == status, validator


def test_pipelined_files(server: Server) -> None:
    targets = ["/files/text.txt", "/files/big.bin", "/hello", "/files/nothing", "/files/empty.txt",
               "/files/folder/"]
    with server.connect() as connection:
        connection.send(b"".join(message("GET", target) for target in targets))
        lengths = [len(connection.read_response().body) for _ in targets]
    assert [lengths[i] for i in (0, 1, 2, 4, 5)] == [len(TEXT), len(BIG), 13, 0, len(PAGE)]


def test_post_is_refused(server: Server) -> None:
    with server.connect() as connection:
        answer = connection.request(message("POST", "/files/text.txt", "Content-Length: 0"))
        assert answer.status == 405
        assert "GET" in (answer.field("Allow") or "")
