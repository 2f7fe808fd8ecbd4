# SPDX-License-Identifier: MIT
"""What is taken from the pool: for a request, or for a connection."""

import json
import os
import re
import socket
import time
from pathlib import Path
from typing import Any, Dict, List

from support.client import message, parse
from support.configurations import NONE_CONNECTION, POOL, only, per_request
from support.load import Load, crowd, disperse
from support.server import Launcher, Server
from support.waiting import eventually
from support.variant import patience


@only("prefork", "threads", "coro", "stealing")
def test_more_connections_than_workers(server: Server) -> None:
    """256 keep-alive connections on 8 workers: every one is served, none waits a second."""
    with Load(server.address, 256, pause=0.005) as load:
        eventually("each has had its answers", lambda: min(c.answers for c in load.clients) > 100, within=60)
    assert not load.failures
    assert load.longest < patience(1)


@only("prefork", "threads")
def test_newcomers_are_let_in_while_the_house_is_full(server: Server) -> None:
    """Those who are in ask again at once, and all workers wait for something: each of twelve
    times as many clients still has its share, the last to come included."""
    with Load(server.address, 12 * POOL, message("GET", "/sleep?ms=20"), pause=0.001) as load:
        time.sleep(patience(3))  # the length of the trial
    assert not load.failures
    share = load.answers / len(load.clients)
    assert share / 2 < min(client.answers for client in load.clients)
    assert max(client.answers for client in load.clients) < share * 2


ONCE = message("GET", "/hello", "Connection: close")


def _all_answered(newcomers: List[socket.socket]) -> None:
    for newcomer in newcomers:
        newcomer.settimeout(patience(60))
        assert newcomer.recv(65536).startswith(b"HTTP/1.1 200 ")


@only("prefork", "threads")
def test_a_crowd_of_newcomers_waits_a_few_rounds(server: Server) -> None:
    """Ten times as many as are in: all that wait are let in when one is."""
    request = message("GET", "/sleep?ms=3")
    with Load(server.address, 300, request, pause=0.001) as load:
        eventually("all are in", lambda: min(c.answers for c in load.clients) > 0)
        before = load.answers
        newcomers = crowd(server.address, 3000, request)
        try:
            _all_answered(newcomers)
            rounds = (load.answers - before) / len(load.clients)
        finally:
            disperse(newcomers)
    assert not load.failures
    # A round in which they come, one in which the last is let in, and one to the end of the queue.
    assert rounds < 7


@only("prefork", "threads", "coro", "stealing", "coro-2")
def test_a_few_who_compute_for_long_do_not_keep_a_crowd_out(server: Server) -> None:
    hogs = 2 * POOL
    with Load(server.address, hogs, message("GET", "/cpu?n=10000"), pause=0.001) as load:
        eventually("all compute", lambda: min(client.answers for client in load.clients) > 0)
        newcomers = crowd(server.address, 600, ONCE)
        try:
            before = load.answers
            _all_answered(newcomers)
            rounds = (load.answers - before) / hogs
        finally:
            disperse(newcomers)
    assert not load.failures
    assert rounds < 10  # 16 newcomers a round would take 37


def _answers_waiting(connected: socket.socket) -> int:
    connected.setblocking(False)
    count = 0
    while True:
        try:
            data = connected.recv(1 << 20)
        except BlockingIOError:
            return count
        assert data, "closed"
        count += data.count(b"HTTP/1.1 200 ")


@only("prefork", "threads", "coro", "stealing", "coro-2")
def test_pipelines_do_not_keep_newcomers_out(server: Server) -> None:
    """Three times as many as workers, who never wait for an answer before they ask again."""
    asked = 400
    pipelines = crowd(server.address, 3 * POOL, message("GET", "/cpu?n=500") * asked)
    try:
        assert pipelines[-1].recv(1)
        newcomers = crowd(server.address, 150, ONCE)
        try:
            _all_answered(newcomers)
            answered = sum(_answers_waiting(pipeline) for pipeline in pipelines)
        finally:
            disperse(newcomers)
    finally:
        disperse(pipelines)
    assert answered < len(pipelines) * asked / 2


@only("prefork-connection", "threads-connection", *NONE_CONNECTION)
def test_a_connection_takes_its_worker(launch: Launcher) -> None:
    """The textbook variant: as many connections are served as there are workers."""
    server = launch()
    with Load(server.address, 64, pause=0.005) as load:
        eventually("all workers serve", lambda: sum(client.answers > 0 for client in load.clients) >= POOL, within=20)
        time.sleep(1.5)  # the length of the trial
    assert not load.failures
    assert sum(1 for client in load.clients if client.answers > 0) == POOL
    # The others had only to wait: when workers are free again, they serve.
    assert server.get("/hello").status == 200


def _waits(pid: int) -> int:
    """How often the threads of a process have gone to sleep."""
    tasks = Path(f"/proc/{pid}/task").glob("*/status")
    return sum(int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", task.read_text(), re.M)[0])
               for task in tasks)  # fmt: skip


@only("threads-connection")
def test_a_thousand_idle_workers_hardly_wake_the_machine(launch: Launcher) -> None:
    """Each looks now and then whether a connection waits: together about once a millisecond."""
    server = launch("--workers=1000")
    (pid,) = server.worker_pids()
    time.sleep(1.5)  # their first looks, together, are over
    before, began = _waits(pid), time.monotonic()
    time.sleep(4)  # the length of the trial
    waits, took = _waits(pid) - before, time.monotonic() - began
    assert waits / took < 2000


@per_request
def test_idle_connections_take_no_worker(server: Server) -> None:
    idle = crowd(server.address, 300)
    try:
        began = time.monotonic()
        for _ in range(10):
            assert server.get("/hello").status == 200
        assert time.monotonic() - began < patience(2)
    finally:
        disperse(idle)


def _who_sleeps(server: Server, count: int) -> List[Dict[str, Any]]:
    """What /whoami says in each of so many contexts that have just slept side by side."""
    request = message("GET", "/sleep?ms=200") + message("GET", "/whoami", "Connection: close")
    opened = crowd(server.address, count, request)
    try:
        return [_whoami(connected) for connected in opened]
    finally:
        disperse(opened)


def _whoami(connected: socket.socket) -> Dict[str, Any]:
    data = bytearray()
    while True:
        received = connected.recv(65536)
        assert received, f"closed after {bytes(data)!r}"
        data += received
        slept = parse(data, "GET", False)
        if slept is not None:
            answer = parse(data, "GET", False, slept[1])
            if answer is not None:
                who: Dict[str, Any] = json.loads(answer[0].text)
                return who


def _different(facts: List[Dict[str, Any]], *names: str) -> int:
    return len({tuple(fact[name] for name in names) for fact in facts})


@only("prefork", "prefork-connection")
def test_contexts_of_prefork(server: Server) -> None:
    facts = _who_sleeps(server, 2 * POOL)
    assert {fact["pid"] for fact in facts} == set(server.worker_pids())
    assert all(fact["tid"] == fact["pid"] for fact in facts)
    assert _different(facts, "worker", "context") == POOL


@only("threads", "threads-gil", "threads-connection")
def test_contexts_of_threads(server: Server) -> None:
    facts = _who_sleeps(server, 2 * POOL)
    assert [facts[0]["pid"]] == server.worker_pids()
    assert _different(facts, "pid") == 1
    assert _different(facts, "tid") == POOL
    assert _different(facts, "worker", "context") == POOL


@only("coro")
def test_contexts_of_coro(server: Server) -> None:
    facts = _who_sleeps(server, 40)
    assert [facts[0]["pid"]] == server.worker_pids()
    assert _different(facts, "pid", "tid", "worker") == 1
    assert _different(facts, "context") == 40


@only("coro-connection")
def test_a_coroutine_stays_with_its_connection(launch: Launcher) -> None:
    """From the first byte to the end, idle or not; the next connection may have it then."""
    server = launch()
    connections = [server.connect() for _ in range(30)]
    try:
        first = [json.loads(c.get("/whoami").text)["context"] for c in connections]
        assert len(set(first)) == len(connections)
        for connection, context in reversed(list(zip(connections, first))):
            assert json.loads(connection.get("/whoami").text)["context"] == context
        assert server.contexts() == len(connections)
    finally:
        for connection in connections:
            connection.close()
    eventually("none is kept", server.contexts, lambda count: count == 0)
    few = 5  # made for those who asked meanwhile
    assert json.loads(server.get("/whoami").text)["context"] <= len(first) + few


@only("coro-2")
def test_contexts_of_two_loops(server: Server) -> None:
    """Both loops serve; how the kernel spreads connections over them is its own affair."""
    facts: List[Dict[str, Any]] = []
    for _ in range(10):
        facts += _who_sleeps(server, 40)
        if _different(facts, "pid") == 2:
            break
    assert {fact["pid"] for fact in facts} == set(server.worker_pids())
    assert all(fact["tid"] == fact["pid"] for fact in facts)
    assert _different(facts, "context") > 2


def test_requests_of_a_worker_are_counted(launch: Launcher) -> None:
    server = launch()
    with server.connect() as connection:
        counts: Dict[int, int] = {}
        for _ in range(50):
            who = json.loads(connection.get("/whoami").text)
            assert who["requests"] >= counts.get(who["worker"], 0)
            counts[who["worker"]] = who["requests"]
    if server.configuration.name in ("prefork-none", "threads-none"):
        assert set(counts.values()) == {0}  # each is new
    else:  # each worker's last answer does not count itself
        assert sum(counts.values()) == 50 - len(counts)


@only("prefork-connection", "threads-connection")
def test_ready_is_said_when_every_worker_can_serve(launch: Launcher) -> None:
    """A descriptor that a worker lacks at that moment it might never get."""
    server = launch()
    sets = 0
    for pid in server.worker_pids():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            sets += os.readlink(descriptor) == "anon_inode:[eventpoll]"
    assert sets == POOL
