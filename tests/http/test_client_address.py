# SPDX-License-Identifier: MIT
"""The client's address, on /whoami and in the access log: X-Forwarded-For of trusted proxies alone."""

import json
import signal
from pathlib import Path
from typing import Iterable

import pytest

from support.client import Connection
from support.configurations import only
from support.server import Launcher
from support.waiting import eventually

MODELS = ("prefork", "threads", "coro", "stealing")
TRUSTING = "--trusted-proxies=127.0.0.1,10.0.0.0/8"


def _client(connection: Connection, *forwarded: str) -> str:
    answer = connection.get("/whoami", *(f"X-Forwarded-For: {value}" for value in forwarded))
    return str(json.loads(answer.text)["client"])


def _logged(log: Path, count: int) -> Iterable[str]:
    lines = eventually("lines", lambda: log.read_text().splitlines(), lambda found: len(found) >= count)
    return [line.split(" ")[0] for line in lines]


@only(*MODELS)
def test_of_a_trusted_proxy(launch: Launcher, tmp_path: Path) -> None:
    """On one connection, as a proxy keeps it: each request has a client of its own."""
    log = tmp_path / "access.log"
    server = launch(TRUSTING, f"--access-log={log}")
    rows = [
        ((), "127.0.0.1"),
        (("192.0.2.1",), "192.0.2.1"),
        (("2001:db8::1",), "2001:db8::1"),
        (("198.51.100.9, 192.0.2.1, 10.1.2.3",), "192.0.2.1"),
        (("198.51.100.9", "192.0.2.1:80", "10.1.2.3"), "192.0.2.1"),
        (("192.0.2.1, unknown",), "127.0.0.1"),
        ((), "127.0.0.1"),
    ]
    with server.connect() as connection:
        for forwarded, client in rows:
            assert _client(connection, *forwarded) == client
    assert _logged(log, len(rows)) == [client for _, client in rows]


@only(*MODELS)
@pytest.mark.parametrize("options", [(), ("--trusted-proxies=127.0.0.2,unix,::/0",)], ids=["none", "others"])
def test_of_anybody_else(launch: Launcher, tmp_path: Path, options: "tuple[str, ...]") -> None:
    log = tmp_path / "access.log"
    server = launch(*options, f"--access-log={log}")
    with server.connect() as connection:
        assert _client(connection, "192.0.2.1") == "127.0.0.1"
    assert _logged(log, 1) == ["127.0.0.1"]


@only(*MODELS)
@pytest.mark.parametrize("trusted, client", [("unix", "192.0.2.1"), ("127.0.0.1", "unix:")])
def test_over_a_unix_socket(launch: Launcher, tmp_path: Path, trusted: str, client: str) -> None:
    server = launch(f"--trusted-proxies={trusted}", listen=f"unix:{tmp_path}/socket")
    with server.connect() as connection:
        assert _client(connection, "192.0.2.1") == client


@only(*MODELS)
def test_a_refused_head_is_the_proxys(launch: Launcher, tmp_path: Path) -> None:
    """What it names its client is not read of a head that is not well formed."""
    log = tmp_path / "access.log"
    server = launch(TRUSTING, f"--access-log={log}")
    with server.connect() as connection:
        connection.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nno colon\r\n\r\n")
        assert connection.read_response().status == 400
    assert _logged(log, 1) == ["127.0.0.1"]


@only(*MODELS)
def test_a_reload_changes_whom_it_trusts(launch: Launcher, tmp_path: Path) -> None:
    file = tmp_path / "server.conf"
    file.write_text("")
    server = launch(f"--config={file}")

    def asked() -> str:
        with server.connect() as connection:
            return _client(connection, "192.0.2.1")

    assert asked() == "127.0.0.1"
    file.write_text("trusted-proxies = 127.0.0.0/8\n")
    server.signal(signal.SIGHUP)
    eventually("the new workers answer", asked, lambda client: client == "192.0.2.1")
