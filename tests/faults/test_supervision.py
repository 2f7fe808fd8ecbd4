# SPDX-License-Identifier: MIT
"""Workers that die, stop or stand still, and those that have served their share."""

import json
import os
import random
import signal
import time
from functools import partial
from typing import List, Tuple

import pytest

from support import processes
from support.client import Closed, Connection, message
from support.configurations import only
from support.flood import clients_of
from support.load import WRONG, Load
from support.server import Launcher, Server
from support.variant import VARIANT, fewer, patience
from support.waiting import eventually

EXPECTED = ["worker process"]  # what becomes of it may be logged

# Rounds of each fault; 100 are run by hand before a release.
ROUNDS = int(os.environ.get("SERVER_FAULT_ROUNDS", "3"))
# Bytes that all may have more in the end: what the workers had not touched after the first round.
GROWTH = 4 << 20


def descriptors(server: Server) -> List[int]:
    return [processes.descriptors(pid) for pid in [server.pid, *server.wait_for_workers()]]


def report(server: Server, fault: str, rounds: int, loads: List[Load], recovery: float) -> None:
    """A line for whoever runs the hundred rounds (pytest -rP shows it)."""
    print(f"{server.configuration.name} {fault}: {rounds} rounds, "
          f"{sum(load.answers for load in loads)} requests, "
          f"{sum(len(load.failures) for load in loads)} failed, "
          f"longest time to serve again {recovery:.3f} s, {server.memory() >> 10} kB")


def serves_again(server: Server, since: float) -> float:
    """Seconds from then until a new client is answered; one that fails tries again."""
    while True:
        try:
            if server.get("/hello").status == 200:
                return time.monotonic() - since
        except (Closed, OSError):
            assert time.monotonic() - since < patience(5), "no service"


def _are_others(server: Server, workers: List[int]) -> bool:
    """As many workers as these, but not these."""
    pids = server.worker_pids()
    return len(pids) == len(workers) and set(pids) != set(workers)


def _exceeds(wanted: Tuple[int, int], now: Tuple[int, int]) -> bool:
    return now[0] > wanted[0] and now[1] > wanted[1]


def rounds_of(launch: Launcher, fault: str, *options: str) -> None:
    """That fault, again and again, under a load that judges every answer."""
    server = launch(*options, expected=EXPECTED)
    server.wait_for_workers()
    choose = random.Random(2)
    count = clients_of(server)
    longest = 0.0
    before = descriptors(server)
    memory = 0
    rounds = fewer(ROUNDS)
    with Load(server.address, count, echo=True) as kept, \
            Load(server.address, count, echo=True, fresh=True) as fresh:
        for _ in range(rounds):
            workers = server.wait_for_workers()
            since = time.monotonic()
            if fault == "segv":
                with pytest.raises((Closed, OSError)):
                    server.get("/fault/segv")
            else:
                victim = choose.choice(workers)
                os.kill(victim, getattr(signal, fault))
            longest = max(longest, serves_again(server, since))
            if fault != "segv" or not server.configuration.forks:
                eventually("the worker is replaced", partial(_are_others, server, workers))
            wanted = kept.answers + 10, fresh.answers + 10
            eventually("all go on", lambda: (kept.answers, fresh.answers),
                       partial(_exceeds, wanted), within=10)
            memory = memory or server.memory()
        loads = [kept, fresh]
    assert not [f for load in loads for f in load.failures if f.startswith(WRONG)]
    eventually("no connection is left", server.open_connections, lambda n: n == 0)
    eventually("as many descriptors as before", lambda: descriptors(server)[0],
               lambda n: n <= before[0])
    if VARIANT == "release":  # a sanitizer keeps what was freed
        eventually("as much memory as before", server.memory,
                   lambda n: n <= memory + GROWTH)
    assert longest < patience(2.5)
    report(server, fault, rounds, loads, longest)


@pytest.mark.parametrize("fault", ["SIGKILL", "SIGSTOP"])
def test_signal(launch: Launcher, fault: str) -> None:
    rounds_of(launch, fault)


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers report the death in their own words")
def test_fault_in_a_handler(launch: Launcher) -> None:
    rounds_of(launch, "segv", "--enable-fault-routes")


def test_stopped_for_a_moment(launch: Launcher) -> None:
    """One that goes on in time is left alone."""
    server = launch("--stopped-timeout=30")
    workers = server.wait_for_workers()
    os.kill(workers[0], signal.SIGSTOP)
    eventually("it is stopped", lambda: processes.state(workers[0]), lambda s: s == "T")
    os.kill(workers[0], signal.SIGCONT)
    assert server.get("/hello").status == 200
    assert server.worker_pids() == workers


@only("prefork", "threads", "prefork-connection", "threads-connection")
def test_long_handler_of_a_pool(launch: Launcher) -> None:
    """A worker that is blocked by its request is not hung, however short the timeouts."""
    limit = patience(1)  # the timekeeper beats four times a second
    server = launch(f"--heartbeat-timeout={limit}", f"--stopped-timeout={limit}")
    workers = server.wait_for_workers()
    with server.connect(patience(20)) as connection:
        assert connection.get(f"/block?ms={2500 * limit:.0f}").status == 200
    assert server.worker_pids() == workers


@only("coro")
def test_loop_that_goes_from_one_long_handler_to_the_next(launch: Launcher) -> None:
    """It serves all that have asked before it turns, and each is within the time."""
    limit = patience(1)
    server = launch(f"--heartbeat-timeout={limit}")
    workers = server.wait_for_workers()
    connections = [server.connect(20) for _ in range(5)]
    for connection in connections:
        connection.send(message("GET", f"/block?ms={600 * limit:.0f}"))
    for connection in connections:
        assert connection.read_response().status == 200
        connection.close()
    assert server.worker_pids() == workers


@only("coro", "coro-2")
def test_loop_that_stands_still(launch: Launcher) -> None:
    """It holds up all of its connections, so after a time its process is replaced."""
    server = launch("--heartbeat-timeout=0.5", expected=EXPECTED)
    workers = server.wait_for_workers()
    with server.connect() as connection:
        connection.send(message("GET", "/block?ms=60000"))
        server.wait_for_line("has not turned for --heartbeat-timeout; killing it")
        with pytest.raises(Closed):
            connection.read_response()
    eventually("it is replaced", server.worker_pids,
               lambda pids: len(pids) == len(workers) and set(pids) != set(workers))
    assert server.get("/hello").status == 200


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers report the death in their own words")
@only("coro", "threads")
def test_crash_loop(launch: Launcher) -> None:
    """A pause before each start, twice as long each time, and said."""
    server = launch("--enable-fault-routes", expected=EXPECTED)
    for _ in range(4):
        workers = server.wait_for_workers()
        with pytest.raises((Closed, OSError)):
            server.get("/fault/segv")
        server.wait_for_workers(but=workers)
    server.wait_for_line("soon after its start; replacing it in 10 ms")
    server.wait_for_line("soon after its start; replacing it in 20 ms")
    assert server.get("/hello").status == 200


def test_served_their_share(launch: Launcher) -> None:
    """Workers are replaced after --max-requests; a successor is there first; nothing is lost.
    Of a pool's workers those serve that look for work, perhaps always the same few."""
    server = launch("--max-requests=100", "--shutdown-timeout=20")
    all_serve = server.configuration.per_connection or server.configuration.model != "prefork"
    seen = set(server.wait_for_workers())
    first = set(seen)
    count = clients_of(server)

    def generations() -> bool:
        seen.update(server.worker_pids())
        gone = not first & set(server.worker_pids())
        return len(seen) >= 3 * len(first) and (gone or not all_serve)

    with Load(server.address, count, echo=True, pause=0.001) as kept, \
            Load(server.address, count, echo=True, pause=0.001, fresh=True) as fresh:
        eventually("those who served have been replaced", generations, within=60)
    assert kept.failures + fresh.failures == []
    server.wait_for_workers()


def test_who_has_served_its_share_finishes_what_takes_long(launch: Launcher) -> None:
    """Longer than --shutdown-timeout, which is for those who are to end by a time."""
    server = launch("--max-requests=2", "--shutdown-timeout=0.4")
    slow = [server.connect(10) for _ in range(2)]
    for connection in slow:
        connection.send(message("GET", "/sleep?ms=2000"))
    begun = server.worker_pids()
    for _ in range(3 * len(begun)):
        with server.connect(10) as brief:
            assert brief.get("/hello").status == 200
    assert [connection.read_response().status for connection in slow] == [200, 200]
    server.wait_for_workers()


@only("prefork-connection")
def test_successors_are_bounded(launch: Launcher) -> None:
    """Those told to finish keep their idle clients: until they end, who replaced them is not replaced."""
    workers = 2
    server = launch("--max-requests=1", "--db-connections=1", "--shutdown-timeout=60",
                    model_options=["--model=prefork", "--dispatch=connection", f"--workers={workers}"])
    kept: List[Connection] = []
    try:
        for _ in range(6 * workers):
            if len(kept) == 2 * workers:
                kept.pop(0).close()
            kept.append(server.connect(15))
            assert kept[-1].get("/db").status == 200
            assert len(server.worker_pids()) <= 2 * workers
    finally:
        for connection in kept:
            connection.close()


def test_no_more_than_its_share(launch: Launcher) -> None:
    """Without the option, or before the number is reached, nobody is replaced."""
    server = launch("--max-requests=100000")
    workers = server.wait_for_workers()
    with server.connect() as connection:
        for _ in range(200):
            assert connection.get("/hello").status == 200
    assert server.worker_pids() == workers


def _in_use(asking: Connection) -> int:
    return int(json.loads(asking.get("/status").text)["contexts"]["in_use"])


def test_requests_in_flight_at_a_stop(launch: Launcher) -> None:
    """With as many requests of a second as there are workers: all are answered, exit status 0."""
    ms = int(1000 * patience(1))
    server = launch(f"--shutdown-timeout={patience(10)}")
    count = server.configuration.width
    connections = [server.connect(patience(20)) for _ in range(count)]
    try:
        for connection in connections:
            assert connection.get("/hello").status == 200
        began = time.monotonic()
        for connection in connections:
            connection.send(message("GET", f"/sleep?ms={ms}"))
        with server.connect() as asking:
            eventually("all are being served", partial(_in_use, asking), lambda n: n >= count)
        server.signal(signal.SIGTERM)
        eventually("it has begun to stop", server.refuses)
        # On a busy machine some may have been answered by now.
        in_time = time.monotonic() - began < ms / 1000
        for connection in connections:
            answer = connection.read_response()
            assert answer.text == f"slept {ms}\n"
            assert answer.closes or not in_time
    finally:
        for connection in connections:
            connection.close()
    assert server.wait() == 0


@only("coro", "stealing", "coro-2", "coro-connection")
def test_cancelled_at_the_deadline(launch: Launcher) -> None:
    """What has not finished is cancelled in its wait and unwinds: each answers 503."""
    server = launch("--shutdown-timeout=2")
    connections = [server.connect() for _ in range(20)]
    try:
        for connection in connections:
            connection.send(message("GET", "/sleep?ms=50000"))
        eventually("all are being served", server.contexts, lambda n: n >= 20)
        server.signal(signal.SIGTERM)
        eventually("it has begun to stop", server.refuses)
        server.signal(signal.SIGHUP)
        server.wait_for_line("SIGHUP ignored: this server is finishing")  # all are told by then
        server.signal(signal.SIGSTOP)  # it would kill a worker that gets a core 50 ms late
        for connection in connections:
            answer = connection.read_response()
            assert answer.status == 503 and answer.closes
        eventually("its workers have ended", server.worker_pids, lambda pids: not pids)
    finally:
        server.signal(signal.SIGCONT)
        for connection in connections:
            connection.close()
    assert server.wait() == 0
