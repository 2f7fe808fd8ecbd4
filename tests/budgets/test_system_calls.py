# SPDX-License-Identifier: MIT
"""System calls for GET /hello on warm keep-alive connections, one by one and pipelined."""

import shutil
from pathlib import Path

import pytest

from counting import system_calls
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
TICKS = 0.25  # what the master and the clock may add on a machine that takes long over it
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
    assert found, "nothing was traced"
    for name, count in found.items():
        allowed = budget.get(SAME.get(name, name), 0)
        assert count <= allowed + TICKS, f"{name}: {count:.3f}, allowed {allowed}"
