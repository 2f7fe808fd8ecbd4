# SPDX-License-Identifier: MIT
"""The progress line: what is measured, the time left, and what is known so far. On a terminal it is
one line, gone before the results appear; elsewhere a line every EVERY_S seconds."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from ..machine.program import say
from ..show.document import Run
from . import budget

EVERY_S = 10.0


class Line:
    """A line that says how far it is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._on = stream, stream.isatty()
        self._asked = time.monotonic()
        self._width = 0

    def due(self) -> bool:
        """Every EVERY_S; then it says no for as long again."""
        now = time.monotonic()
        if now - self._asked < EVERY_S:
            return False
        self._asked = now
        return True

    def tell(self, text: str, due: bool) -> None:
        """On a terminal always; elsewhere when due."""
        if self._on:
            self.say(text)
        elif due:
            say(self._stream, text + "\n")

    def say(self, text: str) -> None:
        """On a terminal, in place of what is there."""
        if self._on:
            text = text[: shutil.get_terminal_size().columns - 1]  # a second line could not be taken back
            say(self._stream, "\r" + text.ljust(self._width))
            self._width = len(text)

    def close(self) -> None:
        if self._on:
            self.say("")
            say(self._stream, "\r")


class Progress(Line):
    """Of a run, step by step."""

    def __init__(self, stream: TextIO, run: Run) -> None:
        super().__init__(stream)
        self._run, self._before = run, len(run.samples)  # some, where it goes on
        self._estimate_s = budget.seconds_planned(run.plan) / max(1, len(run.plan.steps))
        self._begun = time.monotonic()
        self._known = ""

    def show(self) -> None:
        """Of the step that comes next."""
        plan, done, now = self._run.plan, len(self._run.samples), time.monotonic()
        due = self.due()
        if due:  # working out what is known takes time
            known = budget.known(self._run)
            self._known = known and f"; {known}"
        left_s, budget_s = self.seconds_left(), plan.budget_s - (now - self._begun)
        left = f"at most {clock(budget_s)}" if budget_s > left_s else clock(left_s)
        step = plan.steps[done]
        text = (
            f"[{done + 1}/{len(plan.steps)}] block {step.block + 1}/{plan.blocks_of(step.cell)}  "
            f"{step.cell.workload.name} {step.configuration.label}  {left} left{self._known}"
        )
        self.tell(text, due)

    def seconds_left(self) -> float:
        """By the plan's own estimate at first, by the steps' mean time later."""
        elapsed_s, done = time.monotonic() - self._begun, len(self._run.samples)
        a_step_s = (elapsed_s + 3 * self._estimate_s) / (done - self._before + 3)
        return a_step_s * (len(self._run.plan.steps) - done)


def clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02}"
