# SPDX-License-Identifier: MIT
"""Running out of descriptors, of memory, of coroutines: the server waits, says so, and goes on.

Neither may it spin meanwhile, nor die, nor answer anybody wrongly.
"""

import os
import re
import resource
import select
import time
from pathlib import Path
from typing import List

import pytest

from support import processes
from support.checked import Checked
from support.client import Connection, message
from support.configurations import NAMES, only, per_request
from support.load import crowd, disperse
from support.rounds import repeat
from support.server import Launcher, Server
from support.tracing import can_trace
from support.variant import VARIANT, patience
from support.waiting import eventually

CLIENTS = 200
SPIN = 0.05  # of a core, while there is nothing to do but wait
WATCHED = 2.0  # seconds; a clock tick of CPU time is 0.01 s
release_only = pytest.mark.skipif(VARIANT != "release", reason="a sanitizer needs the memory itself")


def _processes(server: Server) -> List[int]:
    return [server.pid, *server.worker_pids()]


def _complaints(server: Server) -> List[str]:
    return [line for line in server.lines if line.startswith("warning") and ": " in line]


def _limit(server: Server, what: int, soft: int) -> None:
    """Sets a soft limit of every process of the server, of the master last: it makes the others."""
    for pid in reversed(_processes(server)):
        _, hard = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (hard if soft < 0 else soft, hard))


def _limit_descriptors(server: Server) -> None:
    """No process of the server gets a descriptor higher than those it has."""
    for pid in reversed(_processes(server)):
        highest = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, hard))


def _watch(server: Server) -> float:
    """The share of a core that the server uses while nothing happens."""
    used, began = server.cpu(), time.monotonic()
    time.sleep(WATCHED)
    return (server.cpu() - used) / (time.monotonic() - began)


def _serves(connections: List[Connection]) -> None:
    for connection in connections:
        assert connection.get("/hello").body == b"Hello, World!"


def test_more_clients_than_descriptors(launch: Launcher) -> None:
    """64 descriptors, 200 clients in the middle of a request: those connected are served, in the end
    all; who asks for nothing makes room for those who wait."""
    server = launch(prefix=["prlimit", "--nofile=64:64"], expected=["."])
    clients = [server.connect(20) for _ in range(CLIENTS)]
    try:
        first, others = clients[:2], clients[2:]
        _serves(first)
        for client in others:
            client.send(b"GET /hello HTTP/1.1\r\n")
        assert _watch(server) < SPIN, "the server spins"
        assert len(server.lines) < 2 + 2 * (2 + WATCHED), server.lines
        if server.configuration.per_connection:
            _serves(first)  # their workers are theirs, and what is short is workers
        else:
            assert [client.read_to_end() for client in first] == [b"", b""]
        for client in others:
            client.send(b"Host: x\r\nConnection: close\r\n\r\n")
        for client in others:
            assert client.read_response().body == b"Hello, World!"
            client.close()
    finally:
        for client in clients:
            client.close()
    assert server.get("/hello").status == 200


def _starve(server: Server) -> float:
    """Takes away all descriptors for a while, from a server with three clients and 200 more to come.

    Returns the share of a core that was used meanwhile.
    """
    connected = [server.connect(20) for _ in range(3)]
    late: List[Connection] = []
    try:
        _serves(connected)
        _limit_descriptors(server)
        said, began = len(_complaints(server)), time.monotonic()
        late = [server.connect(20) for _ in range(CLIENTS)]
        for client in late:
            client.send(message("GET", "/hello", "Connection: close"))
        eventually("the log says so", lambda: len(_complaints(server)) > said)
        share = _watch(server)
        _serves(connected)
        complaints = _complaints(server)[said:]
        assert all("Too many open files" in line for line in complaints), complaints
        assert len(complaints) <= 1 + (time.monotonic() - began), "more than once a second"
        assert server.process.poll() is None
        _limit(server, resource.RLIMIT_NOFILE, -1)
        limit = time.monotonic() + patience(15)
        for client in late:
            assert client.read_response().body == b"Hello, World!"
            client.close()
        assert time.monotonic() < limit
        _serves(connected)
    finally:
        _limit(server, resource.RLIMIT_NOFILE, -1)
        for client in connected + late:
            client.close()
    return share


def test_no_descriptor_to_be_had(launch: Launcher) -> None:
    """EMFILE at the first accept: connected clients are served, the rest when there is room."""
    server = launch(expected=["Too many open files"])
    workers = server.wait_for_workers()
    assert _starve(server) < SPIN, "the server spins"
    assert server.worker_pids() == workers, "a worker died of it"


def test_no_descriptor_for_a_new_database(launch: Launcher, tmp_path: Path) -> None:
    """SQLite's file cannot be made now, which waiting mends: 503 with Retry-After, and 200 after."""
    server = launch(f"--db=sqlite:{tmp_path}/new")
    with server.connect(20) as connection:
        _serves([connection])
        _limit_descriptors(server)
        answer = connection.get("/db")
        _limit(server, resource.RLIMIT_NOFILE, -1)
        if server.configuration.forks:  # the new process has room where others' connections were
            assert answer.status == 200
            return
        assert (answer.status, answer.field("Retry-After") is None) == (503, False), server.lines
        eventually("it is made", lambda: connection.get("/db").status, lambda status: status == 200)



@per_request
def test_descriptors_run_out_under_load(launch: Launcher) -> None:
    """Again and again, with clients that check their answers; nothing is left behind."""
    server = launch(expected=["Too many open files"])
    workers = server.wait_for_workers()

    def starve() -> None:
        with Checked(server.address, 6) as load:
            eventually("the load runs", lambda: load.answers > 20, within=15)
            _limit_descriptors(server)
            waiting = crowd(server.address, 50, message("GET", "/hello", "Connection: close"))
            had = load.answers
            eventually("the connected are served", lambda: load.answers > had + 20, within=15)
            _limit(server, resource.RLIMIT_NOFILE, -1)
            for client in waiting:
                client.settimeout(patience(20))
                assert b"Hello, World!" in client.recv(4096)
            disperse(waiting)
        assert not load.wrong and not load.failures and not load.refused

    try:
        repeat(server, 3, starve)
    finally:
        _limit(server, resource.RLIMIT_NOFILE, -1)
    assert server.worker_pids() == workers, "a worker died of it"


@pytest.mark.parametrize("error", ["ENFILE", "ENOBUFS", "ENOMEM"])
@pytest.mark.skipif(not can_trace(), reason="strace cannot inject errors here")
@only("prefork", "threads", "coro", "prefork-connection")
def test_accept_fails(launch: Launcher, tmp_path: Path, error: str) -> None:
    """The system is short of something: accept fails a few times, then goes on."""
    inject = f"inject=accept4:error={error}:when=1..3"
    server = launch(
        prefix=["strace", "-D", "-f", "-qq", "-o", str(tmp_path / "trace"),
                "-e", "trace=accept4", "-e", inject],
        expected=["."],
    )
    waiting = [server.connect(30) for _ in range(20)]
    try:
        for client in waiting:
            client.send(message("GET", "/hello", "Connection: close"))
        for client in waiting:
            assert client.read_response().body == b"Hello, World!"
    finally:
        for client in waiting:
            client.close()
    complaints = _complaints(server)
    assert complaints and all(line.startswith("warning: accept: ") for line in complaints)
    calls = re.findall(r"accept4.*INJECTED", (tmp_path / "trace").read_text())
    assert 1 <= len(calls) <= 3 * (server.workers + 1), "it was tried without a pause"


def _virtual_bytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmSize:\s+(\d+) kB$", text, re.MULTILINE)
    assert found
    return int(found.group(1)) * 1024


def _limit_memory(server: Server) -> None:
    """No process of the server gets more address space than it has."""
    for pid in reversed(_processes(server)):
        _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (_virtual_bytes(pid), hard))


@release_only
@only(*(name for name in NAMES if name != "coro-none"))  # there it is had by who is served at that moment
def test_no_memory_to_be_had(launch: Launcher) -> None:
    """RLIMIT_AS is reached: requests are answered, or refused with 503; nobody dies."""
    server = launch(expected=["."])
    workers = server.wait_for_workers()

    def starve() -> None:
        with Checked(server.address, 6) as load:
            eventually("the load runs", lambda: load.answers > 20, within=15)
            _limit_memory(server)
            had = load.answers
            eventually("it is served", lambda: load.answers > had + 50, within=15)
            for target in ("/fanout?n=1000&ms=1", "/stream?chunks=3&ms=0&size=65536",
                           "/block?ms=1&offload=1", "/status"):
                if server.configuration.dispatch == "request":  # else nobody is left for a newcomer
                    with server.connect(20) as connection:
                        assert connection.get(target).status in (200, 503), target
            _limit(server, resource.RLIMIT_AS, -1)
        assert not load.wrong and not load.failures, (load.wrong, load.failures)

    try:
        repeat(server, 3, starve)
    finally:
        _limit(server, resource.RLIMIT_AS, -1)
    assert server.worker_pids() == workers, "a worker died of it"
    assert server.get("/fanout?n=10&ms=1").status == 200


@release_only
@only("coro", "stealing", "coro-2", "coro-connection")
def test_no_coroutine_to_be_had(launch: Launcher) -> None:
    """More requests that wait than there is memory for coroutines: the rest have to wait."""
    server = launch(expected=["."])
    workers = server.wait_for_workers()
    _serves([server.connect() for _ in range(4)])
    _limit_memory(server)
    try:
        waiting = [server.connect(60) for _ in range(400)]
        for client in waiting:
            client.send(message("GET", "/sleep?ms=50", "Connection: close"))
        for client in waiting:
            assert client.read_response().body == b"slept 50\n"
            client.close()
    finally:
        _limit(server, resource.RLIMIT_AS, -1)
    assert any("no coroutine: Cannot allocate memory" in line for line in server.lines)
    assert len(server.lines) < 100
    assert server.worker_pids() == workers, "a worker died of it"
    assert server.get("/hello").status == 200


@release_only
@only("coro", "stealing")
def test_no_room_for_gathered_waits(launch: Launcher) -> None:
    """There are so many coroutines for these: who wants more is refused, and connections keep their own."""
    server = launch("--workers=1", prefix=["prlimit", "--nofile=512:512"])
    fit = (int(server.status()["settings"]["max-connections"]) + 16384) // 250
    clients = [server.connect(60) for _ in range(80)]

    def answered() -> List[Connection]:
        sockets = select.select([client.socket for client in clients], [], [], 0)[0]
        return [client for client in clients if client.socket in sockets]

    try:
        _serves(clients)
        for client in clients:
            client.send(message("GET", "/fanout?n=250&ms=4000", "Connection: close"))
        eventually("some are refused", answered, lambda those: len(those) >= len(clients) - fit)
        assert server.get("/hello").body == b"Hello, World!"
        refused = answered()
        assert len(refused) == len(clients) - fit, "it had to wait until waits were over"
        for client in clients:
            assert client.read_response().status == (503 if client in refused else 200)
    finally:
        for client in clients:
            client.close()
    assert server.get("/fanout?n=1000&ms=1").status == 200


@release_only
@per_request
def test_no_memory_for_connections(launch: Launcher) -> None:
    """Thousands of them come when there is no memory left; what they need was set aside, but for a coroutine
    that is to be made: who asks for one waits."""
    server = launch(expected=["."])
    waits = server.configuration.name == "coro-none"
    workers = server.wait_for_workers()
    with server.connect(60) as connected:
        _serves([connected])
        eventually("they sleep", lambda: all(processes.state(pid) == "S" for pid in workers))  # stacks are freed
        _limit_memory(server)
        try:
            if waits:
                connected.send(message("GET", "/hello"))
                server.wait_for_line("no coroutine: Cannot allocate memory")
            arrived = crowd(server.address, 3000, b"GET /hello HTTP/1.1\r\nHo")
            _serves([] if waits else [connected])
            disperse(arrived)
            _serves([] if waits else [connected])
        finally:
            _limit(server, resource.RLIMIT_AS, -1)
        assert not waits or connected.read_response().body == b"Hello, World!"
    assert server.worker_pids() == workers, "a worker died of it"
