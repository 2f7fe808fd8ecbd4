# SPDX-License-Identifier: MIT
"""The progress line."""

import io

import made
import pytest
from lab.ask import plan
from lab.programs.progress import Progress, clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals_and_leaves_no_trace() -> None:
    cell = made.cell("sleep", made.CORO)
    step = plan.Step(0, cell, made.CORO)
    screen, pipe = Terminal(), io.StringIO()
    for stream in (screen, pipe):
        progress = Progress(stream, 10, 10.0)
        progress.show(0, step, 3)
        progress.clear()
    assert pipe.getvalue() == ""
    assert "[1/10] block 1/3  sleep coro  0:10 left" in screen.getvalue()
    assert screen.getvalue().split("\r")[-2].strip() == "" and screen.getvalue().endswith("\r")


@pytest.mark.parametrize("seconds, text", [(0, "0:00"), (61.4, "1:01"), (-3, "0:00"), (600, "10:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
