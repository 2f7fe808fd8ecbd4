# SPDX-License-Identifier: MIT
"""--pool=none: a process, thread or coroutine for each request, or connection, and what its death costs."""

import json
import os
import signal
from pathlib import Path
from typing import Any, Dict, List

import pytest

from support import processes
from support.client import Closed, Connection, message
from support.configurations import NONE, NONE_CONNECTION, POOL, only
from support.load import Load
from support.server import Launcher, Server
from support.variant import VARIANT
from support.waiting import eventually


def _who(connection: Connection) -> Dict[str, Any]:
    who: Dict[str, Any] = json.loads(connection.get("/whoami").text)
    return who


def _children(spawner: int, count: int) -> List[int]:
    """Those that serve, once whoever answered /status has gone."""
    return eventually(f"{count} are there", lambda: processes.children(spawner), lambda pids: len(pids) == count)


@only("prefork-none", "threads-none")
def test_for_each_request(server: Server) -> None:
    with server.connect() as connection:
        found = [_who(connection) for _ in range(10)]
    assert len({who["tid"] for who in found}) == len(found)
    assert all(who["requests"] == 0 for who in found)


@only(*NONE_CONNECTION)
def test_for_each_connection(server: Server) -> None:
    with server.connect() as first, server.connect() as second:
        found = [[_who(connection) for connection in (first, second)] for _ in range(5)]
    for mine in zip(*found):
        assert len({who["tid"] for who in mine}) == 1
        assert [who["requests"] for who in mine] == [0, 1, 2, 3, 4]
    assert found[0][0]["tid"] != found[0][1]["tid"]


def _mapped(pid: int) -> int:
    """Bytes. A sanitizer keeps what is freed for a while."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * 4096 if VARIANT == "release" else 0


@only("coro-none")
@pytest.mark.parametrize("dispatch", ["request", "connection"])
def test_a_coroutine_is_made_and_nothing_kept(launch: Launcher, dispatch: str) -> None:
    server = launch(f"--dispatch={dispatch}")
    (pid,) = server.worker_pids()
    before = _mapped(pid)
    clients = [server.connect() for _ in range(64)]
    for client in clients:
        client.send(message("GET", "/sleep?ms=50"))
    found = [(client.read_response().status, _who(client)["context"], _who(client)["context"]) for client in clients]
    made = {context for _, *contexts in found for context in contexts}
    assert len(made) == (128 if dispatch == "request" else 64)
    for client in clients:
        client.close()
    eventually("no coroutine is left", server.contexts, lambda n: n == 0)
    eventually("nor its memory", lambda: _mapped(pid) - before, lambda more: more < 1 << 20)


@only("prefork-none", "prefork-none-connection")
def test_processes_are_the_spawners(server: Server) -> None:
    (spawner,) = server.worker_pids()
    with server.connect() as connection:
        connection.begin()
        _children(spawner, 1)
        connection.finish()
    _children(spawner, 0)


@only(*NONE)
def test_a_burst_makes_no_more_than_workers(launch: Launcher) -> None:
    """All are answered, one after another; where they keep their workers, those who go let others in."""
    server = launch()
    fresh = server.configuration.per_connection
    with Load(server.address, 6 * POOL, message("GET", "/sleep?ms=5"), fresh=fresh) as load:
        eventually("all are answered", lambda: min(client.answers for client in load.clients) >= 3, within=30)
    assert not load.failures
    assert server.status()["contexts"]["peak"] <= POOL


def _busy(server: Server, count: int) -> List[Connection]:
    """Each in a request that ends when its client says so."""
    clients = [server.connect(20) for _ in range(count)]
    for client in clients:
        client.begin()
    eventually("all are in a request", server.contexts, lambda n: n == count)
    return clients


def _fails(client: Connection) -> bool:
    try:
        client.finish()
    except (BrokenPipeError, ConnectionResetError):
        return True
    except Closed as closed:
        assert "timed out" not in str(closed), "neither answered nor closed"
        return True
    return False


@only("prefork-none", "prefork-none-connection")
def test_a_death_costs_one_connection(launch: Launcher) -> None:
    server = launch(expected=["was killed by signal 9"])
    (spawner,) = server.worker_pids()
    before = processes.descriptors(spawner)
    clients = _busy(server, 5)
    victim = _children(spawner, len(clients))[0]
    os.kill(victim, signal.SIGKILL)
    assert sorted(_fails(client) for client in clients) == [False] * 4 + [True]
    server.wait_for_line(rf"process \d+ \(pid {victim}\) was killed by signal 9")
    assert server.worker_pids() == [spawner]
    for client in clients:
        client.close()
    eventually("no connection is left", server.open_connections, lambda n: n == 0)
    eventually("nor a descriptor", lambda: processes.descriptors(spawner), lambda n: n == before)


@only("prefork-none", "prefork-none-connection")
def test_one_that_is_stopped_is_killed(launch: Launcher) -> None:
    server = launch("--stopped-timeout=0.3", expected=["is stopped by a signal", "was killed by signal 9"])
    (spawner,) = server.worker_pids()
    (client,) = _busy(server, 1)
    (victim,) = _children(spawner, 1)
    os.kill(victim, signal.SIGSTOP)
    assert _fails(client)
    server.wait_for_line(rf"process \d+ \(pid {victim}\) is stopped by a signal; killing it")
    client.close()
    assert server.get("/hello").status == 200


@only("prefork-none", "prefork-none-connection")
def test_processes_die_with_the_spawner(launch: Launcher) -> None:
    server = launch(expected=["worker process"])
    (spawner,) = server.worker_pids()
    clients = _busy(server, 3)
    left = _children(spawner, len(clients))
    os.kill(spawner, signal.SIGKILL)
    eventually("they are dead", lambda: not any(map(processes.alive, left)))
    assert all(_fails(client) for client in clients)
    server.wait_for_workers(but=[spawner])
    assert server.get("/hello").status == 200
    eventually("nobody is counted", lambda: (server.open_connections(), server.contexts()),
               lambda counts: counts == (0, 0))  # fmt: skip


@only("prefork-none-connection")
def test_each_writes_to_the_new_log(launch: Launcher, tmp_path: Any) -> None:
    """Also one that was made long before, and is idle."""
    log = tmp_path / "access.log"
    server = launch(f"--access-log={log}")
    with server.connect() as connection:
        assert connection.get("/hello").status == 200
        log.rename(tmp_path / "old.log")
        server.signal(signal.SIGUSR1)
        eventually("it is made", log.exists)

        def written() -> bool:
            assert connection.get("/json").status == 200
            return "/json" in log.read_text()

        eventually("the old connection is in it", written)
