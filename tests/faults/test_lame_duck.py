# SPDX-License-Identifier: MIT
"""--lame-duck: after SIGTERM the server says not ready and serves on, then drains."""

import os
import signal
import threading
import time
from functools import partial
from typing import List

from support import processes
from support.client import Closed, Response, message
from support.configurations import only
from support.server import Launcher, Server
from support.variant import patience
from support.waiting import eventually

LONG = "--lame-duck=600"  # never over by itself in a test
ASKING = 4  # threads
CLOCK = 6  # CLOCK_MONOTONIC_COARSE, which goes by the kernel's ticks: io_now_ms()
CLOCK_UNIT = 0.001  # seconds: what that is cut to


def _become_lame(server: Server) -> None:
    server.signal(signal.SIGTERM)
    server.wait_for_line("lame duck: not ready any more, serving for another [0-9.]+ s")


def test_it_says_not_ready_and_serves(launch: Launcher) -> None:
    server = launch(LONG)
    with server.connect() as idle:
        assert not idle.get("/readyz").closes
        _become_lame(server)
        for target, status in (("/hello", 200), ("/healthz", 200), ("/readyz", 503)):
            answer = server.get(target)
            assert (answer.status, answer.closes) == (status, True)
        assert server.get("/readyz").text == "this server was told to stop\n"
        answer = idle.get("/hello")  # what was open before is served too, once more
        assert answer.status == 200 and answer.closes
        assert idle.read_to_end() == b""
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_idle_connections_stay_until_it_drains(launch: Launcher) -> None:
    server = launch(LONG)
    with server.connect() as used, server.connect() as unused:
        assert used.get("/hello").status == 200
        _become_lame(server)
        assert server.get("/hello").status == 200
        assert unused.get("/hello").closes
        server.signal(signal.SIGTERM)
        assert used.read_to_end() == b""
    assert server.wait() == 0


def test_then_it_drains(launch: Launcher) -> None:
    """When its time is over, without another signal; and not before, by the clock it goes by."""
    server = launch("--lame-duck=0.5")
    head = message("GET", "/hello")
    with server.connect(15) as begun:
        begun.send(head[:10])
        eventually("it has come", server.open_connections, lambda count: count == 1)
        began = time.clock_gettime(CLOCK)
        _become_lame(server)
        eventually("a newcomer is refused", server.refuses, within=10)
        assert time.clock_gettime(CLOCK) - began > 0.5 - CLOCK_UNIT
        begun.send(head[10:])
        answer = begun.read_response()
        assert answer.status == 200 and answer.closes
    assert server.wait() == 0


def test_the_second_signal_drains_and_the_third_stops_at_once(launch: Launcher) -> None:
    server = launch(LONG, "--shutdown-timeout=60")
    _become_lame(server)
    with server.connect(15) as quick, server.connect(15) as endless:
        quick.begin()
        endless.send(message("GET", "/sleep?ms=50000"))
        eventually("both are served", server.contexts, lambda count: count == 2)
        server.signal(signal.SIGINT)
        eventually("a newcomer is refused", server.refuses)
        quick.finish()
        assert processes.alive(server.pid)
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        server.wait(any_status=True)
        assert time.monotonic() - began < patience(4)
        try:
            raise AssertionError(f"an answer: {endless.read_response()}")
        except Closed:
            pass


@only("prefork", "threads", "coro", "stealing", "prefork-connection")
def test_no_request_is_lost_of_clients_that_follow_readyz(launch: Launcher) -> None:
    """Who goes elsewhere once it is told to, as a load balancer does, sees no failure at all."""
    server = launch(LONG)
    failed: List[str] = []
    answered = threading.Semaphore(0)

    def ask() -> None:
        try:
            while True:
                with server.connect() as connection:
                    if connection.get("/readyz").status != 200:
                        return
                while True:
                    with server.connect() as connection:
                        closes = connection.get("/hello").closes
                    answered.release()
                    if closes:
                        break
        except (Closed, OSError) as error:
            failed.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(ASKING)]
    for thread in threads:
        thread.start()
    for _ in range(10 * ASKING):
        assert answered.acquire(timeout=patience(10))
    server.signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert not failed
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


@only("prefork", "threads", "coro", "stealing")
def test_a_worker_that_dies_is_replaced(launch: Launcher) -> None:
    server = launch(LONG)
    before = server.wait_for_workers()
    _become_lame(server)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    server.wait_for_workers(but=before)
    answer = server.get("/hello")
    assert answer.status == 200 and answer.closes
    assert server.get("/readyz").status == 503


@only("prefork", "threads", "coro")
def test_it_is_not_reloaded_nor_upgraded(launch: Launcher) -> None:
    server = launch(LONG)
    workers = server.wait_for_workers()
    _become_lame(server)
    for number, name in ((signal.SIGHUP, "SIGHUP"), (signal.SIGUSR2, "SIGUSR2")):
        server.signal(number)
        server.wait_for_line(f"{name} ignored: this server is finishing")
    assert server.worker_pids() == workers
    assert server.get("/hello").status == 200


@only("prefork", "threads", "coro")
def test_a_reload_under_way_is_given_up(launch: Launcher) -> None:
    """The old generation is the lame duck; whether the new one was ready by then or not."""
    server = launch(LONG)
    server.wait_for_workers()
    server.signal(signal.SIGHUP)
    _become_lame(server)
    assert server.get("/readyz").status == 503
    assert server.get("/hello").closes
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def _is_unready_or_last(answer: Response) -> bool:
    return answer.status != 200 or answer.closes


@only("prefork", "threads", "coro")
def test_who_was_replaced_by_an_upgrade_is_no_lame_duck(launch: Launcher) -> None:
    server = launch(LONG)
    with server.connect() as old:
        assert old.get("/readyz").status == 200
        server.upgrade()
        # By the old server, until it is told and after: the service is ready all the same.
        answer = eventually("it is the last", partial(old.get, "/readyz"), _is_unready_or_last)
        assert answer.status == 200 and answer.closes
        server.wait_for_old()
    assert server.get("/readyz").status == 200
    assert not [line for line in server.lines if "lame duck" in line]
    _become_lame(server)  # the new one
    assert server.get("/readyz").status == 503


def test_without_it_readyz_turns_as_it_drains(launch: Launcher) -> None:
    """To those whose request is under way."""
    server = launch()
    head = message("GET", "/readyz")
    with server.connect(15) as begun:
        begun.send(head[:10])
        eventually("it has come", server.open_connections, lambda count: count == 1)
        server.signal(signal.SIGTERM)
        eventually("a newcomer is refused", server.refuses)
        begun.send(head[10:])
        answer = begun.read_response()
        assert (answer.status, answer.closes) == (503, True)
    assert server.wait() == 0
    assert not [line for line in server.lines if "lame duck" in line]
