# SPDX-License-Identifier: MIT
"""The smallest coroutine stack that is accepted holds every route, good and bad, with what lies behind it."""

from pathlib import Path
from typing import Any, List

import pytest

from support.client import Connection, chunked, message
from support.configurations import only
from support.server import Launcher, Server
from support.variant import VARIANT

pytestmark = [
    only("coro"),
    pytest.mark.skipif(VARIANT != "release", reason="a sanitizer's frames are larger"),
]

ROUTES = (
    "/", "/hello", "/json", "/cpu?n=10", "/sleep?ms=1", "/block?ms=1", "/block?ms=1&offload=1",
    "/mix?cpu=1&wait=1&rounds=2", "/fanout?n=3&ms=1", "/stream?chunks=3&ms=1&size=10000", "/whoami", "/status",
    "/files/small", "/files/large", "/files/folder", "/files/missing", "/files/folder/", "/files/%FF",
    "/db", "/queries?n=500", "/updates?n=500", "/fortunes", "/cache?n=500", "/cache?n=0", "/cpu?n=x", "/" + "%41" * 200,
)


def _ask_everything(server: Server, cache: bool) -> None:
    worker = server.worker_pids()
    for target in ROUTES:
        with Connection(server.address, timeout=20) as client:
            status = client.get(target, "Referer: " + "r" * 2000, "User-Agent: " + "\\" * 2000,
                                "Accept: text/html").status
        assert status < 500 or (target == "/cache?n=500" and not cache), target
    large = b"x" * 3_000_000
    for body, fields in (
        (message("POST", "/echo", f"Content-Length: {len(large)}", body=large), large),
        (message("POST", "/echo", "Transfer-Encoding: chunked", body=chunked(large, trailers=b"A: b\r\n")), large),
    ):
        with Connection(server.address, timeout=20) as client:
            client.send(body)  # all before any of the answer is read: it is read ahead
            assert client.read_response().body == fields
    for broken in (
        message("POST", "/echo", "Transfer-Encoding: chunked", body=b"3\r\nabcX"),
        message("GET", "/hello", "A" * 17_000 + ": b"),
        b"GET /hello HTTP/1.1\r\nHost: x\r\n bad\r\n\r\n",
        b"\x80" * 100 + b"\r\n\r\n",
    ):
        with Connection(server.address, timeout=20) as client:
            client.send(broken)
            client.read_to_end()
    assert server.worker_pids() == worker, "a loop was killed"


def _options(tmp_path: Path, *more: str) -> List[str]:
    (tmp_path / "folder").mkdir()
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "large").write_bytes(b"x" * 5_000_000)
    return [f"--root={tmp_path}", f"--access-log={tmp_path}/log", *more]


def test_with_helper_threads(launch: Launcher, tmp_path: Path, sqlite: str, redis: Any) -> None:
    server = launch(*_options(tmp_path, "--stack-size=16k", f"--db={sqlite}", f"--redis={redis.address}"))
    _ask_everything(server, True)


@pytest.mark.parametrize("stack", ["16k", "64k"])
def test_without_a_cache_or_a_file(launch: Launcher, tmp_path: Path, stack: str) -> None:
    """A file that has to be made, a cache that refuses; with 64k without helper threads."""
    inline = ["--no-offload"] if stack == "64k" else []
    server = launch(*_options(tmp_path, f"--stack-size={stack}", f"--db=sqlite:{tmp_path}/new.sqlite",
                              f"--redis=unix:{tmp_path}/nobody", *inline))
    _ask_everything(server, False)


def test_without_helper_threads(launch: Launcher, tmp_path: Path, sqlite: str, redis: Any) -> None:
    server = launch(*_options(tmp_path, "--stack-size=64k", f"--db={sqlite}", f"--redis={redis.address}", "--no-offload"))
    _ask_everything(server, True)


def test_with_postgresql(launch: Launcher, tmp_path: Path, postgres: Any, redis: Any) -> None:
    server = launch(*_options(tmp_path, "--stack-size=32k", f"--db={postgres.uri}", f"--redis={redis.address}"))
    _ask_everything(server, True)
