# SPDX-License-Identifier: MIT
"""The progress line: what is measured, the time left, and what is known so far. On a terminal it is
one line, gone before the results appear; elsewhere a line every EVERY_S seconds."""

from __future__ import annotations

import shutil
import time
from typing import Callable, TextIO

from ..machine.program import say
from ..ask.plan import Plan

EVERY_S = 10.0


class Progress:
    def __init__(self, stream: TextIO, a_step_s: float) -> None:
        """a_step_s: what a step is expected to take."""
        self._stream = stream
        self._on = stream.isatty()
        self._estimate = a_step_s
        self._begun = self._asked = time.monotonic()
        self._known = ""
        self._done_before: int | None = None
        self._width = 0

    def show(self, plan: Plan, done: int, known: Callable[[], str]) -> None:
        """done: of the plan's steps. known: what is; working that out takes time, so it is asked
        every EVERY_S only."""
        if self._done_before is None:
            self._done_before = done
        now = time.monotonic()
        due = now - self._asked >= EVERY_S
        if due:
            self._known, self._asked = f"; {known()}", now
        step = plan.steps[done]
        left_s = self.seconds_left(done, len(plan.steps))
        budget_s = plan.budget_s - (now - self._begun)
        left = f"at most {clock(budget_s)}" if budget_s > left_s else clock(left_s)
        text = (
            f"[{done + 1}/{len(plan.steps)}] block {step.block + 1}/{plan.blocks_of(step.cell)}  "
            f"{step.cell.workload.name} {step.configuration.label}  {left} left{self._known}"
        )
        if self._on:
            self._write(text)
        elif due:
            say(self._stream, text + "\n")

    def say(self, text: str) -> None:
        if self._on:
            self._write(text)

    def seconds_left(self, done: int, steps: int) -> float:
        """By the plan's own estimate at first, by the steps' mean time later."""
        elapsed, own = time.monotonic() - self._begun, done - (self._done_before or 0)
        a_step = (elapsed + 3 * self._estimate) / (own + 3)
        return a_step * (steps - done)

    def close(self) -> None:
        if self._on:
            self._write("")
            say(self._stream, "\r")

    def _write(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]  # a second line could not be taken back
        say(self._stream, "\r" + text.ljust(self._width))
        self._width = len(text)


def clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02}"
