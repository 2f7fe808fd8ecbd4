# SPDX-License-Identifier: MIT
"""The progress line."""

import io
from dataclasses import replace
from typing import Any

import made
import pytest
from lab.ask import plan
from lab.show.document import Run
from lab.programs import budget
from lab.programs.progress import Progress, clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


PLAN = replace(plan.ordered(made.plan((made.cell("sleep", made.CORO),))), precision=0.02)


def run(done: int = 0, **fields: Any) -> Run:
    """So many of three steps are done."""
    samples = [made.sample(made.CORO, "sleep", block) for block in range(done)]
    return Run(replace(PLAN, **fields), {}, "", "", samples)


@pytest.fixture(autouse=True)
def a_step_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "seconds_planned", lambda plan: 1.0 * len(plan.steps))
    monkeypatch.setattr(budget, "known", lambda run: "so much is known")


def test_on_a_terminal_it_leaves_no_trace() -> None:
    screen = Terminal()
    progress = Progress(screen, run())
    progress.show()
    progress.close()
    assert "[1/3] block 1/3  sleep coro  0:03 left" in screen.getvalue()
    assert "known" not in screen.getvalue()  # it was not asked yet
    assert screen.getvalue().split("\r")[-2].strip() == "" and screen.getvalue().endswith("\r")


def test_elsewhere_it_says_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("lab.programs.progress.time.monotonic", lambda: now[0])
    pipe, measured = io.StringIO(), run(budget_s=60.0)
    progress = Progress(pipe, measured)
    for at, done in ((100, 0), (105, 1), (111, 2), (112, 2)):
        now[0] = at
        measured.samples = run(done).samples
        progress.show()
    progress.close()
    (line,) = pipe.getvalue().splitlines()
    assert line == "[3/3] block 3/3  sleep coro  at most 0:49 left; so much is known"


def test_the_time_left_of_a_run_that_goes_on_is_by_its_own_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("lab.programs.progress.time.monotonic", lambda: now[0])
    progress = Progress(Terminal(), run(done=2))
    progress.show()
    now[0] = 106.0
    assert progress.seconds_left() == pytest.approx((6 + 3 * 1.0) / 3)


@pytest.mark.parametrize("seconds, text", [(0, "0:00"), (61.4, "1:01"), (-3, "0:00"), (600, "10:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
