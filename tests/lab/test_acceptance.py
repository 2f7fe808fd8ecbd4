# SPDX-License-Identifier: MIT
"""What scripts/acceptance concludes from given measurements, and patience with the machine."""

import io
from dataclasses import replace
from typing import Any

import made
import pytest
from lab.machine import quiet
from lab.machine.procfs import Machine
from lab.ask import plan
from lab.judge import analysis
from lab.programs import acceptance
from lab.programs.progress import Progress, clock

CORES = plan.Cores((0,), (1,))


def judged(criterion: str, figures: dict[str, dict[str, Any]], blocks: int = 5) -> list[str]:
    cell = acceptance.cells(CORES, [criterion])[criterion]
    samples = [
        made.sample(
            configuration, cell.workload.name, block, connections=cell.connections,
            **figures.get(configuration.label, {}),
        )
        for block in range(blocks)
        for configuration in cell.configurations
    ]  # fmt: skip
    return [str(line) for line in acceptance.JUDGES[criterion](analysis.analyse(cell, samples))]


def verdicts(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines]


def test_waiting_passes_at_its_goals_and_fails_below() -> None:
    good = {
        "prefork(64)": {"rps": 3105.0},
        "threads(64)": {"rps": 3190.0},
        "coro": {"rps": 12_200.0},
    }
    lines = judged("4", good)
    assert verdicts(lines) == ["PASS"] * 4
    assert "97.0 % [97.0 %, 97.0 %] in 5 blocks, goal ≥ 97.0 %" in lines[0]
    assert verdicts(judged("4", {**good, "threads(64)": {"rps": 3000.0}})) == ["PASS", "FAIL", "PASS", "PASS"]
    slow = judged("4", {**good, "coro": {"rps": 9000.0, "cpu_us": 20.0}})
    assert verdicts(slow) == ["PASS", "PASS", "FAIL", "FAIL"]


def test_a_full_core_excuses_one_loop() -> None:
    lines = judged("4", {"coro": {"rps": 11_000.0, "cpu_us": 90.0}})
    assert "PASS" in lines[2] and "its core is full (99.0 %)" in lines[2]


def test_two_workers_are_compared_with_one_in_the_same_block() -> None:
    good: dict[str, dict[str, Any]] = {
        label: {"rps": rps}
        for label, rps in {
            "prefork(1)": 1000.0, "prefork(2)": 1900.0, "threads(1)": 1000.0, "threads(2)": 1850.0,
            "threads(2)+gil": 950.0, "coro": 1010.0, "coro pinned": 1000.0, "coro(2)": 1900.0,
        }.items()
    }  # fmt: skip
    assert verdicts(judged("6", good)) == ["PASS"] * 5
    locked = {**good, "threads(2)+gil": {"rps": 1500.0}}
    assert verdicts(judged("6", locked)) == ["PASS", "PASS", "FAIL", "PASS", "PASS"]


def test_cpu_is_judged_as_a_multiple_of_the_floor() -> None:
    figures = {
        "floor": {"cpu_us": 7.5},
        "coro": {"cpu_us": 8.0},
        "prefork(4)": {"cpu_us": 11.0},
        "threads(4)": {"cpu_us": 11.5},
    }
    lines = judged("11", figures)
    assert verdicts(lines) == ["PASS", "FAIL", "PASS"]
    assert "coro (8.00 µs) × floor: 1.07" in lines[2]


def test_no_believable_block_is_neither_passed_nor_failed() -> None:
    cell = acceptance.cells(CORES, ["11"])["11"]
    lines = acceptance.judge_floor(analysis.analyse(cell, []))
    assert len(lines) == 3
    for line in lines:
        assert str(line).startswith("VOID") and "no block can be believed" in str(line)


@pytest.mark.parametrize("others, void", [(0.05, False), (0.6, True)])
def test_throughput_beside_other_programs_is_void(others: float, void: bool) -> None:
    sample = made.sample(others_cores=others)
    acceptance.void_disturbed(sample)
    assert sample.void is void


@pytest.mark.parametrize(
    "model, pids, tids, contexts, passed",
    [
        ("prefork", 8, 8, 8, True),
        ("prefork", 1, 8, 8, False),
        ("threads", 1, 8, 8, True),
        ("threads", 2, 8, 8, False),
        ("threads", 1, 1, 8, False),
        ("coro", 1, 1, 20, True),
        ("coro", 1, 2, 20, False),
        ("coro", 1, 1, 1, False),
    ],
)
def test_who_answers(model: str, pids: int, tids: int, contexts: int, passed: bool) -> None:
    seen = {"pid": set(range(pids)), "tid": set(range(tids)), "context": set(range(contexts))}
    configuration = replace(made.CORO, model=model)
    assert acceptance.judge_who(configuration, {model}, seen, set()).passed is passed
    assert not acceptance.judge_who(configuration, {"other"}, seen, set()).passed
    assert not acceptance.judge_who(configuration, {model}, seen, {99}).passed


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
