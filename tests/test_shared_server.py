# SPDX-License-Identifier: MIT
"""That the server many tests share fails one of them when it dies or does not start, and no more."""

import signal

import pytest

from support.configurations import CONFIGURATIONS
from support.server import SharedServer

CORO = next(c for c in CONFIGURATIONS if c.name == "coro")


def test_one_that_died_fails_who_finds_it_dead() -> None:
    shared = SharedServer(CORO)
    first = shared.running()
    assert shared.running() is first
    first.signal(signal.SIGKILL)
    first.process.wait()
    with pytest.raises(AssertionError):
        shared.running()
    assert shared.running().get("/hello").status == 200
    shared.stop()


def test_one_that_ended_in_good_order_has_still_ended() -> None:
    shared = SharedServer(CORO)
    first = shared.running()
    first.signal(signal.SIGTERM)
    first.process.wait()
    with pytest.raises(AssertionError, match="has ended between tests"):
        shared.running()
    shared.stop()


def test_one_that_does_not_start_is_tried_again() -> None:
    shared = SharedServer(CORO, "--no-such-option")
    for _ in range(2):
        with pytest.raises(AssertionError, match="no-such-option"):
            shared.running()
    shared.stop()
