# SPDX-License-Identifier: MIT
"""What the kernel may refuse at any time, and a worker that gets its turn late."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Callable, Dict, List

import pytest

from support import preload, processes
from support.client import Connection
from support.configurations import CONFIGURATIONS, NONE, POOL, Configuration, only, per_request, supported
from support.server import Launcher, Server
from support.variant import BINARY, patience
from support.waiting import eventually

pytestmark = preload.needs_release

WATCHING = [c for c in CONFIGURATIONS if supported(c) and not c.name.endswith("-lock")]  # by epoll
GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preload.built("refusing_kernel", tmp_path_factory.mktemp("kernel"))


class Kernel:
    """What it refuses is said by files in a folder."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder
        self.environment = {"LD_PRELOAD": str(library), "REFUSING_KERNEL": str(folder)}

    def refuse(self, what: str, number: int) -> None:
        (self.folder / "new").write_text(str(number))
        (self.folder / "new").rename(self.folder / what)

    def allow(self, what: str) -> None:
        (self.folder / what).unlink()


@pytest.fixture
def kernel(tmp_path: Path, library: Path) -> Kernel:
    folder = tmp_path / "refused"
    folder.mkdir()
    return Kernel(folder, library)


def _is_answered(client: Connection) -> bool:
    client.send(GET)
    return client.read_response().status == 200


def _wait_until_parked(server: Server) -> None:
    eventually("nobody serves", server.contexts, lambda count: count == 0)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOMEM])
@per_request
def test_connections_that_cannot_be_watched_wait(launch: Launcher, kernel: Kernel, number: int) -> None:
    """The documented: "connections wait until it can be done". None is lost, and it is said."""
    server = launch(environment=kernel.environment)
    old = server.connect()
    for _ in range(2):  # the second on an event: it is watched
        _wait_until_parked(server)
        assert _is_answered(old)
    kernel.refuse("epoll_add", number)
    clients = [server.connect() for _ in range(8)]
    server.wait_for_line("epoll: .*; connections wait until it can be done", within=10)
    assert _is_answered(old)  # those connected are served
    for client in clients:
        client.send(GET)
    kernel.allow("epoll_add")
    for client in clients:
        assert client.read_response().status == 200
        assert _is_answered(client)
        client.close()
    old.close()
    eventually("every place is free again", server.open_connections, lambda count: count == 0)


@per_request
def test_connections_that_cannot_be_watched_expire(launch: Launcher, kernel: Kernel) -> None:
    """Their time-outs hold as for all, and what has ended is closed, while there is no room."""
    server = launch("--header-timeout=0.5", "--keepalive-timeout=0.5", environment=kernel.environment)
    assert server.get("/hello").status == 200
    kernel.refuse("epoll_add", errno.ENOSPC)
    silent = [server.connect() for _ in range(3)]
    gone = [server.connect() for _ in range(3)]
    for client in gone:
        client.close()
    for client in silent:
        assert client.read_to_end() == b""
        client.close()
    kernel.allow("epoll_add")
    eventually("every place is free again", server.open_connections, lambda count: count == 0)


@only("coro", "stealing", "coro-2")
def test_a_loop_without_room_serves_all_the_same(launch: Launcher, kernel: Kernel, tmp_path: Path) -> None:
    """Newcomers and whatever waits in their requests: bodies both ways, a database, gathered waits."""
    (tmp_path / "large").write_bytes(b"x" * 8_000_000)
    server = launch(f"--root={tmp_path}", f"--db=sqlite:{tmp_path}/world.sqlite", environment=kernel.environment)
    assert server.get("/hello").status == 200
    kernel.refuse("epoll_add", errno.ENOSPC)
    cpu = server.cpu()
    client = server.connect(timeout=patience(20))
    client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234")
    time.sleep(0.5)  # the loop waits for the rest of the body, which a pool's worker would do in poll()
    client.send(b"56789")
    assert client.read_response().body == b"0123456789"
    for target in ("/hello", "/db", "/fanout?n=5&ms=30", "/sleep?ms=30", "/stream?chunks=3&ms=20"):
        client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.read_response().status == 200, target
    client.send(b"GET /files/large HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(client.read_response().body) == 8_000_000
    client.close()
    assert server.cpu() - cpu < patience(2), "it waits, and does not ask without end"
    kernel.allow("epoll_add")


@pytest.mark.parametrize("configuration", WATCHING, ids=[c.name for c in WATCHING])
def test_no_room_at_the_start_is_a_start_that_fails(configuration: Configuration, kernel: Kernel) -> None:
    kernel.refuse("epoll_add", errno.ENOSPC)
    done = subprocess.run(
        [BINARY, *configuration.options, "--listen=127.0.0.1:0"], capture_output=True, check=False, text=True,
        env={**os.environ, **kernel.environment}, timeout=patience(20),
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr and "ready" not in done.stderr, done.stderr


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENETDOWN, errno.EMFILE, errno.EOPNOTSUPP])
def test_accepting_is_forbidden(launch: Launcher, kernel: Kernel, number: int) -> None:
    """As by a firewall or a filter of system calls. It is said, nobody spins, and it is tried again."""
    server = launch(environment=kernel.environment)
    assert server.get("/hello").status == 200
    kernel.refuse("accept", number)
    waiting = server.connect()
    waiting.send(GET)
    server.wait_for_line(rf"accept: {re.escape(os.strerror(number))}; connections wait", within=10)
    cpu, began = server.cpu(), time.monotonic()
    eventually("a second has passed", time.monotonic, lambda now: now - began > 1)
    assert server.cpu() - cpu < 0.3 * (time.monotonic() - began), "a worker asks again and again"
    kernel.allow("accept")
    assert waiting.read_response().status == 200
    waiting.close()


def _is_quiet(server: Server, pids: Callable[[], List[int]]) -> bool:
    """No worker has used a tick of the clock for a while."""
    def used() -> Dict[int, float]:
        return {pid: processes.cpu_seconds(pid) for pid in pids()}

    before, began = used(), time.monotonic()
    eventually("a moment has passed", time.monotonic, lambda now: now - began > 0.5)
    return all(seconds - before.get(pid, 0) < 0.25 for pid, seconds in used().items())


def test_a_byte_that_comes_as_the_deadline_passes(launch: Launcher, kernel: Kernel) -> None:
    """It is served, or refused for being late; no worker is taken by it for ever."""
    server = launch("--header-timeout=0.3", environment=kernel.environment)
    kernel.refuse("poll_late", 500)
    clients = [server.connect() for _ in range(4)]
    for client in clients:
        client.send(b"G")
    began = time.monotonic()
    eventually("the deadline has passed", time.monotonic, lambda now: now - began > 0.45)
    for client in clients:
        client.send(b"E")
    for client in clients[:2]:
        client.close()
    for client in clients[2:]:
        assert client.read_response().status == 408
        client.close()
    kernel.allow("poll_late")
    eventually("every place is free again", server.open_connections, lambda count: count == 0)
    eventually("the workers rest", partial(_is_quiet, server, server.worker_pids), lambda quiet: quiet, within=20)


@only(*NONE)
def test_who_gets_no_worker_waits(launch: Launcher, kernel: Kernel) -> None:
    """While fork() or pthread_create() fails nobody is lost, the log says so, and the CPU rests."""
    server = launch(environment=kernel.environment)
    old = server.connect(patience(20))
    if server.configuration.dispatch == "connection":
        assert _is_answered(old)  # it keeps its worker
    kernel.refuse("tasks", errno.EAGAIN)
    clients = [server.connect(patience(20)) for _ in range(POOL - 1)]
    for client in clients:
        client.send(GET)
    server.wait_for_line("making a worker: .*; connections wait until it can be done", within=10)
    used = server.cpu()
    time.sleep(1)  # the length of the trial
    assert server.cpu() - used < 0.2
    if server.configuration.dispatch == "connection":
        assert _is_answered(old)
    kernel.allow("tasks")
    for client in [old, *clients]:
        if client is old:
            client.send(GET)
        assert client.read_response().status == 200
        client.close()
    eventually("every place is free again", server.open_connections, lambda count: count == 0)
