# SPDX-License-Identifier: MIT
"""A pool's workers: few look for work at a time, and somebody always does."""

import ctypes
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from support import processes
from support.client import Connection, message
from support.configurations import only
from support.load import Load
from support.server import Launcher, Server
from support.variant import VARIANT, fewer, patience
from support.waiting import eventually

MANY = 64
CORE = ["taskset", "-c", "0"]
SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}  # numbers of system calls
KILLED = ["worker"]  # the log may say that one has died


def tasks(server: Server) -> List[Path]:
    return [task for pid in server.worker_pids() for task in Path(f"/proc/{pid}/task").iterdir()]


def waited_s(server: Server) -> float:
    """The time for which its workers stood in a run queue so far, added up."""
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks(server)) / 1e9


def slices(server: Server) -> List[int]:
    """Of its threads, in ns, as sched_getattr(2) has them."""
    attributes = ctypes.create_string_buffer(48)
    found = []
    for task in tasks(server):
        asked = SCHED_GETATTR[platform.machine()], int(task.name), attributes, len(attributes), 0
        assert ctypes.CDLL(None).syscall(*asked) == 0
        found.append(int.from_bytes(attributes.raw[24:32], "little"))
    return found


@only("prefork", "threads")
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.skipif(VARIANT != "release", reason="a sanitizer's threads are not the server's")
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not count")
def test_few_of_many_workers_stand_in_the_run_queue(launch: Launcher) -> None:
    """Sixteen clients keep one core busy; there 64 workers of old stood 50 deep. The bound leaves
    room for one that leads, one that keeps the time, and a few more on a busy machine."""
    server = launch(f"--workers={MANY}", prefix=CORE)
    assert isinstance(server.address, tuple)
    url = f"http://127.0.0.1:{server.address[1]}/hello"
    for _ in range(3):  # whatever else this core does adds to it
        before, begun = waited_s(server), time.monotonic()
        subprocess.run(["wrk", "-t1", "-c16", "-d2", url], stdout=subprocess.DEVNULL, check=True)
        depth = (waited_s(server) - before) / (time.monotonic() - begun)
        if depth < 5:
            break
    assert depth < 5


@only("prefork", "threads")
def test_workers_have_short_slices(launch: Launcher) -> None:
    server = launch("--workers=2")
    if 0 in slices(server):
        pytest.skip("this kernel has one slice for all")
    eventually("two short slices", lambda: slices(server).count(200_000), lambda short: short == 2)


def in_time(server: Server, connection: Connection) -> None:
    begun = time.monotonic()
    assert connection.get("/hello").status == 200
    assert time.monotonic() - begun < patience(2)


@only("prefork", "threads")
@pytest.mark.parametrize("target", ["/cpu?n=4000000", "/block?ms=4000"])
def test_a_worker_that_does_not_say_that_it_waits_holds_up_nobody(
    launch: Launcher, target: str
) -> None:
    """More of them than cores, one after the other; another worker soon looks for work."""
    server = launch(f"--workers={MANY}", "--shutdown-timeout=0.1", prefix=CORE)
    busy = [server.connect() for _ in range(8)]
    try:
        for connection in busy:
            connection.send(message("GET", target))
            with server.connect() as other:
                in_time(server, other)
        eventually("these alone are served", server.contexts, lambda number: number == len(busy))
    finally:
        for connection in busy:
            connection.close()


@only("prefork")
def test_a_worker_that_was_stopped_holds_up_nobody(launch: Launcher) -> None:
    """It leads, so that the kernel tells it of what comes next: until it is seen, and replaced."""
    server = launch(f"--workers={MANY}", prefix=CORE, expected=KILLED)
    stopped: List[int] = []
    try:
        for _ in range(4):
            leader = json.loads(server.get("/whoami", timeout=patience(5)).body)["pid"]
            assert leader not in stopped
            os.kill(leader, signal.SIGSTOP)
            stopped.append(leader)
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert server.get("/hello").status == 200


def watch(server: Server, load: Load, seconds: float) -> None:
    """Looks for so long, and on while it suspects, for a request that waits though no worker runs:
    at twenty looks in turn, 5 ms and more apart, all are asleep. The clients have heard what came
    between two looks, however long this machine takes to let them."""
    until = time.monotonic() + seconds
    looks: Dict[Tuple[int, float], int] = {}  # by request: at how many in turn it has waited
    while time.monotonic() < until or max(looks.values(), default=0) > 1:
        pids = server.worker_pids()
        asleep = pids and all(processes.state(pid) == "S" for pid in [server.pid, *pids])  # the master mends
        asked = [(client.number, client.asked_at) for client in load.clients if client.asked_at != 0]
        looks = {request: looks.get(request, 0) + 1 for request in asked} if asleep else {}
        assert max(looks.values(), default=0) < 20, f"all workers sleep, and {looks} wait"
        turns = load.turns
        time.sleep(0.005)
        eventually("the clients turn", lambda: load.turns, lambda now: now > turns)


@only("prefork")
def test_workers_killed_at_any_moment_leave_nobody_waiting(launch: Launcher) -> None:
    """Between any two words: then a free place, or one told to work and not woken, would be left,
    and connections that nobody looks at though workers stand by."""
    server = launch(expected=KILLED)
    chance = random.Random(17)
    with Load(server.address, 16, pause=0.001) as load, \
            Load(server.address, 8, message("GET", "/sleep?ms=3"), pause=0.001) as waiting:
        for _ in range(fewer(60)):
            pids = server.worker_pids()
            if pids:
                os.kill(chance.choice(pids), signal.SIGKILL)
            watch(server, load, chance.random() * 0.05)
        server.wait_for_workers()
        before = [client.answers for client in load.clients + waiting.clients]
        deadline = time.monotonic() + patience(10)
        while time.monotonic() < deadline and any(
            client.answers <= count
            for client, count in zip(load.clients + waiting.clients, before)
        ):
            time.sleep(0.01)
    for client, count in zip(load.clients + waiting.clients, before):
        assert client.answers > count, f"client {client.number} was forgotten"
        assert client.longest < patience(5)
