# SPDX-License-Identifier: MIT
"""slowhttptest in its three modes, in a reduced form; tests/slowhttptest runs the full one."""

import pytest

from support.configurations import POOL, Configuration, only
from support.slowhttptest import MODES, Attack, faults, trial
from support.variant import VARIANT, patience

# What a held pool costs, not what a busy machine does; the full form measures.
LATE = patience(3)


@pytest.mark.skipif(VARIANT != "release", reason="measures; a sanitizer finds more beside it")
@only("prefork", "threads", "coro")
@pytest.mark.parametrize("mode", MODES)
def test_slowhttptest(configuration: Configuration, mode: str) -> None:
    outcome = trial(
        configuration,
        ["--header-timeout=2", "--body-timeout=2", "--write-timeout=2"],
        mode,
        Attack(connections=20 * POOL, rate=100, seconds=4),
    )
    # A slow reader holds a worker as long as it is served: a pool drops those beyond its limit.
    assert outcome.open_most > (POOL // 2 if mode == "X" else POOL)
    assert outcome.delays.rounds > 10
    assert not faults(outcome, LATE), outcome
