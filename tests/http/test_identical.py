# SPDX-License-Identifier: MIT
"""Every configuration answers with the same bytes, Date and the worker's own facts apart."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, Iterator

import pytest

from support.client import chunked, message
from support.configurations import CONFIGURATIONS, supported
from support.server import Server, SharedServer
from support.site import MODIFIED_TEXT

CLOSE = "Connection: close"


def _get(target: str, *fields: str) -> bytes:
    return message("GET", target, *fields, CLOSE)


REQUESTS: Dict[str, bytes] = {
    "index": _get("/", "Accept: text/html"),
    "hello": _get("/hello"),
    "hello, kept alive": message("GET", "/hello") + _get("/hello"),
    "hello, HTTP/1.0": b"GET /hello HTTP/1.0\r\n\r\n",
    "hello, HTTP/1.0 kept alive": (
        b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n"
    ),
    "hello, HEAD": message("HEAD", "/hello", CLOSE),
    "json": _get("/json"),
    "cpu": _get("/cpu?n=50"),
    "sleep": _get("/sleep?ms=5"),
    "block": _get("/block?ms=5"),
    "block, offloaded": _get("/block?ms=5&offload=1"),
    "mix": _get("/mix?cpu=10&wait=1&rounds=2"),
    "fanout": _get("/fanout?n=3&ms=2"),
    "stream": _get("/stream?chunks=4&ms=2&size=50"),
    "stream, HTTP/1.0": b"GET /stream?chunks=4&ms=2&size=50 HTTP/1.0\r\n\r\n",
    "stream, HEAD": message("HEAD", "/stream?chunks=4&ms=2&size=50", CLOSE),
    "echo": message("POST", "/echo", "Content-Type: a/b", "Content-Length: 5", CLOSE, body=b"hello"),
    "echo, chunked": message("POST", "/echo", "Transfer-Encoding: chunked", CLOSE,
                             body=chunked(b"hello", b"there")),
    "echo, continued": message("POST", "/echo", "Expect: 100-continue", "Content-Length: 5", CLOSE,
                               body=b"hello"),
    "whoami": _get("/whoami"),
    "status": _get("/status"),
    "healthz": _get("/healthz"),
    "readyz": _get("/readyz"),
    "file": _get("/files/text.txt"),
    "file, big": _get("/files/big.bin"),
    "file, HEAD": message("HEAD", "/files/text.txt", CLOSE),
    "file, range": _get("/files/text.txt", "Range: bytes=3-7"),
    "file, last bytes": _get("/files/text.txt", "Range: bytes=-7"),
    "file, bad range": _get("/files/text.txt", "Range: bytes=100-"),
    "file, not modified": _get("/files/text.txt", f"If-Modified-Since: {MODIFIED_TEXT}"),
    "file, index": _get("/files/folder/"),
    "file, missing": _get("/files/nothing"),
    "options": message("OPTIONS", "/hello", CLOSE),
    "options of the server": message("OPTIONS", "*", CLOSE),
    "bad query": _get("/cpu?n=0"),
    "bad query name": _get("/sleep?seconds=1"),
    "unknown route": _get("/nothing"),
    "wrong method": message("POST", "/hello", "Content-Length: 0", CLOSE),
    "unknown method": message("BREW", "/hello", CLOSE),
    "bad request line": b"GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "no Host": b"GET /hello HTTP/1.1\r\n\r\n",
    "bad version": b"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n",
    "bad framing": message("POST", "/echo", "Content-Length: 1", "Transfer-Encoding: chunked"),
    "bad chunk": message("POST", "/echo", "Transfer-Encoding: chunked", body=b"x\r\n"),
    "body too large": message("POST", "/echo", "Content-Length: 99999999"),
    "target too long": _get("/" + "a" * 9000),
    "head too large": _get("/hello", *["A: b"] * 200),
    "unmet expectation": _get("/hello", "Expect: miracles", CLOSE),
    "a pipeline": b"".join(message("GET", t) for t in ["/hello", "/json", "/nothing", "/cpu?n=7"])
    + _get("/sleep?ms=1"),
}

# What a route says of its worker, or of settings that differ: blanked out.
_NUMBER = r"-?[0-9]+(\.[0-9]+)?"
_OWN: Dict[str, Dict[str, str]] = {
    "whoami": {
        r'"model":"[a-z]+"': '"model":M',
        rf'"(pid|tid|worker|context|requests)":{_NUMBER}': r'"\1":N',
    },
    "status": {
        r'"model":"[a-z]+"': '"model":M',
        r'"(workers|listen|dispatch|pool|accept|gil|max-connections)":"[^"]*"': r'"\1":V',
        rf'"([a-z0-9_]+)":{_NUMBER}': r'"\1":N',
        r'(?s)"workers":\[.*\]': '"workers":L',
    },
    "fanout": {r"(ms: ).*": r"\1HOW"},
}


def normalised(name: str, data: bytes, server: Server) -> str:
    """What came back, without what may differ between models."""
    text = data.decode("latin-1")
    text = re.sub(r"\r\nDate: [^\r]*", "\r\nDate: D", text)
    own = _OWN.get(name, {})
    for pattern, blank in own.items():
        text = re.sub(pattern, blank, text)
    if name == "index":
        # Most of the page is about the model and its settings; the routes are the same.
        head, page = text.replace(server.listen, "LISTEN").split("\r\n\r\n", 1)
        assert server.configuration.model in page
        routes = [line for line in page.splitlines() if "href=" in line]
        assert len(routes) > 10
        text = "\n".join([head, *routes])
    if own or name == "index":
        text = re.sub(r"\r\nContent-Length: [0-9]+", "\r\nContent-Length: N", text)
    return text


@pytest.fixture(scope="module")
def shared_servers(site: Path) -> Iterator[Dict[str, SharedServer]]:
    shared = {c.name: SharedServer(c, f"--root={site}") for c in CONFIGURATIONS if supported(c)}
    yield shared
    for server in shared.values():
        server.stop()


@pytest.fixture
def servers(shared_servers: Dict[str, SharedServer]) -> Dict[str, Server]:
    return {name: shared.running() for name, shared in shared_servers.items()}


@pytest.mark.parametrize("name", REQUESTS)
def test_identical(servers: Dict[str, Server], name: str) -> None:
    def answer(server: Server) -> str:
        with server.connect() as connection:
            connection.send(REQUESTS[name])
            return normalised(name, connection.read_to_end(), server)

    with ThreadPoolExecutor(len(servers)) as pool:
        answers = dict(zip(servers, pool.map(answer, servers.values())))
    reference = answers["coro"]
    assert reference.startswith("HTTP/1.1 ")
    for configuration, text in answers.items():
        assert text == reference, configuration
