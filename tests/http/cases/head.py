# SPDX-License-Identifier: MIT
"""The head: its request line, the target in it, the fields, and Host among them."""

import re

from support.client import chunked, message

from .case import ALLOW_ALL, MAX_FIELDS, MAX_HEADER, MAX_TARGET, TEXT, Case, good, hello, in_group, raw, refused

REQUEST_LINE = in_group("request line", [
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

TARGETS = in_group("targets", [
    good("absolute form", message("GET", "http://example.com/hello")),
    good("absolute form with a port", message("GET", "http://example.com:80/hello")),
    good("absolute form, its scheme in capitals", message("GET", "HTTP://example.com/hello")),
    good("absolute form, another Host", message("GET", "http://example.com/hello", host="b:1")),
    refused("absolute form, an invalid Host", message("GET", "http://example.com/hello", host="a b")),
    Case("", "absolute form, https", message("GET", "https://example.com/hello"), 421, False,
         {"Content-Type": TEXT}),
    Case("", "absolute form, https in capitals", message("GET", "HTTPS://example.com:443/hello"),
         421, False),
    Case("", "absolute form, https, its body is read", message(
        "POST", "https://example.com/echo", "Content-Length: 5", body=b"hello"), 421, False),
    Case("", "absolute form, https, HEAD", message("HEAD", "https://example.com/hello"), 421, False,
         {}, b"", "HEAD"),
    refused("absolute form, https with a user", message("GET", "https://user@example.com/hello")),
    Case("", "absolute form without a path, OPTIONS", message("OPTIONS", "http://example.com"), 204,
         False, {"Allow": ALLOW_ALL}, b"", "OPTIONS"),
    refused("absolute form with a user", message("GET", "http://user@example.com/hello")),
    refused("absolute form without an authority", message("GET", "http:///hello")),
    Case("", "absolute form of another scheme", message("GET", "ftp://example.com/hello"), 400),
    Case("", "absolute form without a path", message("GET", "http://example.com"), 200, False,
         {"Content-Type": TEXT}, re.compile(rb"(?s).*curl http://example.com/hello\n.*")),
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
    *[
        refused(f"byte {byte!r} in the query", message("GET", f"/files/text.txt?a{byte}b"))
        for byte in [" ", "#", '"', "<", ">", "\\", "^", "\x00", "\t", "\x7f", "\x80", "\xe9"]
    ],
    *[
        Case("", f"byte {byte!r} in the query, as browsers send it", message(
            "GET", f"/files/text.txt?a{byte}b"), 200, False)
        for byte in ["|", "{", "}", "`", "[", "]", "'", "%", "~", "\x7c?|"]
    ],
    refused("fragment", message("GET", "/hello#top")),
    refused("control byte in the query", message("GET", "/cpu?n=\x02")),
    refused("byte above 127 in the query", message("GET", "/cpu?n=\xe9")),
    Case("", "longest", message("GET", "/" + "a" * (MAX_TARGET - 1)), 404, False),
    refused("a byte too long", message("GET", "/" + "a" * MAX_TARGET), 414),
    refused("far too long", message("GET", "/" + "a" * 12000), 414),
    refused("longer than a head may be", message("GET", "/" + "a" * 2 * MAX_HEADER), 414),
])

FIELDS = in_group("fields", [
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

HOST = in_group("Host", [
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
