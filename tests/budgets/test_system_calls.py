# SPDX-License-Identifier: MIT
"""System calls for GET /hello: on warm keep-alive connections, and with a connection for each."""

import shutil
from pathlib import Path
from typing import Callable, Mapping

import pytest

from counting import Calls, system_calls, system_calls_of_a_connection
from support.configurations import Configuration
from support.variant import VARIANT

CORO = Configuration("coro", ("--model=coro",))
THREADS = Configuration("threads", ("--model=threads", "--workers=4"))
PREFORK = Configuration("prefork", ("--model=prefork", "--workers=4"))
DEDICATED = Configuration(
    "prefork-connection", ("--model=prefork", "--workers=8", "--dispatch=connection")
)
STEALING = Configuration("stealing", ("--model=stealing", "--workers=1"))
FORKS = Configuration("prefork-none", ("--model=prefork", "--workers=8", "--pool=none"))
CLONES = Configuration("threads-none", ("--model=threads", "--workers=8", "--pool=none"))


class EachMs(float):
    """Calls for each millisecond that passes, in place of each request."""


Budget = Mapping[str, float]  # calls by their names
# A pool's keeper of the time waits on a futex once a millisecond (leaders.h), and no request on any.
KEEPER: Budget = {"futex": EachMs(1)}
# The watch of stealing looks as often, and into the set of the thread if that is behind.
WATCHED: Budget = {"recvfrom": 1, "sendto": 1, "poll": EachMs(2)}
# What it takes to make a worker, begin and end it, and hear of that; the C library's own calls among it.
ANEW = {
    "getpid": 2, "gettid": 1, "rt_sigaction": 2, "sigaltstack": 2, "set_robust_list": 1,
    "poll": 3, "read": 2, "epoll_wait": 1, "epoll_ctl": 1, "recvfrom": 2, "sendto": 1, "brk": 1,
}  # fmt: skip
CHILD = {"clone": 1, "wait4": 2, "close_range": 4, "prctl": 1, "getppid": 1, "rt_sigprocmask": 1}
THREAD = {"clone3": 1, "futex": 1, "madvise": 1, "rseq": 1, "rt_sigprocmask": 4, "sched_getaffinity": 1, "write": 1}
BUDGETS: "list[tuple[Configuration, Budget]]" = [
    # One epoll_wait() serves all connections that are ready: at most one each.
    (CORO, {"recvfrom": 1, "sendto": 1, "epoll_wait": 1}),
    (THREADS, {"epoll_wait": 1, "recvfrom": 1, "sendto": 1, "epoll_ctl": 1}),
    (PREFORK, {"epoll_wait": 1, "recvfrom": 1, "sendto": 1, "epoll_ctl": 1}),
    (DEDICATED, {"poll": 1, "recvfrom": 1, "sendto": 1}),
    # A turn of the loop and a look into the set of its connections, for all that are ready.
    (STEALING, {**WATCHED, "epoll_wait": 2}),
    (FORKS, {**ANEW, **CHILD}),
    (CLONES, {**ANEW, **THREAD}),
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
AT_MOST_BESIDE = 0.05  # where the keeper changes, or a leader that tracing holds up is helped
ATTEMPTS = 3
SAME = {"epoll_pwait": "epoll_wait", "ppoll": "poll"}  # where the architecture has no other

pytestmark = [
    pytest.mark.skipif(VARIANT != "release", reason="sanitizers make calls of their own"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="no strace"),
]


@pytest.mark.parametrize("depth", [1, 16], ids=["one-by-one", "pipelined"])
@pytest.mark.parametrize(("configuration", "budget"), BUDGETS, ids=[c.name for c, _ in BUDGETS])
def test_hello(
    configuration: Configuration, budget: Budget, depth: int, tmp_path: Path
) -> None:
    """Sixteen requests that come in one piece cost no more calls than one: all is in one send."""
    print(f"{configuration.name}: calls for {depth} requests in one piece")
    _check(lambda: system_calls(configuration, tmp_path, depth), budget)


@pytest.mark.parametrize(
    ("configuration", "budget"), CLOSE_BUDGETS, ids=[c.name for c, _ in CLOSE_BUDGETS]
)
def test_a_connection_of_one_request(
    configuration: Configuration, budget: Budget, tmp_path: Path
) -> None:
    print(f"{configuration.name}: calls for a connection of one request")
    _check(lambda: system_calls_of_a_connection(configuration, tmp_path), budget)


@pytest.mark.parametrize(("clients", "turns"), [(1, 2), (64, 1)])
def test_one_look_serves_all_who_are_ready(clients: int, turns: int, tmp_path: Path) -> None:
    """Into two epoll sets, which is two calls a request where there is one connection."""
    print(f"stealing: calls for a request of each of {clients}")
    _check(lambda: system_calls(STEALING, tmp_path, clients=clients), {**WATCHED, "epoll_wait": turns})


def _check(measure: "Callable[[], Calls]", budget: Budget) -> None:
    """What the time adds is measured again where it is too much: a busy machine only adds to it,
    while a change that costs every request a call exceeds in every attempt."""
    over: "dict[str, str]" = {}
    for _ in range(ATTEMPTS):
        over = _over(measure(), budget)
        if not any(isinstance(_each(name, budget), EachMs) for name in over):
            break
    assert not over, "; ".join(over.values())


def _each(name: str, budget: Budget) -> float:
    return {**KEEPER, **budget}.get(SAME.get(name, name), 0)


def _over(found: Calls, budget: Budget) -> "dict[str, str]":
    """What exceeds its budget, by name."""
    print(found)
    assert found.counts, "nothing was traced"
    over = {}
    for name, count in found.counts.items():
        each = _each(name, budget)
        allowed = each * found.ms + AT_MOST_BESIDE if isinstance(each, EachMs) else each + TICKS
        if count > allowed:
            over[name] = f"{name}: {count:.3f}, allowed {allowed:.3f}"
    return over
