# SPDX-License-Identifier: MIT
"""System calls for GET /hello: on warm keep-alive connections, and with a connection for each."""

import shutil
from pathlib import Path

import pytest

from counting import system_calls, system_calls_of_a_connection
from support.configurations import Configuration
from support.variant import VARIANT

CORO = Configuration("coro", ("--model=coro",))
THREADS = Configuration("threads", ("--model=threads", "--workers=4"))
PREFORK = Configuration("prefork", ("--model=prefork", "--workers=4"))
DEDICATED = Configuration(
    "prefork-connection", ("--model=prefork", "--workers=8", "--dispatch=connection")
)
BUDGETS = [
    # One epoll_wait() serves all connections that are ready: at most one each.
    (CORO, {"recvfrom": 1, "sendto": 1, "epoll_wait": 1}),
    (THREADS, {"epoll_wait": 1, "recvfrom": 1, "sendto": 1, "epoll_ctl": 1}),
    (PREFORK, {"epoll_wait": 1, "recvfrom": 1, "sendto": 1, "epoll_ctl": 1}),
    (DEDICATED, {"poll": 1, "recvfrom": 1, "sendto": 1}),
]
# A request that is not there yet when its connection is accepted takes one more recvfrom(), an
# epoll_ctl() and a turn of epoll_wait(); so does the client's FIN, as this is no rush (rush.h).
# libev answers a FIN, which it did not ask for, with an epoll_ctl() of its own.
CLOSE = {"accept4": 1, "recvfrom": 3, "sendto": 1, "shutdown": 1, "close": 1}
CLOSE_BUDGETS = [
    (CORO, {**CLOSE, "accept4": 2, "epoll_ctl": 2, "epoll_wait": 3}),
    (THREADS, {**CLOSE, "epoll_ctl": 3, "epoll_wait": 3}),
    (PREFORK, {**CLOSE, "epoll_ctl": 3, "epoll_wait": 3}),
]
TICKS = 0.25  # what the master and the clock may add on a machine that takes long over it
# A worker that is held up, which tracing it does, has another wait beside it (leaders.h): calls that
# other programs cause, and only ever more of them.
ATTEMPTS = 4
SAME = {"epoll_pwait": "epoll_wait", "ppoll": "poll"}  # where the architecture has no other

pytestmark = [
    pytest.mark.skipif(VARIANT != "release", reason="sanitizers make calls of their own"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="no strace"),
]


@pytest.mark.parametrize("depth", [1, 16], ids=["one-by-one", "pipelined"])
@pytest.mark.parametrize(("configuration", "budget"), BUDGETS, ids=[c.name for c, _ in BUDGETS])
def test_hello(
    configuration: Configuration, budget: "dict[str, int]", depth: int, tmp_path: Path
) -> None:
    """Sixteen requests that come in one piece cost no more calls than one: all is in one send."""
    found, table = system_calls(configuration, tmp_path, depth)
    print(f"{configuration.name}: calls for {depth} requests in one piece\n{table}")
    _check(found, budget)


@pytest.mark.parametrize(
    ("configuration", "budget"), CLOSE_BUDGETS, ids=[c.name for c, _ in CLOSE_BUDGETS]
)
def test_a_connection_of_one_request(
    configuration: Configuration, budget: "dict[str, int]", tmp_path: Path
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        found, table = system_calls_of_a_connection(configuration, tmp_path)
        print(f"{configuration.name}: calls for a connection of one request\n{table}")
        if attempt == ATTEMPTS or not _excess(found, budget):
            break
    _check(found, budget)


def _excess(found: "dict[str, float]", budget: "dict[str, int]") -> "list[str]":
    allowed = {name: budget.get(SAME.get(name, name), 0) for name in found}
    return [f"{name}: {count:.3f}, allowed {allowed[name]}"
            for name, count in found.items() if count > allowed[name] + TICKS]  # fmt: skip


def _check(found: "dict[str, float]", budget: "dict[str, int]") -> None:
    assert found, "nothing was traced"
    assert not _excess(found, budget)
