# SPDX-License-Identifier: MIT
"""What each route answers, to each method, and with a query that it does not take."""

import re

from support.client import message

from .case import (
    ALLOW_ALL, ALLOW_GET, ALLOW_POST, MAX_HEADER, TEXT, Case, echo, good, hello, in_group, raw,
    refused,
)


BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def _query(target: str) -> Case:
    """A query that no route takes: 400 with a reason of one line."""
    return Case("", target, message("GET", target), 400, False, {"Content-Type": TEXT},
                re.compile(rb"[ -~]+\n"))


ROUTES = in_group("routes", [
    good("hello", hello()),
    Case("", "json", message("GET", "/json"), 200, False,
         {"Content-Type": "application/json", "Content-Length": "27"},
         b'{"message":"Hello, World!"}'),
    Case("", "index", message("GET", "/"), 200, False, {"Content-Type": TEXT, "Vary": "Accept"},
         re.compile(rb"(?s)(?=.*/hello\n)(?=.*/fanout)(?=.*/whoami)[^<>]*")),
    Case("", "index for curl", message("GET", "/", "Accept: */*"), 200, False,
         {"Content-Type": TEXT, "Vary": "Accept"}, re.compile(rb"(?s)[^<>]*")),
    Case("", "index for a browser", message("GET", "/", BROWSER), 200, False,
         {"Content-Type": re.compile("text/html.*"), "Vary": "Accept"},
         re.compile(rb"(?s)<!DOCTYPE html>(?=.*/hello)(?=.*/fanout)(?=.*/whoami).*</html>\n")),
    Case("", "index for a browser, HEAD", message("HEAD", "/", BROWSER), 200, False,
         {"Content-Type": re.compile("text/html.*"), "Vary": "Accept"}, b"", "HEAD"),
    Case("", "index, HEAD", message("HEAD", "/"), 200, False,
         {"Content-Type": TEXT, "Vary": "Accept"}, b"", "HEAD"),
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
    echo("echo", b"hello", "Content-Type: text/x-test"),
    Case("", "echo's content type", message("POST", "/echo", "Content-Type: text/x-test; a=b",
         "Content-Length: 1", body=b"x"), 200, False, {"Content-Type": "text/x-test; a=b"}, b"x"),
    good("hello, escaped", message("GET", "/%68ello")),
    good("hello, escaped altogether", message("GET", "/%68%65%6C%6c%6f")),
    good("hello, escaped, in absolute form", message("GET", "http://a/hell%6F")),
    Case("", "an escaped slash", message("GET", "/%2Fhello"), 404, False),
    Case("", "an escaped slash for the first", message("GET", "%2Fhello"), 400),
    Case("", "escaped once more", message("GET", "/%2568ello"), 404, False),
    Case("", "an escaped end", message("GET", "/hello%00"), 404, False),
    Case("", "sleep, escaped", message("GET", "/sleep?ms=%33"), 200, False, {}, b"slept 3\n"),
    Case("", "sleep, all of it escaped", message("GET", "/sl%65ep?%6D%73=%30%33"), 200, False, {},
         b"slept 3\n"),
    Case("", "unknown route", message("GET", "/nothing"), 404, False, {"Content-Type": TEXT}),
    Case("", "a route's name with more behind it", message("GET", "/hellox"), 404, False),
    Case("", "a route's name with a slash", message("GET", "/hello/"), 404, False),
    Case("", "case of a path", message("GET", "/Hello"), 404, False),
    Case("", "unknown route, POST", message("POST", "/nothing", "Content-Length: 0"), 404, False),
])

QUERIES = in_group("queries", [
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
    _query("/sleep?ms=%2B1"),
    _query("/sleep?ms=1%00"),
    _query("/sleep?ms=%2531"),
    _query("/sleep?ms%3D1"),
    _query("/sleep?ms=1&%6ds=1"),
    _query("/sleep?ms=1|2"),
    _query("/sleep?%zz=1"),
    _query("/stream?chunks=100000&ms=11"),
    _query("/stream?chunks=17&ms=60000"),
    Case("", "the longest stream", message("HEAD", "/stream?chunks=100000&ms=10"), 200, False,
         {}, b"", "HEAD"),
])

METHODS = in_group("methods", [
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
    *[
        Case("", f"{method} of the server", message(method, "*"), 405, False, {"Allow": ALLOW_ALL})
        for method in ["M-SEARCH", "PUT", "TRACE", "PROPFIND", "NOTIFY"]
    ],
    *[
        Case("", f"{method}", message(method, "/hello"), 405, False, {"Allow": ALLOW_GET})
        for method in ["M-SEARCH", "PROPFIND", "MKCALENDAR", "PURGE", "REPORT", "LINK"]
    ],
    Case("", "unknown method of the server", message("BREW", "*"), 501, False),
    Case("", "unknown method, https", message("BREW", "https://a/"), (421, 501), False),
    Case("", "unknown method, long", message("A" * 1000, "/hello"), 501, False),
    Case("", "unknown method, as long as may be", message("A" * (MAX_HEADER - 40), "/hello"), 501,
         False),
    refused("unknown method, longer than a head", message("A" * MAX_HEADER, "/hello"), 501),
    refused("unknown method, far longer", message("A" * 8 * MAX_HEADER, "/hello"), 501),
    refused("unknown method, far longer, an empty line before it",
            b"\r\n" + message("A" * 2 * MAX_HEADER, "/hello"), 501),
    refused("a target longer than a head of a known method",
            message("OPTIONS", "/" + "a" * 2 * MAX_HEADER), 414),
    refused("long method that is no token", message("A" * 1000 + "(", "/hello")),
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
