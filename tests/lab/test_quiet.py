# SPDX-License-Identifier: MIT
"""Patience with a machine on which others work too."""

from typing import Any

import made  # noqa: F401  makes the lab importable
import pytest
from lab.machine import quiet
from lab.machine.procfs import Machine


class Kernel:
    """A machine whose cores are busy for so many looks; the clock moves by sleeping."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, busy_looks: int) -> None:
        self.now = 0.0
        self.busy_s = 0.0
        self.looks_left = busy_looks
        monkeypatch.setattr("lab.machine.quiet.time.sleep", self.sleep)
        monkeypatch.setattr("lab.machine.quiet.time.monotonic", lambda: self.now)
        monkeypatch.setattr("lab.machine.quiet.procfs.machine", self.machine)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.looks_left > 0:
            self.busy_s += seconds
            self.looks_left -= 1

    def machine(self, _cpus: Any) -> Machine:
        return Machine(self.busy_s, 0.0, self.now * 2, 0, 0, 0.0)


def test_patience_waits_until_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, busy_looks=4)
    patience = quiet.Patience(60.0, {0, 1})
    patience.await_quiet()
    assert kernel.looks_left == 0 and 0 < patience.left_s < 60


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, busy_looks=10_000)
    patience = quiet.Patience(2.0, {0, 1})
    patience.await_quiet()
    assert patience.left_s <= 0 and kernel.now <= 2.5
    assert not patience.again(True, 1.0)


def test_only_disturbed_samples_are_repeated() -> None:
    patience = quiet.Patience(10.0, {0})
    assert not patience.again(False, 1.0)
    assert patience.again(True, 1.0)
    assert patience.left_s == 9.0
