# SPDX-License-Identifier: MIT
"""A flood of clients that no change of workers, of settings or of program may be felt by."""

from contextlib import contextmanager
from typing import Iterator

from support.client import message
from support.load import Load
from support.server import Server
from support.variant import patience


def clients_of(server: Server) -> int:
    """How many a Load may have so that each finds a worker, kept busy or not."""
    return 2 if server.configuration.per_connection else 8


@contextmanager
def flood(server: Server) -> Iterator[Load]:
    """While the block runs connections come and go, others stay, and others wait in a request.

    Yields the load of those that come and go. Fails when one of any kind was refused or reset or
    got a wrong answer, or one of these had to wait for long.
    """
    count = clients_of(server)
    with Load(server.address, count, echo=True, pause=0.001, fresh=True) as fresh, \
            Load(server.address, count, echo=True) as kept, \
            Load(server.address, count, message("GET", "/sleep?ms=20")) as waiting:
        yield fresh
    failures = fresh.failures + kept.failures + waiting.failures
    assert not failures, failures[:3]
    assert fresh.longest < patience(3), f"a client waited for {fresh.longest:.2f} s"
