# SPDX-License-Identifier: MIT
"""The table: bytes in; status, whether the connection closes, header facts, body.

Each row is one request (or what a client might send in its place), complete:
the server can judge it without a further byte, so it may be followed by more.
test_cases.py sends every row whole, in pieces, and behind a good request.
A new row needs no code.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Dict, List, Optional, Pattern, Sequence, Tuple, Union

from support.client import chunked, message
from support.site import MODIFIED_TEXT, PAGE, TEXT as FILE

MAX_BODY = 8 * 1024 * 1024  # --max-body's default
MAX_HEADER = 16 * 1024
MAX_TARGET = 8000
MAX_FIELDS = 100

HELLO = b"Hello, World!"

# What a header field must be: this text, a match of this pattern, or None: absent.
Fact = Union[str, Pattern[str], None]


@dataclass(frozen=True)
class Case:
    """One row.

    closes: True: "C" of the rules, an orderly close after the answer; False: the
    connection must serve a further request; None: either, but as announced.
    aborts: the answer may have begun before the fault was seen; it then ends
    short and the connection closes.
    continues: a 100 may come first when the body is not there with the head.
    """

    group: str
    name: str
    request: bytes
    status: Union[int, Tuple[int, ...]]
    closes: Optional[bool] = None
    headers: Dict[str, Fact] = field(default_factory=dict)
    body: Union[bytes, Pattern[bytes], None] = None  # None: not looked at
    method: str = "GET"  # for the framing of the answer
    aborts: bool = False
    continues: bool = False

    @property
    def statuses(self) -> Tuple[int, ...]:
        return self.status if isinstance(self.status, tuple) else (self.status,)

    def __str__(self) -> str:
        return f"{self.group}: {self.name}"


TEXT = re.compile(r"text/plain(;.*)?")
ALLOW_GET = re.compile(r"(?=.*\bGET\b)(?=.*\bHEAD\b)(?!.*\bPOST\b).*")
ALLOW_POST = re.compile(r"(?=.*\bPOST\b)(?!.*\bGET\b).*")


def raw(head: str, body: bytes = b"") -> bytes:
    """A head written with \\n for line ends, the empty line left out."""
    return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def hello(*fields: str) -> bytes:
    return message("GET", "/hello", *fields)


def good(name: str, request: bytes, closes: Optional[bool] = False, group: str = "") -> Case:
    """A row that must be answered like any GET /hello."""
    facts: Dict[str, Fact] = {"Content-Type": TEXT, "Content-Length": "13"}
    return Case(group, name, request, 200, closes, facts, HELLO)


def refused(name: str, request: bytes, status: Union[int, Tuple[int, ...]] = 400) -> Case:
    """A row that must be refused and the connection closed."""
    return Case("", name, request, status, True)


def _in(group: str, rows: Sequence[Case]) -> List[Case]:
    return [replace(row, group=group) for row in rows]


def _echo(name: str, body: bytes, *fields: str) -> Case:
    """The body must come back."""
    request = message("POST", "/echo", f"Content-Length: {len(body)}", *fields, body=body)
    facts: Dict[str, Fact] = {"Content-Length": str(len(body))}
    return Case("", name, request, 200, False, facts, body, "POST")


def _chunked_echo(name: str, framed: bytes, body: bytes, coding: str = "chunked") -> Case:
    request = message("POST", "/echo", f"Transfer-Encoding: {coding}", body=framed)
    return Case("", name, request, 200, False, {"Transfer-Encoding": "chunked"}, body, "POST")


def _bad_chunks(name: str, framed: bytes, aborts: bool = False) -> Case:
    request = message("POST", "/echo", "Transfer-Encoding: chunked", body=framed)
    return Case("", name, request, 400, True, method="POST", aborts=aborts)


def _query(target: str) -> Case:
    """A query that no route takes: 400 with a reason of one line."""
    return Case("", target, message("GET", target), 400, False, {"Content-Type": TEXT},
                re.compile(rb"[ -~]+\n"))


ROUTES = _in("routes", [
    good("hello", hello()),
    Case("", "json", message("GET", "/json"), 200, False,
         {"Content-Type": "application/json", "Content-Length": "27"},
         b'{"message":"Hello, World!"}'),
    Case("", "index", message("GET", "/"), 200, False, {"Content-Type": re.compile("text/html.*")},
         re.compile(rb"(?s)(?=.*/hello)(?=.*/fanout)(?=.*/whoami).*")),
    Case("", "cpu", message("GET", "/cpu?n=10"), 200, False, {"Content-Type": TEXT},
         re.compile(rb"[0-9a-f]+\n")),
    Case("", "sleep", message("GET", "/sleep?ms=3"), 200, False, {"Content-Type": TEXT},
         b"slept 3\n"),
    Case("", "sleep not at all", message("GET", "/sleep?ms=0"), 200, False, {}, b"slept 0\n"),
    Case("", "block", message("GET", "/block?ms=1"), 200, False, {"Content-Type": TEXT}),
    Case("", "block elsewhere", message("GET", "/block?ms=1&offload=1"), 200, False,
         {"Content-Type": TEXT}),
    Case("", "mix", message("GET", "/mix?cpu=5&wait=1&rounds=2"), 200, False,
         {"Content-Type": TEXT}),
    Case("", "fanout", message("GET", "/fanout?n=3&ms=1"), 200, False, {"Content-Type": TEXT}),
    Case("", "stream", message("GET", "/stream?chunks=3&ms=1&size=10"), 200, False,
         {"Transfer-Encoding": "chunked", "Content-Length": None}, re.compile(rb"(?s).{30}")),
    Case("", "whoami", message("GET", "/whoami"), 200, False, {"Content-Type": "application/json"}),
    Case("", "status", message("GET", "/status"), 200, False, {"Content-Type": "application/json"}),
    _echo("echo", b"hello", "Content-Type: text/x-test"),
    Case("", "echo's content type", message("POST", "/echo", "Content-Type: text/x-test; a=b",
         "Content-Length: 1", body=b"x"), 200, False, {"Content-Type": "text/x-test; a=b"}, b"x"),
    Case("", "unknown route", message("GET", "/nothing"), 404, False, {"Content-Type": TEXT}),
    Case("", "a route's name with more behind it", message("GET", "/hellox"), 404, False),
    Case("", "a route's name with a slash", message("GET", "/hello/"), 404, False),
    Case("", "case of a path", message("GET", "/Hello"), 404, False),
    Case("", "unknown route, POST", message("POST", "/nothing", "Content-Length: 0"), 404, False),
])

QUERIES = _in("queries", [
    _query("/cpu?n=0"),
    _query("/cpu?n=10000001"),
    _query("/cpu?n=99999999999999999999999"),
    _query("/cpu?n="),
    _query("/cpu?n=x"),
    _query("/cpu?n=-1"),
    _query("/cpu?n=+1"),
    _query("/cpu?n=1.5"),
    _query("/cpu?n=0x10"),
    _query("/cpu?m=1"),
    _query("/sleep?ms=60001"),
    _query("/sleep?ms=-1"),
    _query("/sleep?ms=1&other=1"),
    _query("/block?ms=60001"),
    _query("/block?ms=1&offload=x"),
    _query("/mix?cpu=1&wait=1&rounds=x"),
    _query("/fanout?n=x&ms=1"),
    _query("/fanout?n=1000&ms=60000"),
    _query("/mix?cpu=10000000&wait=1&rounds=1000"),
    _query("/stream?chunks=x"),
])

METHODS = _in("methods", [
    Case("", "HEAD", message("HEAD", "/hello"), 200, False, {"Content-Length": "13"}, b"", "HEAD"),
    Case("", "HEAD of nothing", message("HEAD", "/nothing"), 404, False, {}, b"", "HEAD"),
    Case("", "HEAD of a bad query", message("HEAD", "/cpu?n=0"), 400, False, {}, b"", "HEAD"),
    Case("", "HEAD of what only takes POST", message("HEAD", "/echo"), 405, False,
         {"Allow": ALLOW_POST}, b"", "HEAD"),
    Case("", "POST to GET's route", message("POST", "/hello", "Content-Length: 0"), 405, False,
         {"Allow": ALLOW_GET}),
    Case("", "GET of POST's route", message("GET", "/echo"), 405, False, {"Allow": ALLOW_POST}),
    Case("", "PUT", message("PUT", "/hello", "Content-Length: 2", body=b"ab"), 405, None,
         {"Allow": ALLOW_GET}),
    Case("", "DELETE", message("DELETE", "/hello"), 405, False, {"Allow": ALLOW_GET}),
    Case("", "PATCH", message("PATCH", "/hello", "Content-Length: 0"), 405, False,
         {"Allow": ALLOW_GET}),
    Case("", "TRACE", message("TRACE", "/hello"), 405, None, {"Allow": ALLOW_GET}),
    Case("", "OPTIONS of a route", message("OPTIONS", "/hello"), 204, False, {"Allow": ALLOW_GET},
         b"", "OPTIONS"),
    Case("", "OPTIONS of POST's route", message("OPTIONS", "/echo"), 204, False,
         {"Allow": ALLOW_POST}, b"", "OPTIONS"),
    Case("", "OPTIONS of the server", message("OPTIONS", "*"), 204, False,
         {"Allow": re.compile(".*GET.*")}, b"", "OPTIONS"),
    Case("", "CONNECT", message("CONNECT", "example.com:443", host="example.com:443"), 405, True,
         {"Allow": re.compile(".*")}),
    Case("", "unknown method", message("BREW", "/hello"), 501),
    Case("", "unknown method, lower case", message("get", "/hello"), 501),
    Case("", "unknown method, odd token", message("M!#$%&'*+-.^_`|~9", "/hello"), 501),
    Case("", "HEAD refused for its fields", raw("HEAD /hello HTTP/1.1\nHost : x"), 400, True,
         {"Content-Type": TEXT}, b"", "HEAD"),
    Case("", "HEAD refused behind an empty line", b"\r\n" + raw("HEAD /hello HTTP/1.1\nHost : x"),
         400, True, {}, b"", "HEAD"),
    Case("", "HEAD without Host", raw("HEAD /hello HTTP/1.1"), 400, True, {}, b"", "HEAD"),
    Case("", "CONNECT to what is no authority", message("CONNECT", "/hello"), (400, 405), True),
    refused("method is no token", message("GE(T", "/hello")),
    refused("method with @", message("G@T", "/hello")),
    refused("method with a byte above 127", message("G\xe9T", "/hello")),
    refused("no method", raw(" /hello HTTP/1.1\nHost: x")),
])

REQUEST_LINE = _in("request line", [
    good("one empty line before it", b"\r\n" + hello()),
    refused("two empty lines before it", b"\r\n\r\n" + hello()),
    refused("an empty line of a CR alone before it", b"\r" + hello()),
    refused("two spaces", raw("GET  /hello HTTP/1.1\nHost: x")),
    refused("two spaces before the version", raw("GET /hello  HTTP/1.1\nHost: x")),
    refused("a tab for a space", raw("GET\t/hello HTTP/1.1\nHost: x")),
    refused("a tab before the version", raw("GET /hello\tHTTP/1.1\nHost: x")),
    refused("space behind it", raw("GET /hello HTTP/1.1 \nHost: x")),
    refused("no version", raw("GET /hello\nHost: x")),
    refused("HTTP/0.9 style", b"GET /hello\r\n\r\n"),
    refused("HTTP/0.9", raw("GET /hello HTTP/0.9\nHost: x")),
    refused("lower-case version", raw("GET /hello http/1.1\nHost: x")),
    refused("mixed-case version", raw("GET /hello Http/1.1\nHost: x")),
    refused("another protocol", raw("GET /hello ICY/1.1\nHost: x")),
    refused("version of one number", raw("GET /hello HTTP/1\nHost: x")),
    refused("version without a minor", raw("GET /hello HTTP/1.\nHost: x")),
    refused("version without a dot", raw("GET /hello HTTP/11\nHost: x")),
    refused("version of three digits", raw("GET /hello HTTP/1.10\nHost: x")),
    refused("version with a letter", raw("GET /hello HTTP/1.x\nHost: x")),
    refused("HTTP/2.0", raw("GET /hello HTTP/2.0\nHost: x"), 505),
    refused("HTTP/3.1", raw("GET /hello HTTP/3.1\nHost: x"), 505),
    refused("HTTP/9.9", raw("GET /hello HTTP/9.9\nHost: x"), 505),
    refused("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    good("HTTP/1.2", raw("GET /hello HTTP/1.2\nHost: x")),
    good("HTTP/1.9", raw("GET /hello HTTP/1.9\nHost: x")),
    refused("HTTP/1.2 without Host", raw("GET /hello HTTP/1.2")),
    refused("garbage", b"\x80\xff\x01\x02garbage\r\n\r\n"),
    refused("garbage in words", b"hello there\r\n\r\n"),
    refused("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    refused("TLS hello", bytes.fromhex(
        "16030100a5010000a10303c0ffee00112233445566778899aabbccddeeff00112233445566778899aabbcc"
        "20000a130113021303c02bc02f0100")),
])

TARGETS = _in("targets", [
    good("absolute form", message("GET", "http://example.com/hello")),
    good("absolute form with a port", message("GET", "http://example.com:80/hello")),
    good("absolute form, its scheme in capitals", message("GET", "HTTP://example.com/hello")),
    good("absolute form, another Host", message("GET", "http://example.com/hello", host="b:1")),
    refused("absolute form, an invalid Host", message("GET", "http://example.com/hello", host="a b")),
    refused("absolute form with a user", message("GET", "http://user@example.com/hello")),
    refused("absolute form without an authority", message("GET", "http:///hello")),
    Case("", "absolute form of another scheme", message("GET", "ftp://example.com/hello"), 400),
    Case("", "absolute form without a path", message("GET", "http://example.com"), 200, False,
         {"Content-Type": re.compile("text/html.*")}),
    refused("absolute form without Host", raw("GET http://example.com/hello HTTP/1.1")),
    Case("", "asterisk", message("GET", "*"), 400),
    Case("", "asterisk and more", message("OPTIONS", "*x"), 400),
    Case("", "asterisk, its body is read", message("GET", "*", "Content-Length: 5", body=b"hello"),
         400, False),
    Case("", "asterisk, its chunks are read", message(
        "GET", "*", "Transfer-Encoding: chunked", body=chunked(hello())), 400, False),
    Case("", "authority form", message("GET", "example.com:80"), 400),
    Case("", "a bare word", message("GET", "hello"), 400),
    Case("", "%00", message("GET", "/%00"), (400, 404), False),
    Case("", "%zz", message("GET", "/%zz"), (400, 404), False),
    Case("", "half an escape", message("GET", "/hello%2"), (400, 404), False),
    Case("", "empty segment", message("GET", "//hello"), (400, 404), False),
    Case("", "dot segment", message("GET", "/./hello"), (400, 404), False),
    Case("", "dot segments upwards", message("GET", "/x/../hello"), (400, 404), False),
    Case("", "upwards", message("GET", "/../etc/passwd"), (400, 404), False),
    Case("", "upwards, encoded", message("GET", "/%2e%2e%2fetc%2fpasswd"), (400, 404), False),
    *[
        refused(f"byte {byte!r}", message("GET", f"/a{byte}b"))
        for byte in [" ", "#", '"', "<", ">", "\\", "^", "`", "{", "|", "}",
                     "\x00", "\x01", "\t", "\x0b", "\x1f", "\x7f", "\x80", "\xe9", "\xff"]
    ],
    refused("fragment", message("GET", "/hello#top")),
    refused("control byte in the query", message("GET", "/cpu?n=\x02")),
    refused("byte above 127 in the query", message("GET", "/cpu?n=\xe9")),
    Case("", "longest", message("GET", "/" + "a" * (MAX_TARGET - 1)), 404, False),
    refused("a byte too long", message("GET", "/" + "a" * MAX_TARGET), 414),
    refused("far too long", message("GET", "/" + "a" * 12000), 414),
    refused("longer than a head may be", message("GET", "/" + "a" * 2 * MAX_HEADER), 414),
])

FIELDS = _in("fields", [
    good("no white space", hello("A:b")),
    good("white space around a value", hello("A: \t b \t")),
    good("empty value", hello("A:")),
    good("blank value", hello("A:  ")),
    good("tab within a value", hello("A: b\tc")),
    good("bytes above 127 in a value", hello("A: \xe9\xff")),
    good("every character of a token", hello("!#$%&'*+-.^_`|~09azAZ: x")),
    refused("space before the colon", hello("A : b")),
    refused("tab before the colon", hello("A\t: b")),
    refused("space before Host's colon", raw("GET /hello HTTP/1.1\nHost : x")),
    refused("space in a name", hello("A B: c")),
    refused("space before the first field", raw("GET /hello HTTP/1.1\n Host: x")),
    refused("tab before the first field", raw("GET /hello HTTP/1.1\n\tHost: x")),
    refused("folded line", hello("A: b", " c")),
    refused("folded line, tab", hello("A: b", "\tc")),
    refused("folded line of white space alone", hello("A: b", " ")),
    refused("no colon", hello("A")),
    refused("no name", hello(": b")),
    refused("parenthesis in a name", hello("A(: b")),
    refused("byte above 127 in a name", hello("\xe9: b")),
    refused("control byte in a name", hello("A\x01: b")),
    refused("NUL in a name", hello("A\x00: b")),
    *[
        refused(f"byte {byte!r} {where} a value", hello(f"A: {before}{byte}{after}"))
        for byte in ["\x00", "\x01", "\x0b", "\x1b", "\x1f", "\x7f"]
        for where, before, after in [("first in", "", "b"), ("in", "b", "c"), ("last in", "b", "")]
    ],
    refused("bare LF after the request line", b"GET /hello HTTP/1.1\nHost: x\r\n\r\n"),
    refused("bare LF after a field", b"GET /hello HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"),
    refused("bare LF for the empty line", b"GET /hello HTTP/1.1\r\nHost: x\r\n\n"),
    refused("bare LFs throughout", b"GET /hello HTTP/1.1\nHost: x\n\n"),
    refused("bare LF before the request line", b"\n" + hello()),
    refused("bare LF in a value", b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\nc\r\n\r\n"),
    refused("bare CR after the request line", b"GET /hello HTTP/1.1\rHost: x\r\n\r\n"),
    refused("bare CR in a value", hello("A: b\rc")),
    refused("bare CR first in a value", hello("A: \rb")),
    refused("two CRs and a LF", b"GET /hello HTTP/1.1\r\nHost: x\r\r\n\r\n"),
    refused("two CRs and a LF for the empty line", b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\r\n"),
    refused("head ended by CR LF CR and more", b"GET /hello HTTP/1.1\r\nHost: x\r\n\rX\r\n\r\n"),
    good("as many as allowed", hello(*[f"A{i}: b" for i in range(MAX_FIELDS - 1)])),
    refused("one too many", hello(*[f"A{i}: b" for i in range(MAX_FIELDS)]), 431),
    refused("1,000", hello(*["A: b"] * 1000), 431),
    good("a long one", hello("A: " + "b" * (MAX_HEADER - 200))),
    refused("one longer than a head", hello("A: " + "b" * MAX_HEADER), 431),
    refused("a far longer one", hello("A: " + "b" * 8 * MAX_HEADER), 431),
    refused("a long name", hello("A" * 2 * MAX_HEADER + ": b"), 431),
    refused("longer than a head together", hello(*["A: " + "b" * 400] * 50), 431),
])

HOST = _in("Host", [
    good("a name", message("GET", "/hello", host="a.example")),
    good("with a port", message("GET", "/hello", host="a.example:8080")),
    good("an IPv4 address", message("GET", "/hello", host="127.0.0.1:1")),
    good("an IPv6 address", message("GET", "/hello", host="[::1]")),
    good("an IPv6 address with a port", message("GET", "/hello", host="[::1]:8080")),
    good("any case of the name", raw("GET /hello HTTP/1.1\nhOsT: x")),
    refused("none", raw("GET /hello HTTP/1.1")),
    refused("none, other fields", raw("GET /hello HTTP/1.1\nA: b")),
    refused("two", hello("Host: y")),
    refused("two that agree", hello("Host: x")),
    refused("empty", raw("GET /hello HTTP/1.1\nHost:")),
    refused("blank", raw("GET /hello HTTP/1.1\nHost: \t ")),
    refused("invalid in HTTP/1.0", raw("GET /hello HTTP/1.0\nHost: a b")),
    refused("two, one empty", hello("Host:")),
    *[
        refused(f"invalid: {value!r}", message("GET", "/hello", host=value))
        for value in ["a b", "a/b", "user@a", "a?b", "a#b", "a:b", "a:1:2", "[::1", "::1]", "a\\b",
                      "<a>", "a\xe9", "http://a", "a:80x", "[::1]x", "%zz", 'a"b',
                      "[]", "[zz]", "[1:2]", "[::1%1]", "[v1]", "[1.2.3.4]", "a,b c", "a:-1"]
    ],
])

LENGTH = _in("Content-Length", [
    _echo("none of it", b""),
    _echo("a byte", b"x"),
    _echo("every byte there is", bytes(range(256))),
    _echo("looks like a request", hello()),
    good("a body that nobody reads", message("GET", "/hello", "Content-Length: 5", body=b"12345"),
         None),
    good("a request in a body that nobody reads", message(
        "GET", "/hello", f"Content-Length: {len(message('GET', '/json'))}",
        body=message("GET", "/json")), None),
    good("zero", hello("Content-Length: 0")),
    Case("", "leading zeros", message("POST", "/echo", "Content-Length: 0005", body=b"hello"),
         200, False, {}, b"hello", "POST"),
    Case("", "white space around it", message("POST", "/echo", "Content-Length: \t5 ",
         body=b"hello"), 200, False, {}, b"hello", "POST"),
    *[
        refused(repr(value), message("POST", "/echo", f"Content-Length: {value}", body=b"hello"))
        for value in ["", " ", "+5", "-5", "-0", "5 5", "5,5", "5, 5", "5,6", "5;", "0x5", "5x",
                      "five", "5.0", "5e0", "'5'", "5 \x00", "\xb2", "9223372036854775808",
                      "18446744073709551615", "18446744073709551616", "18446744073709551621",
                      "99999999999999999999999999", "9" * 400]
    ],
    refused("twice", message("POST", "/echo", "Content-Length: 5", "Content-Length: 6",
                             body=b"hello!")),
    refused("twice, equal", message("POST", "/echo", "Content-Length: 5", "Content-Length: 5",
                                    body=b"hello")),
    refused("twice on a GET", hello("Content-Length: 0", "Content-Length: 0")),
    refused("in HTTP/1.0, twice", raw("POST /echo HTTP/1.0\nContent-Length: 5\nContent-Length: 5",
                                      b"hello")),
    refused("a byte more than allowed", message(
        "POST", "/echo", f"Content-Length: {MAX_BODY + 1}"), 413),
    refused("far more than allowed", message(
        "POST", "/echo", "Content-Length: 9223372036854775807"), 413),
])

CODING = _in("Transfer-Encoding", [
    _chunked_echo("chunked", chunked(b"hello"), b"hello"),
    _chunked_echo("any case", chunked(b"hello"), b"hello", "ChUnKeD"),
    _chunked_echo("white space around it", chunked(b"hello"), b"hello", " \tchunked\t "),
    good("on a GET", message("GET", "/hello", "Transfer-Encoding: chunked", body=chunked(b"ab")),
         None),
    good("a chunked request in a body that nobody reads", message(
        "GET", "/hello", "Transfer-Encoding: chunked", body=chunked(message("GET", "/json"))),
        None),
    *[
        refused(name, message("POST", "/echo", *fields, body=chunked(b"hello")))
        for name, fields in [
            ("with Content-Length", ["Transfer-Encoding: chunked", "Content-Length: 15"]),
            ("after Content-Length", ["Content-Length: 15", "Transfer-Encoding: chunked"]),
            ("with Content-Length of zero", ["Transfer-Encoding: chunked", "Content-Length: 0"]),
            ("other, with Content-Length", ["Transfer-Encoding: gzip", "Content-Length: 15"]),
            ("unknown", ["Transfer-Encoding: gzip"]),
            ("identity", ["Transfer-Encoding: identity"]),
            ("chunked is not last", ["Transfer-Encoding: chunked, gzip"]),
            ("chunked is not last, two fields", ["Transfer-Encoding: chunked",
                                                 "Transfer-Encoding: gzip"]),
            ("twice", ["Transfer-Encoding: chunked, chunked"]),
            ("twice, two fields", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
            ("empty", ["Transfer-Encoding:"]),
            ("blank", ["Transfer-Encoding: "]),
            ("a comma", ["Transfer-Encoding: ,"]),
            ("misspelt: xchunked", ["Transfer-Encoding: xchunked"]),
            ("misspelt: chunkedx", ["Transfer-Encoding: chunkedx"]),
            ("misspelt: chunk", ["Transfer-Encoding: chunk"]),
            ("quoted", ['Transfer-Encoding: "chunked"']),
            ("two words", ["Transfer-Encoding: chunked chunked"]),
            ("vertical tab before it", ["Transfer-Encoding: \x0bchunked"]),
            ("NUL behind it", ["Transfer-Encoding: chunked\x00"]),
            ("space before the colon", ["Transfer-Encoding : chunked"]),
            ("folded", ["Transfer-Encoding:", " chunked"]),
        ]
    ],
    refused("in HTTP/1.0", raw("POST /echo HTTP/1.0\nTransfer-Encoding: chunked",
                               chunked(b"hello"))),
    refused("in HTTP/1.0, kept alive", raw(
        "POST /echo HTTP/1.0\nConnection: keep-alive\nTransfer-Encoding: chunked",
        chunked(b"hello"))),
    refused("unknown before chunked", message(
        "POST", "/echo", "Transfer-Encoding: gzip, chunked", body=chunked(b"hello")), 501),
    refused("unknown before chunked, two fields", message(
        "POST", "/echo", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked",
        body=chunked(b"hello")), 501),
])

CHUNKS = _in("chunks", [
    _chunked_echo("none", b"0\r\n\r\n", b""),
    _chunked_echo("a byte", chunked(b"x"), b"x"),
    _chunked_echo("three", chunked(b"he", b"l", b"lo"), b"hello"),
    _chunked_echo("every byte there is", chunked(bytes(range(256))), bytes(range(256))),
    _chunked_echo("CRLF as data", chunked(b"\r\n", b"0\r\n\r\n"), b"\r\n0\r\n\r\n"),
    _chunked_echo("hexadecimal, both cases", b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
                  b"01234567890123456789a"),
    _chunked_echo("leading zeros", b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    _chunked_echo("extension", b"5;a\r\nhello\r\n0\r\n\r\n", b"hello"),
    _chunked_echo("extension with a value", b"5;a=b;c=d\r\nhello\r\n0;e=f\r\n\r\n", b"hello"),
    _chunked_echo("extension, quoted", b'5;a="b; c\\"d"\r\nhello\r\n0\r\n\r\n', b"hello"),
    _chunked_echo("trailer", chunked(b"hello", trailers=b"A: b\r\n"), b"hello"),
    _chunked_echo("trailers that look like framing", chunked(
        b"hello", trailers=b"Content-Length: 99\r\nTransfer-Encoding: gzip\r\nHost: y\r\n"),
        b"hello"),
    Case("", "trailers are no fields", message(
        "POST", "/echo", "Transfer-Encoding: chunked",
        body=chunked(b"hello", trailers=b"Connection: close\r\nContent-Type: text/x-evil\r\n")),
        200, False, {"Content-Type": "application/octet-stream", "Connection": None}, b"hello",
        "POST"),
    _chunked_echo("white space in an extension", b'5;a = "b" ; c\r\nhello\r\n0\r\n\r\n', b"hello"),
    _bad_chunks("extension without a name", b"5;\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("extension without a value", b"5;a=\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("extension, its quotes not closed", b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    _bad_chunks("CR LF in a quoted extension", b'5;a="b\r\n"\r\nhello\r\n0\r\n\r\n'),
    _bad_chunks("space before an extension", b"5 ;a\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("plus sign", b"+5\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("minus sign", b"-5\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("space before the size", b" 5\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("space behind the size", b"5 \r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("tab behind the size", b"5\t\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("no size", b"\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("no size but an extension", b";a=b\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("not hexadecimal", b"g\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("not hexadecimal further on", b"5g\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("NUL behind the size", b"5\x00\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("overflow of 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("overflow by far", b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("bare LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
    _bad_chunks("bare CR behind the size", b"5\rhello\r\n0\r\n\r\n"),
    _bad_chunks("two CRs behind the size", b"5\r\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("bare LF in an extension", b"5;a\nhello\r\n0\r\n\r\n"),
    _bad_chunks("NUL in an extension", b"5;a\x00b\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("bare CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("data longer than announced", b"5\r\nhello!\r\n0\r\n\r\n", aborts=True),
    _bad_chunks("data shorter than announced", b"7\r\nhello\r\n0\r\n\r\n", aborts=True),
    _bad_chunks("bare LF behind the data", b"5\r\nhello\n0\r\n\r\n", aborts=True),
    _bad_chunks("bare CR behind the data", b"5\r\nhello\r0\r\n\r\n", aborts=True),
    _bad_chunks("bad size further on", b"5\r\nhello\r\n-1\r\n\r\n", aborts=True),
    _bad_chunks("bare LF behind the last size", b"5\r\nhello\r\n0\n\r\n", aborts=True),
    _bad_chunks("bare LF at the end", b"5\r\nhello\r\n0\r\n\n", aborts=True),
    _bad_chunks("trailer with space before its colon", chunked(trailers=b"A : b\r\n")),
    _bad_chunks("trailer, folded", chunked(trailers=b"A: b\r\n c\r\n")),
    _bad_chunks("trailer without a colon", chunked(trailers=b"A\r\n")),
    _bad_chunks("trailer with a bare LF", chunked(trailers=b"A: b\n")),
    _bad_chunks("trailer with a NUL", chunked(trailers=b"A: \x00\r\n")),
    _bad_chunks("trailers without end", chunked(trailers=b"A: b\r\n" * 20000)),
    _bad_chunks("extension without end", b"5;" + b"a" * 1000000 + b"\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("zeros without end", b"0" * 1000000 + b"5\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("an extension on each of many", b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 30000
                + b"0\r\n\r\n", aborts=True),
])

PERSISTENCE = _in("Connection", [
    *[
        good(repr(value), hello(f"Connection: {value}"), True)
        for value in ["close", "Close", "CLOSE", "close,", ",close", "foo, close", "close, foo",
                      "foo,close,bar", " \tclose\t ", "foo ,\tclose , bar", "keep-alive, close",
                      "close, keep-alive"]
    ],
    good("two fields", hello("Connection: foo", "Connection: close"), True),
    *[
        good(repr(value), hello(f"Connection: {value}"), False)
        for value in ["", "keep-alive", "Keep-Alive", "closed", "close-x", "xclose",
                      "foo"]
    ],
    good("Upgrade to WebSocket", hello("Connection: Upgrade", "Upgrade: websocket")),
    good("Upgrade to HTTP/2", hello("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                                    "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")),
    good("Proxy-Connection means nothing", hello("Proxy-Connection: close")),
])

OLD = _in("HTTP/1.0", [
    good("closes", raw("GET /hello HTTP/1.0"), True),
    good("with Host", raw("GET /hello HTTP/1.0\nHost: x"), True),
    Case("", "keep-alive is echoed", raw("GET /hello HTTP/1.0\nConnection: keep-alive"), 200, False,
         {"Connection": re.compile("(?i)keep-alive"), "Content-Length": "13"}, HELLO),
    Case("", "keep-alive in any case", raw("GET /hello HTTP/1.0\nConnection: Keep-Alive"), 200,
         False, {"Connection": re.compile("(?i)keep-alive")}, HELLO),
    good("close beats keep-alive", raw("GET /hello HTTP/1.0\nConnection: keep-alive, close"), True),
    Case("", "no chunks", raw("GET /stream?chunks=3&ms=1&size=10 HTTP/1.0"), 200, True,
         {"Transfer-Encoding": None}, re.compile(rb"(?s).{30}")),
    Case("", "no chunks, kept alive", raw(
        "GET /stream?chunks=3&ms=1&size=10 HTTP/1.0\nConnection: keep-alive"), 200, True,
        {"Transfer-Encoding": None}, re.compile(rb"(?s).{30}")),
    Case("", "body", raw("POST /echo HTTP/1.0\nContent-Length: 5", b"hello"), 200, True,
         {"Content-Length": "5"}, b"hello"),
    Case("", "HEAD", raw("HEAD /hello HTTP/1.0"), 200, True, {"Content-Length": "13"}, b"", "HEAD"),
    Case("", "unknown route", raw("GET /nothing HTTP/1.0"), 404, True),
    refused("two Hosts", raw("GET /hello HTTP/1.0\nHost: x\nHost: x")),
])

EXPECT = _in("Expect", [
    Case("", "body already there", message("POST", "/echo", "Expect: 100-continue",
         "Content-Length: 5", body=b"hello"), 200, None, {}, b"hello", "POST", continues=True),
    Case("", "body already there, any case", message("POST", "/echo", "Expect: 100-Continue",
         "Content-Length: 5", body=b"hello"), 200, None, {}, b"hello", "POST", continues=True),
    good("no body", hello("Expect: 100-continue"), None),
    Case("", "body already there, chunked", message("POST", "/echo", "Expect: 100-continue",
         "Transfer-Encoding: chunked", body=chunked(b"hello")), 200, None, {}, b"hello", "POST",
         continues=True),
    refused("other expectation, with a body", message("POST", "/echo", "Expect: 100-continue, x",
                                                      "Content-Length: 5", body=b"hello"), 417),
    refused("empty", hello("Expect:"), 417),
    Case("", "other expectation", message("GET", "/hello", "Expect: miracles"), 417),
    refused("body too large", message("POST", "/echo", "Expect: 100-continue",
                                      f"Content-Length: {MAX_BODY + 1}"), 413),
    Case("", "refused before the body is read", message("POST", "/hello", "Expect: 100-continue",
         "Content-Length: 5"), 405, True, {"Allow": ALLOW_GET}),
])

ETAG = re.compile(r'"[!#-~]+"')
WHOLE: Dict[str, Fact] = {"Content-Length": "36", "ETag": ETAG, "Last-Modified": MODIFIED_TEXT,
                          "Accept-Ranges": "bytes", "Content-Range": None, "Content-Type": TEXT}
SAME: Dict[str, Fact] = {"ETag": ETAG, "Last-Modified": MODIFIED_TEXT, "Content-Length": None,
                         "Transfer-Encoding": None, "Content-Type": None}


def _file(name: str, *fields: str, body: Optional[bytes] = FILE, method: str = "GET") -> Case:
    """The whole file."""
    return Case("", name, message(method, "/files/text.txt", *fields), 200, False, WHOLE, body,
                method)


def _part(value: str, first: int, last: int) -> Case:
    facts: Dict[str, Fact] = {**WHOLE, "Content-Length": str(last - first + 1),
                              "Content-Range": f"bytes {first}-{last}/36"}
    return Case("", f"Range: {value}", message("GET", "/files/text.txt", f"Range: {value}"), 206,
                False, facts, FILE[first : last + 1])


def _beyond(value: str) -> Case:
    return Case("", f"Range: {value}", message("GET", "/files/text.txt", f"Range: {value}"), 416,
                False, {"Content-Range": "bytes */36"})


def _same(name: str, *fields: str, method: str = "GET") -> Case:
    return Case("", name, message(method, "/files/text.txt", *fields), 304, False, SAME, b"", method)


FILES = _in("files", [
    _file("a file"),
    _file("HEAD", method="HEAD", body=b""),
    _file("HEAD with a Range", "Range: bytes=0-1", method="HEAD", body=b""),
    Case("", "a folder", message("GET", "/files/folder/"), 200, False, {}, PAGE),
    Case("", "a folder without its slash", message("GET", "/files/folder"), 301, False,
         {"Location": "/files/folder/"}),
    Case("", "a folder of another spelling", message("GET", "/files/f%6flder"), 301, False,
         {"Location": "/files/f%6flder/"}),
    Case("", "an escaped name", message("GET", "/files/a%20file.txt"), 200, False, {}, b"spaced\n"),
    Case("", "an empty file", message("GET", "/files/empty.txt"), 200, False,
         {"Content-Length": "0"}, b""),
    Case("", "POST", message("POST", "/files/text.txt", "Content-Length: 0"), 405, False,
         {"Allow": ALLOW_GET}),
    _part("bytes=0-0", 0, 0),
    _part("bytes=30-", 30, 35),
    _part("bytes=-10", 26, 35),
    _part("bytes=35-99999999999999999999999", 35, 35),
    _beyond("bytes=36-"),
    _beyond("bytes=-0"),
    *[_file(f"Range: {value}", f"Range: {value}")
      for value in ["bytes=0-1,5-6", "bytes=5-4", "bytes=-", "lines=0-1", "bytes=+1-2"]],
    _file("two Range fields", "Range: bytes=0-0", "Range: bytes=1-1"),
    _file("If-Range of another time", "Range: bytes=0-0", "If-Range: Sun, 06 Nov 1994 08:49:36 GMT"),
    _same("not modified", f"If-Modified-Since: {MODIFIED_TEXT}"),
    _same("not modified, HEAD", f"If-Modified-Since: {MODIFIED_TEXT}", method="HEAD"),
    _same("not modified, RFC 850's form", "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"),
    _same("not modified, asctime's form", "If-Modified-Since: Sun Nov  6 08:49:37 1994"),
    _same("any tag", "If-None-Match: *"),
    _same("a tag before a date", "If-None-Match: *", "If-Modified-Since: Sun Nov  6 08:49:36 1994"),
    _file("another tag before a date", 'If-None-Match: "x"', f"If-Modified-Since: {MODIFIED_TEXT}"),
    _file("an invalid date", "If-Modified-Since: Sun, 31 Feb 1994 08:49:37 GMT"),
    Case("", "another tag is wanted", message("GET", "/files/text.txt", 'If-Match: "x"'), 412, False),
    *[
        Case("", path, message("GET", f"/files/{path}"), (400, 404), False)
        for path in ["%00", "text.txt%00", "%zz", "text.txt%2", "../secret", "%2e%2e%2fsecret",
                     "..%2fsecret", "%252e%252e%252fsecret", "//text.txt", "./text.txt",
                     "folder/../text.txt", ".hidden", "outside", "outside-folder/secret", "pipe",
                     "bare/", "%5c..%5csecret", "%2fetc%2fpasswd", "text.txt/", "text.txt%0d%0a"]
    ],
])

CASES: Tuple[Case, ...] = tuple(
    ROUTES + QUERIES + METHODS + REQUEST_LINE + TARGETS + FIELDS + HOST + LENGTH + CODING + CHUNKS
    + PERSISTENCE + OLD + EXPECT + FILES
)
GROUPS: Tuple[str, ...] = tuple(dict.fromkeys(c.group for c in CASES))
assert len({str(c) for c in CASES}) == len(CASES), "two rows of one name"
