# SPDX-License-Identifier: MIT
"""Whether the connection stays: Connection, HTTP/1.0, and a body that is waited for (Expect)."""

import re

from support.client import chunked, message

from .case import ALLOW_GET, HELLO, MAX_BODY, Case, good, hello, in_group, raw, refused

PERSISTENCE = in_group("Connection", [
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

OLD = in_group("HTTP/1.0", [
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

EXPECT = in_group("Expect", [
    Case("", "body already there", message("POST", "/echo", "Expect: 100-continue",
         "Content-Length: 5", body=b"hello"), 200, None, {}, b"hello", "POST", continues=True),
    Case("", "body already there, any case", message("POST", "/echo", "Expect: 100-Continue",
         "Content-Length: 5", body=b"hello"), 200, None, {}, b"hello", "POST", continues=True),
    good("no body", hello("Expect: 100-continue"), None),
    Case("", "body already there, chunked", message("POST", "/echo", "Expect: 100-continue",
         "Transfer-Encoding: chunked", body=chunked(b"hello")), 200, None, {}, b"hello", "POST",
         continues=True),
    Case("", "twice", message("POST", "/echo", "Expect: 100-continue, 100-continue",
         "Content-Length: 5", body=b"hello"), 200, None, {}, b"hello", "POST", continues=True),
    Case("", "twice, two fields", message("POST", "/echo", "Expect: 100-continue",
         "Expect: 100-Continue ,", "Content-Length: 5", body=b"hello"), 200, None, {}, b"hello",
         "POST", continues=True),
    refused("other expectation, with a body", message("POST", "/echo", "Expect: 100-continue, x",
                                                      "Content-Length: 5", body=b"hello"), 417),
    refused("empty", hello("Expect:"), 417),
    Case("", "other expectation", message("GET", "/hello", "Expect: miracles"), 417),
    refused("body too large", message("POST", "/echo", "Expect: 100-continue",
                                      f"Content-Length: {MAX_BODY + 1}"), 413),
    Case("", "refused before the body is read", message("POST", "/hello", "Expect: 100-continue",
         "Content-Length: 5"), 405, True, {"Allow": ALLOW_GET}),
])
