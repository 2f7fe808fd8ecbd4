# SPDX-License-Identifier: MIT
"""As process 1 of a container: it is given the orphans of others, and all end with it."""

import os
import signal
import subprocess
from functools import partial

import pytest

from support.client import fetch
from support.configurations import Configuration
from support.contained import Contain, Contained
from support.processes import state
from support.waiting import eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a process 1")


def _adopt(server: Contained, script: str) -> None:
    """Runs the script beside it; what that leaves behind becomes the server's child."""
    subprocess.run(["nsenter", "-t", str(server.pid), "-p", "-m", "sh", "-c", script], check=True)


def test_orphans_are_reaped(contain: Contain, configuration: Configuration) -> None:
    """Those that were there before it and those that come, however they end; no worker is missed."""
    server = contain(before="(sleep 0.1 & sleep 0.2 &) ; sleep 0 & ")
    own = configuration.worker_processes
    eventually("those from before are gone", server.children, lambda c: len(c) == own)
    workers = set(server.children())
    _adopt(server, "(sleep 0.1 &); (sleep 0.05 &); (sh -c 'kill -9 $$' &)")
    _adopt(server, "(sh -c 'sleep 0.1; kill -STOP $$; exit 7' &)")
    stopped = eventually("one has stopped", lambda: [
        pid for pid in server.children() if pid not in workers and state(pid) == "T"])
    os.kill(stopped[0], signal.SIGCONT)
    eventually("all of them are gone", server.children, lambda c: set(c) == workers)
    assert fetch(server.address, "/hello").status == 200
    assert len(server.lines()) == 1, "nothing is said of them"


def _without(server: Contained, pid: int) -> int:
    """How many children it has; 0 while one of them is pid."""
    children = server.children()
    return 0 if pid in children else len(children)


def test_an_orphan_is_no_worker(contain: Contain, configuration: Configuration) -> None:
    """A worker that dies is replaced while orphans come and go."""
    server = contain()
    before = server.children()
    for _ in range(3):
        _adopt(server, "(sleep 0.01 &); (sleep 0.02 &)")
        workers = eventually("all workers", server.children,
                             lambda c: len(c) == configuration.worker_processes)
        os.kill(workers[0], signal.SIGKILL)
        eventually("it is replaced", partial(_without, server, workers[0]),
                   lambda count: count == len(workers))
    assert set(server.children()) != set(before)
    assert sum("worker process" in line for line in server.lines()) == 3
    server.stop()


def test_an_upgrade_is_refused(contain: Contain) -> None:
    """The new server would end with the old one: that is said, in one line, and this one goes on."""
    server = contain()
    workers = server.children()
    server.signal(signal.SIGUSR2)
    eventually("it is said", lambda: any("upgrade: refused" in line for line in server.lines()))
    assert fetch(server.address, "/hello").status == 200
    assert server.children() == workers and len(server.lines()) == 2
    server.signal(signal.SIGHUP)
    eventually("a reload works", lambda: any("reloaded:" in line for line in server.lines()))
    server.stop()


def test_a_lame_duck_serves_and_ends_by_a_second_signal(contain: Contain) -> None:
    """The first one process 1 does not die of, though nobody has asked the kernel for that."""
    server = contain(before="export SERVER_LAME_DUCK=600; ")
    assert fetch(server.address, "/readyz").status == 200
    server.signal(signal.SIGTERM)
    eventually("it is not ready", lambda: fetch(server.address, "/readyz").status == 503)
    assert fetch(server.address, "/hello").status == 200
    server.stop()
