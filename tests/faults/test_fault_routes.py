# SPDX-License-Identifier: MIT
"""A worker that dies of what its handler does: said, replaced, and served on."""

import pytest

from support.client import Closed
from support.server import Launcher, Server
from support.variant import VARIANT
from support.waiting import eventually

STACKS = {"prefork": "process", "threads": "thread", "coro": "coroutine", "stealing": "coroutine"}

# Sanitizers report these deaths themselves, in words of their own.
pytestmark = pytest.mark.skipif(VARIANT != "release", reason="judged in the release build")


def _die(server: Server, kind: str) -> None:
    """Lets a worker die of it and waits for its replacement."""
    workers = server.wait_for_workers()
    with pytest.raises(Closed):
        server.get(f"/fault/{kind}")
    eventually(
        "the worker is replaced",
        server.worker_pids,
        lambda pids: len(pids) == len(workers) and (set(pids) != set(workers)) != server.configuration.forks,
    )
    assert server.get("/hello").status == 200


def test_stack_overflow_is_reported(launch: Launcher) -> None:
    """With the name of what overflowed and the size of its stack."""
    server = launch("--enable-fault-routes")
    _die(server, "overflow")
    kind = STACKS[server.configuration.model]
    server.wait_for_line(rf"^stack overflow in {kind} .*, whose stack has [0-9]+ bytes$")
    server.wait_for_line("was killed by signal 11")


@pytest.mark.parametrize("kind", ["segv", "abort", "exit"])
def test_worker_that_dies_is_replaced(launch: Launcher, kind: str) -> None:
    _die(launch("--enable-fault-routes"), kind)


def test_without_the_option_there_are_none(launch: Launcher) -> None:
    server = launch()
    for kind in ("segv", "abort", "exit", "overflow"):
        assert server.get(f"/fault/{kind}").status == 404
    assert server.get("/hello").status == 200
