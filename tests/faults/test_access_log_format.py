# SPDX-License-Identifier: MIT
"""The access log, field by field: the combined format with duration, worker and model behind."""

import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import List

from support.client import message
from support.configurations import only
from support.server import Launcher, Server
from support.waiting import eventually

COMBINED = re.compile(
    r'(?P<client>\S+) - - \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+)'
    r' "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<seconds>\d+\.\d{6}) w(?P<worker>\d+) (?P<model>\w+)'
)


def test_each_field(launch: Launcher, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    server = launch(f"--access-log={log}")
    before = time.time()
    with server.connect() as connection:
        connection.get("/sleep?ms=30", "Referer: http://a/b?c", "User-Agent: curl/8 (x)")
        connection.get("/hello", method="HEAD")
        connection.request(message("POST", "/echo", "Content-Length: 5", body=b"12345"))
        connection.request(b"GET /hello HTTP/1.0\r\n\r\n")

    def lines() -> List[str]:
        return log.read_text().splitlines()

    slept, head, echo, old = eventually("four lines", lines, lambda found: len(found) >= 4)
    found = COMBINED.fullmatch(slept)
    assert found, slept
    assert found["client"] == "127.0.0.1"
    stamp = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z").astimezone(timezone.utc)
    assert before - 2 < stamp.timestamp() < time.time() + 2
    assert found["request"] == "GET /sleep?ms=30 HTTP/1.1"
    assert (found["status"], found["bytes"]) == ("200", str(len("slept 30\n")))
    assert (found["referer"], found["agent"]) == ("http://a/b?c", "curl/8 (x)")
    assert 0.03 <= float(found["seconds"]) < time.time() - before + 1
    assert int(found["worker"]) < server.workers
    assert found["model"] == server.configuration.model
    for line, request, size in (
        (head, "HEAD /hello HTTP/1.1", 0), (echo, "POST /echo HTTP/1.1", 5), (old, "GET /hello HTTP/1.0", 13),
    ):
        found = COMBINED.fullmatch(line)
        assert found, line
        assert (found["request"], found["status"], found["bytes"]) == (request, "200", str(size))
        assert (found["referer"], found["agent"]) == ("-", "-")


def _lines(log: Path, count: int) -> "List[re.Match[str]]":
    """So many lines, taken apart, once they are there."""
    lines = eventually("lines", lambda: log.read_text().splitlines(), lambda found: len(found) >= count)
    matches = [COMBINED.fullmatch(line) for line in lines]
    assert len(lines) == count and all(matches), lines
    return [match for match in matches if match]


def test_refused_heads(launch: Launcher, tmp_path: Path) -> None:
    """The first line of each is in the log, as far as it came, and nothing of it can harm a terminal."""
    refused = [
        (b"nonsense\r\n\r\n", "400", "nonsense"),
        (b"GET /a b HTTP/1.1\r\n\r\n", "400", "GET /a b HTTP/1.1"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505", "GET / HTTP/2.0"),
        (b"\r\nGET /hello HTTP/1.1\r\nHost : x\r\n\r\n", "400", "GET /hello HTTP/1.1"),
        (b"GET /hello/b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", "GET /hello/b HTTP/1.1"),
        (b'\x16\x03\x01"\\\xff\r\n\r\n', "400", "\\x16\\x03\\x01\\x22\\x5c\\xff"),
        (b"\x00", "400", "\\x00"),
    ]
    server = launch(f"--access-log={tmp_path}/log")
    for sent, _, _ in refused:
        with server.connect() as connection:
            connection.send(sent)
            connection.read_to_end()
    found = {(line["status"], line["request"]) for line in _lines(tmp_path / "log", len(refused))}
    assert found == {(status, first) for _, status, first in refused}


def test_longest_line(launch: Launcher, tmp_path: Path) -> None:
    """It stays within what a pipe takes in one piece."""
    server = launch(f"--access-log={tmp_path}/log")
    with server.connect() as connection:
        connection.get("/" + "%ff" * 2000, "User-Agent: " + "\xff" * 3000, "Referer: " + "\xff" * 3000)
        connection.send(b"GET /" + b"\xff" * 9000 + b" HTTP/1.1\r\n\r\n")
        connection.read_to_end()
    assert [line["request"][:6] for line in _lines(tmp_path / "log", 2)] == ["GET /%", "GET /\\"]
    assert all(len(line) < 4096 for line in (tmp_path / "log").read_text().splitlines())


def test_late_head(launch: Launcher, tmp_path: Path) -> None:
    """A 408 is the worker's that had the head last, whoever sees that its time is over."""
    server = launch(f"--access-log={tmp_path}/log", "--header-timeout=0.3")
    with server.connect() as connection:
        connection.send(b"GET /late")
        connection.read_to_end()
    [line] = _lines(tmp_path / "log", 1)
    assert (line["request"], line["status"], line["client"]) == ("GET /late", "408", "127.0.0.1")
    assert int(line["worker"]) < server.workers
    assert line["model"] == server.configuration.model


def _reset_in_time(server: Server, ms: int) -> bool:
    """Five clients reset in their request. False: so late that some may have been answered."""
    connections = [server.connect() for _ in range(5)]
    end = time.monotonic() + ms / 1000
    for connection in connections:
        connection.send(message("GET", f"/sleep?ms={ms}"))
    eventually("they are under way", lambda: server.contexts() >= 5 or time.monotonic() >= end, within=10)
    for connection in connections:
        connection.reset()
    if time.monotonic() < end:
        return True
    eventually("they have ended", server.contexts, lambda count: count == 0, within=10)
    return False


def test_client_that_resets(launch: Launcher, tmp_path: Path) -> None:
    """It does not keep its address out of the log, nor does the log say that it was sent anything."""
    server = launch(f"--access-log={tmp_path}/log")
    ms = next((ms for ms in (400, 2000, 8000) if _reset_in_time(server, ms)), 0)
    assert ms, "it takes seconds"

    def lines() -> List[str]:
        return [line for line in (tmp_path / "log").read_text().splitlines() if f"/sleep?ms={ms} " in line]

    for line in eventually("lines", lines, lambda found: len(found) == 5, within=10):
        found = COMBINED.fullmatch(line)
        assert found and (found["client"], found["bytes"]) == ("127.0.0.1", "0"), line


def test_client_gone_in_its_request(launch: Launcher, tmp_path: Path) -> None:
    server = launch(f"--access-log={tmp_path}/log")
    with server.connect() as connection:
        connection.send(message("POST", "/echo", "Content-Length: 5"))
    [line] = _lines(tmp_path / "log", 1)
    assert (line["request"], line["status"], line["bytes"]) == ("POST /echo HTTP/1.1", "000", "0")


def test_bytes_are_those_sent(launch: Launcher, tmp_path: Path) -> None:
    """Not those announced, and without the framing of chunks; of a row of answers each its own."""
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 30)
    server = launch(f"--access-log={tmp_path}/log", f"--root={tmp_path}")
    with server.connect() as connection:
        size = len(connection.get("/stream?chunks=3&ms=1&size=100").body)
        connection.send(message("GET", "/hello") * 5)
        assert [connection.read_response().status for _ in range(5)] == [200] * 5
        connection.send(message("GET", "/files/huge"))
        connection.read_bytes(100_000)
    *whole, huge = _lines(tmp_path / "log", 7)
    assert [int(line["bytes"]) for line in whole] == [size, 13, 13, 13, 13, 13]
    assert huge["status"] == "200"
    assert 90_000 < int(huge["bytes"]) < 64 << 20, "no kernel buffers that much"


@only("coro", "threads")
def test_other_families(launch: Launcher, tmp_path: Path) -> None:
    for number, (listen, client) in enumerate((("[::1]:0", "::1"), (f"unix:{tmp_path}/socket", "unix:"))):
        server = launch(f"--access-log={tmp_path}/{number}", listen=listen)
        assert server.get("/hello").status == 200
        assert [line["client"] for line in _lines(tmp_path / str(number), 1)] == [client]
