# SPDX-License-Identifier: MIT
"""deploy/haproxy and deploy/nginx: accepted by the programs, and servers restarted behind them one
after another by deploy/systemd/rolling-restart, with a stand-in for systemctl, without a failure."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest

from behind import COMMANDS, DEPLOY, Balancer, Clients, Fleet, free_port
from support import processes
from support.client import fetch
from support.configurations import only
from support.server import Launcher
from support.variant import patience
from support.waiting import eventually

CLAIMED = "203.0.113.9"  # an address that may not be believed, as the client says it itself
REQUESTS = 200
IN_FLIGHT = 8


@pytest.fixture(params=sorted(COMMANDS))
def balancer_name(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} here")
    return str(request.param)


def test_haproxy_accepts_its_configuration() -> None:
    if shutil.which("haproxy") is None:
        pytest.skip("no haproxy here")
    done = subprocess.run(["haproxy", "-c", "-f", str(DEPLOY / "haproxy/haproxy.cfg")],
                          capture_output=True, text=True, timeout=patience(30), check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("no nginx here")
    command = COMMANDS["nginx"](tmp_path, 8080, [8081, 8082])
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=patience(30), check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr and "[emerg]" not in done.stderr, done.stderr


@pytest.fixture
def balanced(launch: Launcher, balancer_name: str, tmp_path: Path) -> Iterator["tuple[Fleet, Balancer]"]:
    fleet = Fleet(launch, 2)
    port = free_port()
    balancer = Balancer(COMMANDS[balancer_name](tmp_path, port, list(fleet.servers)), port)
    yield fleet, balancer
    balancer.stop()
    fleet.tell_to_stop()


@only("threads", "coro")
def test_the_servers_learn_the_clients_address(balanced: "tuple[Fleet, Balancer]") -> None:
    """Of the balancer, whatever the client claims; over connections that are kept."""
    fleet, balancer = balanced
    before = fleet.accepted()
    client = http.client.HTTPConnection(*balancer.address, timeout=patience(20), source_address=("127.0.0.2", 0))
    for _ in range(REQUESTS):
        client.request("GET", "/whoami", headers={"X-Forwarded-For": CLAIMED})
        assert json.loads(client.getresponse().read())["client"] == "127.0.0.2"
    client.close()
    assert fleet.accepted() - before < REQUESTS // 2  # health checks come on connections of their own


@only("prefork", "threads", "coro")
def test_no_request_fails_as_servers_are_restarted(balanced: "tuple[Fleet, Balancer]", tmp_path: Path) -> None:
    """By deploy/systemd/rolling-restart itself. Its systemctl leaves word for this test, which restarts."""
    fleet, balancer = balanced
    wanted, done = tmp_path / "wanted", tmp_path / "done"
    _stand_in(tmp_path, "systemctl",
              f'echo "$2" >{wanted}.new; mv {wanted}.new {wanted}\n'
              f"until [ -e {done} ]; do sleep 0.05; done; rm {done}\n")  # fmt: skip
    clients = Clients(balancer.address, "/sleep?ms=5")
    try:
        clients.wait_for(50)
        script = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", DEPLOY / "systemd/rolling-restart", "--settle=0.1", *map(str, fleet.servers)],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        for port in list(fleet.servers):
            eventually("a restart is asked for", wanted.exists, within=30)
            assert wanted.read_text().strip() == f"server@{port}.service"
            wanted.unlink()
            fleet.restart(port)
            pids = fleet.servers[port].worker_pids()
            eventually("it is asked again", lambda: _asked(balancer) in pids, within=30)
            done.touch()
        said, _ = script.communicate(timeout=patience(60))
        assert (script.returncode, said.splitlines()[-1]) == (0, "rolling-restart: 2 restarted")
        clients.wait_for(50)
    finally:
        clients.stop()
    assert clients.failed == []


@only("prefork", "threads", "coro")
def test_a_server_that_is_killed_loses_its_requests_in_flight_at_most(balanced: "tuple[Fleet, Balancer]") -> None:
    """A second request of each client would be one that was sent to it after its death."""
    fleet, balancer = balanced
    clients = Clients(balancer.address, "/sleep?ms=20", count=IN_FLIGHT)
    try:
        clients.wait_for(50)
        dead = fleet.kill(next(iter(fleet.servers)))
        clients.wait_for(200)
    finally:
        clients.stop()
    assert not processes.alive(dead)
    assert len(clients.failed) <= IN_FLIGHT, clients.failed


@only("coro")
def test_haproxy_leaves_a_lame_duck_alone(launch: Launcher, tmp_path: Path) -> None:
    """While its port is open still."""
    if shutil.which("haproxy") is None:
        pytest.skip("no haproxy here")
    fleet = Fleet(launch, 2, 600)
    port = free_port()
    balancer = Balancer(COMMANDS["haproxy"](tmp_path, port, list(fleet.servers)), port)
    try:
        lame, other = fleet.servers.values()
        (pid,), (other_pid,) = lame.worker_pids(), other.worker_pids()
        eventually("both are asked", lambda: {_asked(balancer) for _ in range(10)} == {pid, other_pid}, within=30)
        lame.signal(signal.SIGTERM)
        eventually("the other alone is asked", lambda: {_asked(balancer) for _ in range(20)} == {other_pid}, within=30)
        assert lame.get("/hello").status == 200
        other.signal(signal.SIGINT)
    finally:
        balancer.stop()


def _asked(balancer: Balancer) -> int:
    """The worker that a request is passed to."""
    return int(json.loads(fetch(balancer.address, "/whoami").text)["pid"])


def _stand_in(folder: Path, name: str, script: str) -> None:
    """A program of that name, to be found first."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


# ---- the script by itself ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--settle=x"], 64, "--settle=x: expected seconds, as 5 or 0.5"),
        (["server@8081"], 64, "server@8081: expected the port of an instance, as in server@8081.service"),
        ([], 1, "no instance of server@.service is active"),
    ],
)
def test_rolling_restart_refuses(words: List[str], status: int, said: str, tmp_path: Path) -> None:
    _stand_in(tmp_path, "systemctl", "")
    done = _roll(tmp_path, *words)
    assert (done.returncode, done.stderr.strip()) == (status, f"rolling-restart: {said}")


def test_rolling_restart_touches_none_when_one_is_away(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    _stand_in(tmp_path, "systemctl", f"touch {touched}")
    port = free_port()
    done = _roll(tmp_path, str(port))
    assert done.returncode == 1
    assert done.stderr.strip() == f"rolling-restart: server@{port}.service is not ready: nothing was restarted"
    assert not touched.exists()


def test_rolling_restart_stops_at_one_that_does_not_start(tmp_path: Path) -> None:
    """Of those that it finds active."""
    _stand_in(tmp_path, "systemctl",
              f'echo "$*" >>{tmp_path}/said\n[ "$1" = list-units ] || exit 1\n'
              "for port in 8081 8082; do echo server@$port.service loaded active running x; done")  # fmt: skip
    _stand_in(tmp_path, "curl", f'echo "$*" >>{tmp_path}/asked; printf 200')
    done = _roll(tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == "rolling-restart: server@8081.service does not start; the others run on as they were"
    assert "http://127.0.0.1:8082/readyz" in (tmp_path / "asked").read_text()
    assert "8082" not in (tmp_path / "said").read_text()


def test_rolling_restart_tells_how_it_is_called(tmp_path: Path) -> None:
    done = _roll(tmp_path, "--help")
    assert done.returncode == 0 and "rolling-restart [--settle=SECONDS] [PORT...]" in done.stdout


def _roll(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [DEPLOY / "systemd/rolling-restart", *words], env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=patience(30), check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
