# SPDX-License-Identifier: MIT
"""The ways of running the server that every test is repeated for."""

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

import pytest

from support.variant import VARIANT

POOL = 8  # workers of a pool under test


@dataclass(frozen=True)
class Configuration:
    """One model with its options."""

    name: str
    options: Tuple[str, ...]

    @property
    def model(self) -> str:
        return self.name.split("-")[0]

    @property
    def pool(self) -> bool:
        """Workers are blocked while they serve."""
        return self.model != "coro"

    @property
    def dispatch(self) -> str:
        return "connection" if self.name.endswith("-connection") else "request"

    @property
    def per_connection(self) -> bool:
        """A connection keeps one of few workers until it closes."""
        return self.pool and self.dispatch == "connection"

    @property
    def worker_processes(self) -> int:
        """How many processes the master has below it."""
        if self.model == "prefork":
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
CONFIGURATIONS = (
    Configuration("prefork", ("--model=prefork", _POOL)),
    Configuration("threads", ("--model=threads", _POOL)),
    Configuration("threads-gil", ("--model=threads", _POOL, "--gil")),
    Configuration("coro", ("--model=coro",)),
    Configuration("coro-2", ("--model=coro", "--workers=2")),
    Configuration("prefork-connection", ("--model=prefork", _POOL, "--dispatch=connection")),
    Configuration("threads-connection", ("--model=threads", _POOL, "--dispatch=connection")),
    Configuration("coro-connection", ("--model=coro", "--dispatch=connection")),
)
NAMES = tuple(c.name for c in CONFIGURATIONS)


def why_not(configuration: Configuration) -> Optional[str]:
    """Why a configuration is not run in this variant; None: it is.

    ThreadSanitizer follows neither fork() in numbers nor a shared descriptor table.
    """
    if VARIANT != "tsan":
        return None
    if configuration.model == "prefork":
        return "prefork does not run under TSan"
    return "has the threads that coro has" if configuration.name == "coro-connection" else None


def supported(configuration: Configuration) -> bool:
    return why_not(configuration) is None


def params(*names: str) -> List[Any]:
    """Parameters for the configurations of these names; all when none is given."""
    unknown = set(names) - set(NAMES)
    assert not unknown, f"no such configuration: {unknown}"
    return [
        pytest.param(
            c,
            id=c.name,
            marks=[pytest.mark.skip(reason=why)] if (why := why_not(c)) else [],
        )
        for c in CONFIGURATIONS
        if not names or c.name in names
    ]


def only(*names: str) -> pytest.MarkDecorator:
    """Restricts a test to some configurations."""
    return pytest.mark.parametrize("configuration", params(*names), indirect=True, scope="session")


# Where a client that says nothing costs no worker, nor a coroutine: all but --dispatch=connection.
per_request = only("prefork", "threads", "threads-gil", "coro", "coro-2")
