# SPDX-License-Identifier: MIT
"""A generator that could not do what was asked says so: it is void every time, never merely slow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from loading import VOID, Loaded, finish, start
from staged import Staged
from support.variant import VARIANT
from support.waiting import eventually


@contextmanager
def hogs(core: int, count: int) -> Iterator[None]:
    """Processes that leave a core to nobody."""
    command = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, [{core}])\nprint(flush=True)\nwhile True: pass"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for hog in started:
            assert hog.stdout and hog.stdout.readline()
        yield
    finally:
        for hog in started:
            hog.kill()
            hog.communicate()


def on_core(process: subprocess.Popen[str], core: int) -> None:
    for task in os.listdir(f"/proc/{process.pid}/task"):
        os.sched_setaffinity(int(task), [core])


def assert_void(loaded: Loaded, *words: str) -> None:
    assert loaded.status == VOID
    assert loaded.figures["void"] and "\nvoid: " in loaded.summary
    assert any(word in reason for word in words for reason in loaded.figures["void"]), loaded.figures["void"]


@pytest.mark.skipif(VARIANT != "release", reason="leaves other tests that run just then less than enough")
@pytest.mark.parametrize(("nice", "count"), [(19, 1), (0, 3)])
def test_whose_core_was_taken(nice: int, count: int) -> None:
    """By one that is preferred, and by several that are its equals."""
    core = min(os.sched_getaffinity(0))
    with Staged() as server, hogs(core, count):
        process = start("--rate=1000", "--duration=2", server.url)
        on_core(process, core)
        os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        for task in os.listdir(f"/proc/{process.pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(task), nice)
        assert_void(finish(process), "late itself", "kept waiting itself")


def test_who_was_stopped_for_a_while() -> None:
    with Staged() as server:
        process = start("--rate=500", "--duration=2", server.url)
        eventually("some requests", lambda: len(server.requests) >= 100)
        process.send_signal(signal.SIGSTOP)
        made = len(server.requests)
        time.sleep(0.3)
        process.send_signal(signal.SIGCONT)
        loaded = finish(process)
    assert made < 1000 and loaded.figures["requests"] == 1000  # what was due meanwhile is made all the same
    assert_void(loaded, "late itself")


def test_who_was_asked_for_more_than_it_can() -> None:
    with Staged() as server:
        process = start("--rate=2000000", "--duration=0.5", "--drain=0", "--connections=100", server.url)
        figures: dict[str, Any] = finish(process).figures
    assert figures["void"] != []
