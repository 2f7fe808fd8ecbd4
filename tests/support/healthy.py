# SPDX-License-Identifier: MIT
"""Healthy clients beside hostile ones: every answer is checked, every wait bounded."""

import time
from contextlib import contextmanager
from typing import Iterator

from support.client import Address, Response
from support.load import Load
from support.variant import patience


def _exact(answer: Response) -> bool:
    return answer.status == 200 and answer.body == b"Hello, World!"


@contextmanager
def healthy(
    address: Address, bound: float = 3.0, answers: int = 20, fresh: bool = True
) -> Iterator[None]:
    """One client on a connection that it keeps and (fresh) one that opens one each time ask for
    /hello while the block runs, and on until each has had so many answers.

    Fails when an answer is wrong, a connection is closed on them, or one waits for longer than
    `bound` seconds of a release build: long, for a machine that has much else to do, but short
    beside what a client waits for that is shut out.
    """
    loads = [Load(address, 1, accept=_exact)]
    if fresh:
        loads.append(Load(address, 1, fresh=True, accept=_exact))
    for load in loads:
        load.__enter__()
    try:
        yield
        limit = time.monotonic() + patience(10 + bound)
        while any(load.answers < answers for load in loads) and time.monotonic() < limit:
            time.sleep(0.01)
    finally:
        for load in loads:
            load.stop()
    for load in loads:
        assert not load.failures, load.failures[:3]
        assert load.longest < patience(bound), f"a healthy client waited for {load.longest:.2f} s"
        assert load.answers >= answers, f"only {load.answers} answers"
