# SPDX-License-Identifier: MIT
"""How long a body is: Content-Length, Transfer-Encoding, and the chunks."""

from support.client import chunked, message

from .case import MAX_BODY, Case, chunked_echo, echo, good, hello, in_group, raw, refused


def _bad_chunks(name: str, framed: bytes, aborts: bool = False) -> Case:
    request = message("POST", "/echo", "Transfer-Encoding: chunked", body=framed)
    return Case("", name, request, 400, True, method="POST", aborts=aborts)


LENGTH = in_group("Content-Length", [
    echo("none of it", b""),
    echo("a byte", b"x"),
    echo("every byte there is", bytes(range(256))),
    echo("looks like a request", hello()),
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

CODING = in_group("Transfer-Encoding", [
    chunked_echo("chunked", chunked(b"hello"), b"hello"),
    chunked_echo("any case", chunked(b"hello"), b"hello", "ChUnKeD"),
    chunked_echo("white space around it", chunked(b"hello"), b"hello", " \tchunked\t "),
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

CHUNKS = in_group("chunks", [
    chunked_echo("none", b"0\r\n\r\n", b""),
    chunked_echo("a byte", chunked(b"x"), b"x"),
    chunked_echo("three", chunked(b"he", b"l", b"lo"), b"hello"),
    chunked_echo("every byte there is", chunked(bytes(range(256))), bytes(range(256))),
    chunked_echo("CRLF as data", chunked(b"\r\n", b"0\r\n\r\n"), b"\r\n0\r\n\r\n"),
    chunked_echo("hexadecimal, both cases", b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
                  b"01234567890123456789a"),
    chunked_echo("leading zeros", b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    chunked_echo("extension", b"5;a\r\nhello\r\n0\r\n\r\n", b"hello"),
    chunked_echo("extension with a value", b"5;a=b;c=d\r\nhello\r\n0;e=f\r\n\r\n", b"hello"),
    chunked_echo("extension, quoted", b'5;a="b; c\\"d"\r\nhello\r\n0\r\n\r\n', b"hello"),
    chunked_echo("trailer", chunked(b"hello", trailers=b"A: b\r\n"), b"hello"),
    chunked_echo("trailers that look like framing", chunked(
        b"hello", trailers=b"Content-Length: 99\r\nTransfer-Encoding: gzip\r\nHost: y\r\n"),
        b"hello"),
    Case("", "trailers are no fields", message(
        "POST", "/echo", "Transfer-Encoding: chunked",
        body=chunked(b"hello", trailers=b"Connection: close\r\nContent-Type: text/x-evil\r\n")),
        200, False, {"Content-Type": "application/octet-stream", "Connection": None}, b"hello",
        "POST"),
    chunked_echo("white space in an extension", b'5;a = "b" ; c\r\nhello\r\n0\r\n\r\n', b"hello"),
    _bad_chunks("extension without a name", b"5;\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("extension without a value", b"5;a=\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("extension, its quotes not closed", b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    _bad_chunks("CR LF in a quoted extension", b'5;a="b\r\n"\r\nhello\r\n0\r\n\r\n'),
    chunked_echo("white space before an extension", b"5 \t;a\r\nhello\r\n0 ;b=c\r\n\r\n", b"hello"),
    _bad_chunks("white space before what is no extension", b"5 a\r\nhello\r\n0\r\n\r\n"),
    _bad_chunks("white space before a second size", b"5 5\r\nhello\r\n0\r\n\r\n"),
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
    _bad_chunks("data longer than announced, later", chunked(b"a" * 3000, b"b" * 3000)[:-5]
                + b"5\r\nhello!\r\n0\r\n\r\n", aborts=True),
    _bad_chunks("bad size behind more than an answer's buffer takes",
                b"2fff\r\n" + b"a" * 0x2fff + b"\r\n-1\r\n\r\n", aborts=True),
    Case("", "too large, later", message("POST", "/echo", "Transfer-Encoding: chunked",
         body=b"5\r\nhello\r\nffffffff\r\nhello"), 413, True, method="POST", aborts=True),
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
