# SPDX-License-Identifier: MIT
"""--accept: how several workers accept, and that no way of it loses what the kernel has accepted."""

import json
import os
import signal
import socket
from collections import Counter
from pathlib import Path
from typing import List, Optional

import pytest

from support.client import message
from support.configurations import POOL, Configuration, only
from support.load import Load, crowd, disperse
from support.processes import system_call
from support.server import Launcher, Server
from support.waiting import eventually

REUSEPORT = "--accept=reuseport"
ONCE = message("GET", "/hello", "Connection: close")
pools = only("prefork-connection", "threads-connection")


def _holder(pids: List[int]) -> Optional[int]:
    """Who has the turn: all others wait for the lock, in the same system call."""
    calls = {pid: system_call(pid) for pid in pids}
    (common, count), *_ = Counter(calls.values()).most_common()
    found = [pid for pid, call in calls.items() if call != common]
    return found[0] if count == len(pids) - 1 else None


@only("prefork-connection-lock")
def test_whoever_holds_the_turn_may_be_killed(launch: Launcher) -> None:
    server = launch(expected=["was killed by signal"])
    for _ in range(3):
        workers = server.wait_for_workers()
        holder = eventually("one has the turn", lambda: _holder(workers))
        assert holder is not None
        os.kill(holder, signal.SIGKILL)
        for _ in range(2 * POOL):  # each of the others has its turn
            assert server.get("/hello").status == 200
        server.wait_for_workers(but=[holder])


@only("threads-connection")
def test_the_turn_does_not_die_with_its_process(launch: Launcher) -> None:
    server = launch("--accept=lock", expected=["was killed by signal"])
    (pid,) = server.worker_pids()
    assert server.get("/hello").status == 200
    os.kill(pid, signal.SIGKILL)
    server.wait_for_workers(but=[pid])
    assert server.get("/hello").status == 200


def _backlogs(server: Server) -> List[int]:
    """How many wait to be accepted at each of the server's sockets, the longest first."""
    port = f":{server.tcp_address[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    found = [int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(port) and row[3] == "0A"]
    return sorted(found, reverse=True)


def _waiting(clients: List[socket.socket]) -> int:
    """How many have no answer yet. Those that have close."""
    for client in list(clients):
        client.setblocking(False)
        try:
            answer = client.recv(64)
        except BlockingIOError:
            continue
        assert answer.startswith(b"HTTP/1.1 200 ")
        clients.remove(client)
        client.close()
    return len(clients)


def _all_others_are_served(server: Server, clients: List[socket.socket], sockets: int) -> None:
    """But those who wait at the socket of a busy worker."""
    eventually("only they wait", lambda: (_waiting(clients), *_backlogs(server)),
               lambda counts: counts == (len(clients), len(clients), *[0] * (sockets - 1)), within=20)  # fmt: skip
    assert clients


@pools
def test_who_waits_behind_a_busy_worker_waits(launch: Launcher) -> None:
    """Though all others are idle. When the worker is killed, or done, its successor, or it, serves them."""
    server = launch(REUSEPORT, expected=["was killed by signal"])
    with server.connect() as holds:
        pid = json.loads(holds.get("/whoami").text)["pid"]
        clients = crowd(server.address, 16 * POOL, ONCE)
        try:
            _all_others_are_served(server, clients, POOL)
            if server.configuration.model == "prefork":
                os.kill(pid, signal.SIGKILL)
            else:
                holds.close()
            eventually("they are served", lambda: _waiting(clients), lambda n: n == 0, within=20)
        finally:
            disperse(clients)


@pools
def test_nobody_is_lost_when_workers_or_programs_change(
    launch: Launcher, configuration: Configuration, tmp_path: Path
) -> None:
    """To fewer workers than sockets, and to more; and each worker leaves after some requests besides."""
    file = tmp_path / "server.conf"
    file.write_text("workers = 5\n")
    server = launch(REUSEPORT, f"--config={file}", "--max-requests=40", "--shutdown-timeout=20",
                    model_options=[f"--model={configuration.model}", "--dispatch=connection"])
    with Load(server.address, 6, ONCE, pause=0.001, fresh=True) as load:
        for workers in (2, 7, 5):
            answers = load.answers
            file.write_text(f"workers = {workers}\n")
            server.signal(signal.SIGHUP)
            server.wait_for_line(f"reloaded: .*workers={workers} ")
            eventually("they are served", lambda: load.answers > answers + 200)
        for _ in range(2):
            answers = load.answers
            server.upgrade()
            eventually("they are served", lambda: load.answers > answers + 200)
        server.wait_for_old()
    assert not load.failures


@pools
def test_who_waits_at_any_socket_is_served_at_a_stop(launch: Launcher) -> None:
    """By whoever has time, though the worker whose socket it is has none."""
    server = launch(REUSEPORT, "--workers=2", "--shutdown-timeout=60")
    with server.connect() as busy:
        busy.send(message("GET", "/sleep?ms=50000"))
        clients = crowd(server.address, 4 * POOL, ONCE)
        try:
            _all_others_are_served(server, clients, 2)
            server.signal(signal.SIGTERM)
            eventually("they are served", lambda: _waiting(clients), lambda n: n == 0, within=20)
            server.signal(signal.SIGTERM)
            server.wait(any_status=True)
        finally:
            disperse(clients)


@pools
def test_a_socket_that_stays_stays_what_it_is(launch: Launcher, tmp_path: Path) -> None:
    """Who waits at one of several is theirs who attend it: another --accept needs another --listen."""
    file = tmp_path / "server.conf"
    file.write_text("accept = reuseport\n")
    server = launch(f"--config={file}", expected=["reload: --accept", "upgrade: ", "--accept: the listening"])
    file.write_text("accept = lock\n")
    server.signal(signal.SIGHUP)
    server.wait_for_line("reload: --accept: .* opened with reuseport, .*; the server goes on as it was")
    server.signal(signal.SIGUSR2)
    server.wait_for_line("upgrade: the new server .*; this one goes on")
    assert server.get("/hello").status == 200
    assert server.status()["settings"]["accept"] == "reuseport"


@only("prefork-connection")
@pytest.mark.parametrize("first", ["shared", "reuseport"])
def test_another_server_there_is_noticed(launch: Launcher, first: str) -> None:
    server = launch(f"--accept={first}")
    with pytest.raises(AssertionError, match="Address already in use"):
        launch(REUSEPORT, listen=server.listen)
