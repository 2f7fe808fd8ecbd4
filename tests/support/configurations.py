# SPDX-License-Identifier: MIT
"""The ways of running the server that tests are repeated for."""

import os
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Tuple

import pytest

from support.variant import VARIANT

POOL = 8  # workers of a pool under test
# Every test is repeated for all, not for those that are chosen for this build.
ALL = os.environ.get("TEST_CONFIGURATIONS") == "all"
if not ALL and "TEST_CONFIGURATIONS" in os.environ:
    raise SystemExit(f"TEST_CONFIGURATIONS={os.environ['TEST_CONFIGURATIONS']}: expected all, or unset")


@dataclass(frozen=True)
class Configuration:
    """One model with its options, and with which builds tests that name no configuration run it."""

    name: str
    options: Tuple[str, ...]
    builds: Tuple[str, ...] = ("release", "asan", "tsan")
    folders: Tuple[str, ...] = ()  # below tests, those whose tests run it; none: all

    @property
    def model(self) -> str:
        return self.name.split("-")[0]

    @property
    def pool(self) -> bool:
        """Workers are blocked while they serve."""
        return self.model not in ("coro", "stealing")

    @property
    def anew(self) -> bool:
        """What serves is made for each request or connection."""
        return "-none" in self.name

    @property
    def forks(self) -> bool:
        """It is a process below the master that has the workers below it, and outlives each."""
        return self.anew and self.model == "prefork"

    @property
    def dispatch(self) -> str:
        return "connection" if "-connection" in self.name else "request"

    @property
    def per_connection(self) -> bool:
        """A connection keeps one of few workers until it closes."""
        return self.pool and self.dispatch == "connection"

    @property
    def worker_processes(self) -> int:
        """How many processes the master has below it."""
        if self.model == "prefork" and not self.forks:
            return POOL
        return 2 if self.name == "coro-2" else 1

    @property
    def width(self) -> int:
        """How many clients may send slowly at once without one of them having to give way.

        A pool keeps some of its workers free of slow clients; with a connection to each
        worker it has room for no more than those either.
        """
        return POOL - 2 if self.pool else 64


_POOL = f"--workers={POOL}"
# Where tests are about how a request is served, and not about its answer.
_HOW = ("models", "faults")
# The release build runs all. Of what has the same code, or the same memory to get wrong, a sanitizer
# runs one: a lock around handlers and a second process with a loop of its own add none to what
# threads and coro have, the pool of --dispatch=connection is the same for threads as for processes, and so
# is who makes workers for --pool=none.
CONFIGURATIONS = (
    Configuration("prefork", ("--model=prefork", _POOL)),
    Configuration("threads", ("--model=threads", _POOL)),
    Configuration("threads-gil", ("--model=threads", _POOL, "--gil"), ("release",)),
    Configuration("coro", ("--model=coro",)),
    Configuration("coro-2", ("--model=coro", "--workers=2"), ("release",)),
    Configuration("stealing", ("--model=stealing", "--workers=4")),
    Configuration(
        "prefork-connection", ("--model=prefork", _POOL, "--dispatch=connection"), ("release", "asan")
    ),
    Configuration(
        "threads-connection", ("--model=threads", _POOL, "--dispatch=connection"), ("release", "tsan")
    ),
    Configuration(
        "prefork-connection-lock",
        ("--model=prefork", _POOL, "--dispatch=connection", "--accept=lock"),
        ("release",),
        _HOW,
    ),
    Configuration("prefork-none", ("--model=prefork", _POOL, "--pool=none"), ("release", "asan"), _HOW),
    Configuration(
        "prefork-none-connection",
        ("--model=prefork", _POOL, "--pool=none", "--dispatch=connection"),
        ("release",),
        _HOW,
    ),
    Configuration("threads-none", ("--model=threads", _POOL, "--pool=none"), ("release",), _HOW),
    Configuration(
        "threads-none-connection",
        ("--model=threads", _POOL, "--pool=none", "--dispatch=connection"),
        ("release", "tsan"),
        _HOW,
    ),
    Configuration("coro-none", ("--model=coro", "--pool=none"), ("release",), _HOW),
    Configuration("coro-connection", ("--model=coro", "--dispatch=connection"), ("release", "asan")),
)
NAMES = tuple(c.name for c in CONFIGURATIONS)


def supported(configuration: Configuration) -> bool:
    """ThreadSanitizer follows neither fork() in numbers nor a shared descriptor table."""
    return VARIANT != "tsan" or configuration.model != "prefork"


def params(*names: str) -> List[Any]:
    """Parameters for the configurations of these names; those of this build when none is given."""
    unknown = set(names) - set(NAMES)
    assert not unknown, f"no such configuration: {unknown}"
    chosen = [c for c in CONFIGURATIONS if (c.name in names if names else ALL or VARIANT in c.builds)]
    return [pytest.param(c, id=c.name) for c in chosen if supported(c)]


def only(*names: str) -> pytest.MarkDecorator:
    """Restricts a test to some configurations, whatever the build."""
    return pytest.mark.parametrize("configuration", params(*names), indirect=True, scope="session")


# Where processes or threads are made anew; of these, for a connection.
NONE = ("prefork-none", "threads-none", "prefork-none-connection", "threads-none-connection")
NONE_CONNECTION = NONE[2:]


def _where(holds: Callable[[Configuration], bool]) -> pytest.MarkDecorator:
    found = [param for param in params() if holds(param.values[0])]
    return pytest.mark.parametrize("configuration", found, indirect=True, scope="session")


# Where a client that says nothing costs no worker, nor a coroutine: all but --dispatch=connection.
per_request = _where(lambda c: c.dispatch == "request")

# Where it matters only how a request waits for its client, and a test takes seconds by nature: a lock around
# handlers, a second process, or when a worker was made changes nothing.
each_way = _where(lambda c: not c.anew and c.name not in ("threads-gil", "coro-2"))


def _can_be_flooded(c: Configuration) -> bool:
    """Not where each of thousands forks an address space of AddressSanitizer's, in tens of milliseconds."""
    return VARIANT == "release" or not c.forks


flooded = _where(_can_be_flooded)
flooded_per_request = _where(lambda c: c.dispatch == "request" and _can_be_flooded(c))
