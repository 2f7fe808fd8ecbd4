# SPDX-License-Identifier: MIT
"""The progress line: on a terminal only, and gone before the results appear."""

from __future__ import annotations

import time
from typing import TextIO

from ..machine.program import say
from ..ask.plan import Step


class Progress:
    def __init__(self, stream: TextIO, steps: int, seconds: float) -> None:
        """seconds: what all steps are expected to take."""
        self._stream = stream
        self._on = stream.isatty()
        self._steps = steps
        self._estimate = seconds / max(1, steps)
        self._begun = time.monotonic()
        self._width = 0

    def show(self, index: int, step: Step, blocks: int) -> None:
        """index: steps already done."""
        if not self._on:
            return
        text = (
            f"[{index + 1}/{self._steps}] block {step.block + 1}/{blocks}  "
            f"{step.cell.workload.name} {step.configuration.label}  "
            f"{clock(self.seconds_left(index))} left"
        )
        self._write(text)

    def say(self, text: str) -> None:
        if self._on:
            self._write(text)

    def seconds_left(self, done: int) -> float:
        """By the plan's own estimate at first, by the steps' mean time later."""
        elapsed = time.monotonic() - self._begun
        a_step = (elapsed + 3 * self._estimate) / (done + 3)
        return a_step * (self._steps - done)

    def clear(self) -> None:
        if self._on:
            self._write("")
            say(self._stream, "\r")

    def _write(self, text: str) -> None:
        say(self._stream, "\r" + text.ljust(self._width))
        self._width = len(text)


def clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02}"
