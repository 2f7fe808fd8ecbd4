# SPDX-License-Identifier: MIT
"""What single routes answer, beyond what a row of the table can say."""

import json
import os
import re
from typing import Any, Dict

import pytest

from judge import date_faults
from support.client import Response, message
from support.server import Launcher, Server
from support.waiting import eventually

# Headers that may differ between two answers of one kind.
VARYING = {"date"}

GET_TARGETS = [
    "/", "/hello", "/json", "/cpu?n=10", "/sleep?ms=1", "/block?ms=1", "/block?ms=1&offload=1",
    "/mix?cpu=5&wait=1&rounds=2", "/fanout?n=2&ms=1", "/stream?chunks=3&ms=1&size=10",
    "/files/text.txt", "/files/folder/", "/files/big.bin", "/files/nothing", "/nothing", "/cpu?n=0",
]


def _facts(response: Response) -> Dict[str, str]:
    return {name.lower(): value for name, value in response.fields if name.lower() not in VARYING}


@pytest.mark.parametrize("target", GET_TARGETS)
def test_head_is_get_without_a_body(server: Server, target: str) -> None:
    with server.connect() as connection:
        got = connection.get(target)
        head = connection.get(target, method="HEAD")
        assert head.status == got.status
        assert _facts(head) == _facts(got)
        assert not date_faults(head)
        # Had a body followed, this would not be an answer.
        assert connection.get("/hello").body == b"Hello, World!"


# Their lengths may differ from one answer to the next.
@pytest.mark.parametrize("target", ["/whoami", "/status", "/metrics"])
def test_head_of_what_varies(server: Server, target: str) -> None:
    with server.connect() as connection:
        got = _facts(connection.get(target))
        head = _facts(connection.get(target, method="HEAD"))
        assert got.pop("content-length") and head.pop("content-length")
        assert head == got
        assert connection.get("/hello").status == 200


def test_cpu_is_a_function_of_n(server: Server) -> None:
    with server.connect() as connection:
        first = connection.get("/cpu?n=100").body
        assert connection.get("/cpu?n=100").body == first
        assert connection.get("/cpu?n=101").body != first
        assert connection.get("/mix?cpu=100&wait=0&rounds=1").status == 200


def test_stream_sends_one_chunk_each(server: Server) -> None:
    with server.connect() as connection:
        answer = connection.get("/stream?chunks=5&ms=1&size=100")
        assert answer.chunks == [100] * 5 + [0]


def test_whoami(server: Server) -> None:
    workers = server.worker_pids()
    with server.connect() as connection:
        who = json.loads(connection.get("/whoami").text)
    assert set(who) >= {"model", "pid", "tid", "worker", "context", "requests", "client"}
    assert who["model"] == server.configuration.model
    if not server.configuration.anew:
        assert who["pid"] in workers
        assert os.path.exists(f"/proc/{who['pid']}/task/{who['tid']}")
    assert 0 <= who["worker"] < server.workers
    assert who["requests"] >= 0
    assert who["client"] == "127.0.0.1"


def test_metrics_count(launch: Launcher) -> None:
    """Twenty more requests are twenty more, and four that are held are in progress."""
    server = launch()

    def metric(name: str) -> int:
        lines = server.get("/metrics").text.splitlines()
        return next(int(line.split()[-1]) for line in lines if line.split()[0] == name)

    assert f'server_info{{model="{server.configuration.model}",' in server.get("/metrics").text
    before = metric("server_requests_total")
    with server.connect() as connection:
        for _ in range(20):
            assert connection.get("/hello").status == 200
    eventually("all are counted", lambda: metric("server_requests_total"), lambda n: n >= before + 20)
    held = [server.connect(15) for _ in range(4)]
    try:
        for connection in held:
            connection.send(message("POST", "/echo", "Content-Length: 2", body=b"a"))
        eventually("they are in progress, and this one", lambda: metric("server_requests_in_progress"),
                   lambda count: count == 5)  # fmt: skip
        assert metric("server_connections") >= 5
        for connection in held:
            connection.send(b"b")
            assert connection.read_response("POST").body == b"ab"
    finally:
        for connection in held:
            connection.close()


def test_status_says_what_runs(server: Server, site: Any) -> None:
    status = server.status()
    assert status["model"] == server.configuration.model
    assert status["uptime_s"] >= 0
    settings = status["settings"]
    assert settings["model"] == server.configuration.model
    assert settings["listen"] == server.listen
    assert settings["workers"] == str(server.workers)
    assert settings["root"] == str(site)
    assert settings["dispatch"] == server.configuration.dispatch
    assert settings["pool"] == ("none" if server.configuration.anew else "before")
    if server.configuration.anew:
        assert 1 <= len(status["workers"]) <= server.workers
    else:
        assert len(status["workers"]) == server.workers
        assert {w["pid"] for w in status["workers"]} <= set(server.worker_pids())


def test_status_counts(server: Server) -> None:
    before = server.status()
    with server.connect() as connection:
        for _ in range(20):
            connection.get("/hello")
        connection.get("/nothing")
        connection.request(message("POST", "/echo", "Content-Length: 5000", body=b"x" * 5000))

    # Counted when the answer has been sent: perhaps a moment after it was read.
    def grown() -> bool:
        now = server.status()
        return bool(
            now["requests"] - before["requests"] >= 23
            and now["responses"]["2xx"] - before["responses"]["2xx"] >= 22
            and now["responses"]["4xx"] - before["responses"]["4xx"] == 1
            and now["bytes"]["in"] - before["bytes"]["in"] > 5000
            and now["bytes"]["out"] - before["bytes"]["out"] > 5000 + 21 * 13
        )

    eventually("the counters have grown as they must", grown)
    status = server.status()
    assert status["requests"] == sum(status["responses"].values())
    if not server.configuration.anew:  # else most have ended
        listed = sum(worker["requests"] for worker in status["workers"])
        assert abs(listed - status["requests"]) <= 1  # this request itself


def test_status_counts_connections(server: Server) -> None:
    eventually("earlier connections are gone", server.open_connections, lambda n: n == 0)
    held = [server.connect() for _ in range(5)]
    try:
        for connection in held:
            connection.get("/hello")
        eventually("five connections", server.open_connections, lambda n: n == 5)
    finally:
        for connection in held:
            connection.close()
    eventually("they are gone", server.open_connections, lambda n: n == 0)


def test_index_says_what_runs(server: Server) -> None:
    with server.connect() as connection:
        text = connection.get("/", "Accept: */*").text
        page = connection.get("/", "Accept: text/html,*/*;q=0.8").text
    unit = server.configuration.dispatch
    until = "that is made for it" if server.configuration.anew else "from a pool until it "
    assert text.startswith(f"This is {server.configuration.model}, ")
    for said in (text, re.sub("</?b>", "", page)):
        assert re.search(rf"Each {unit} is given a (process|thread|coroutine) {until}", said)
    assert server.configuration.model in page
    for route in ["/hello", "/json", "/cpu", "/sleep", "/block", "/mix", "/fanout", "/stream",
                  "/files/", "/echo", "/whoami", "/status", "/metrics", "/healthz",
                  "/readyz"]:
        assert route in page and route in text
    assert 'href="/cpu?n=' in page
    assert "/cpu?n=1000'\n" in text


def test_date_on_every_answer(server: Server) -> None:
    with server.connect() as connection:
        for target in GET_TARGETS:
            assert not date_faults(connection.get(target)), target
