# SPDX-License-Identifier: MIT
"""The access log, field by field: the combined format with duration, worker and model behind."""

import re
import time
from datetime import datetime, timezone
from pathlib import Path

from support.client import message
from support.server import Launcher
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
    with server.connect() as connection:
        connection.send(b"nonsense\r\n\r\n")
        connection.read_to_end()

    def lines() -> "list[str]":
        return log.read_text().splitlines()

    slept, head, echo, old, *rest = eventually("four lines", lines, lambda found: len(found) >= 4)
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
    for line in rest:
        found = COMBINED.fullmatch(line)
        assert found and found["status"] == "400", line
