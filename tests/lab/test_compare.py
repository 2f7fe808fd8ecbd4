# SPDX-License-Identifier: MIT
"""scripts/compare: two staged runs side by side, its conditions and its exit status."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import pytest
from lab.machine.errors import LabError
from lab.ask.workloads import WORKLOADS
from lab.judge import gates
from lab.judge.analysis import CellResult
from lab.show import document
from lab.programs import compare

COMPARE = str(made.ROOT / "scripts/compare")


def staged(
    factor: float, blocks: int = 8, workload: str = "sleep", coro_cpu_us: float = 20.0,
    again: float | None = None,
) -> document.Run:
    """A run of threads and coro, 16 connections, coro's throughput by a factor; again: and by
    this one when it is run twice."""
    configurations = (made.THREADS, made.CORO, *([made.AGAIN] if again else []))
    factors = {made.CORO: factor, made.AGAIN: factor * (again or 1.0)}
    cell = made.cell(workload, *configurations, connections=16)
    run = document.Run(made.plan((cell,), blocks), {"kernel": "1"}, "x", "2026-01-01T00:00:00Z")
    for block in range(blocks):
        for configuration in cell.configurations:
            rps = (700.0 + block % 3) * factors.get(configuration, 1.0)
            cpu_us = coro_cpu_us if configuration is made.CORO else 20.0
            sample = made.sample(
                configuration, workload, block, rps=rps, connections=16, cpu_us=cpu_us
            )
            sample.gates = gates.check(sample, cell.workload, configuration)
            run.samples.append(sample)
    run.complete = True
    return run


def cells(*arguments: Any, **fields: Any) -> list[CellResult]:
    return staged(*arguments, **fields).results()


def test_ratios_are_second_to_first_with_an_interval() -> None:
    compared = {c.configuration: c for c in compare.compare(cells(1.0), cells(0.9))}
    slower, same = compared["coro"].ratios["rps"], compared["threads(64)"].ratios["rps"]
    assert slower is not None and same is not None
    assert slower.ratio == pytest.approx(0.9, abs=0.003) and slower.state == "less"
    assert slower.low <= slower.ratio <= slower.high
    assert same.state == "equal"


def test_each_line_says_how_many_blocks_it_is_of() -> None:
    compared = compare.compare(cells(1.0), cells(0.9, blocks=5))
    head, _, *lines = compare.render(compared, ["rps"]).splitlines()
    assert head.split() == ["configuration", "n", "rps"]
    assert lines[1].split()[-4:-2] == ["5", "0.900"]


def test_who_shared_cores_is_not_ahead_of_who_did_not() -> None:
    (result,) = cells(1.0)
    rows = (replace(result.rows[0], configuration=made.SHARED), result.rows[1])
    assert len(compare.winners([result])) == 1
    assert compare.winners([replace(result, rows=rows)]) == {}


def test_void_samples_do_not_count() -> None:
    spoilt = staged(0.5)
    for sample in spoilt.samples:
        if sample.configuration == "coro":
            sample.gates = ["spoilt"]
    assert counted(compare.compare(cells(1.0), spoilt.results())) == ["threads(64)"]


def counted(compared: list[compare.Compared]) -> list[str]:
    return [each.configuration for each in compared if any(each.ratios.values())]


def test_cpu_in_floors_needs_the_floor() -> None:
    (first, *_) = compare.compare(cells(1.0), cells(1.0))
    assert first.ratios["cpu_x_floor"] is None


@pytest.mark.parametrize(
    "condition, holds",
    [
        ("sleep:coro:rps<0.95", True),
        ("sleep:coro:rps<0.85", False),
        ("sleep@16:coro:rps<0.95", True),
        ("sleep:threads:rps<0.95", False),
        ("sleep:threads(64):rps>=0.5", True),
        ("sleep:coro:cpu > 1.05", False),
        ("sleep:coro:rps<0.9001", None),  # inside the interval
    ],
)
def test_conditions(condition: str, holds: bool | None) -> None:
    compared = compare.compare(cells(1.0), cells(0.9))
    (found,) = compare.conditions(condition, compared)
    assert found.holds is holds


def test_two_blocks_decide_no_condition() -> None:
    (found,) = compare.conditions(
        "sleep:coro:rps<0.95", compare.compare(cells(1.0, blocks=2), cells(0.5, blocks=2))
    )
    assert found.holds is None


@pytest.mark.parametrize(
    "condition, words",
    [
        ("sleep:coro", "expected WORKLOAD"),
        ("sleep:coro:speed<1", "the metrics are"),
        ("sleep:nginx:rps<1", "no such figure"),
        ("sleep@17:coro:rps<1", "no such figure"),
        ("sleep:cor:rps<1", "no such figure"),
    ],
)
def test_conditions_that_mean_nothing_are_mistakes(condition: str, words: str) -> None:
    with pytest.raises(LabError, match=words):
        compare.conditions(condition, compare.compare(cells(1.0), cells(1.0)))


def flipped(first: list[CellResult], second: list[CellResult]) -> list[str]:
    return compare.flips(compare.winners(first), compare.winners(second))


def test_a_flip_is_a_change_of_winner_and_not_of_a_tie() -> None:
    assert flipped(cells(1.1), cells(1.2)) == []
    assert flipped(cells(1.1), cells(1.0)) == []
    (flip,) = flipped(cells(1.1), cells(0.9))
    assert "requests/s: coro was ahead of threads(64), and now it is behind" in flip


def test_within_the_noise_floor_nobody_wins() -> None:
    assert set(compare.winners(cells(1.04)).values()) == {"coro"}
    assert set(compare.winners(cells(1.04, again=1.05)).values()) == {""}


def test_where_cpu_time_decides_throughput_flips_nothing() -> None:
    def hello(factor: float, coro_cpu_us: float) -> list[CellResult]:
        return cells(factor, workload="hello", coro_cpu_us=coro_cpu_us)

    assert flipped(hello(1.1, 24.0), hello(0.9, 24.0)) == []
    (flip,) = flipped(hello(1.0, 16.0), hello(1.0, 24.0))
    assert "CPU per request: coro was ahead of threads(64), and now it is behind" in flip


def test_where_neither_decides_nobody_wins() -> None:
    assert compare.winners(cells(1.1, workload="interference")) == {}


def test_a_void_row_is_compared_with_nothing() -> None:
    spoilt = staged(0.5)
    for sample in spoilt.samples:
        if sample.configuration == "coro" and sample.block % 2:
            sample.gates = ["spoilt"]  # the others could be believed
    compared = compare.compare(cells(1.0), spoilt.results())
    assert counted(compared) == ["threads(64)"]
    assert compare.render(compared, ["rps"]).splitlines()[-1].split() == (
        "sleep, 16 connections, coro void in B –".split()
    )


@pytest.mark.parametrize("swapped", [False, True])
def test_a_condition_passes_over_nothing(swapped: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """What breaks a cell, or leaves it out, is no pass."""
    every = [64, 256, 1024]
    whole = [made.result(WORKLOADS["hello"], n, {made.CORO: {}, made.THREADS: {}}) for n in every]
    void = made.result(WORKLOADS["hello"], 256, {made.CORO: {"pids_changed": True}, made.THREADS: {}})
    other, run = [whole[0], void], "A" if swapped else "B"
    compared = compare.compare(other, whole) if swapped else compare.compare(whole, other)
    found = compare.conditions("hello:coro:rps<0.95", compared)
    assert [each.holds for each in found] == [False, None, None] and compare.verdict(found) == compare.UNDECIDED
    assert capsys.readouterr().out == (
        f"undecided: hello, 256 connections, coro: rps void in {run}\n"
        f"undecided: hello, 1024 connections, coro: rps not measured in {run}\n"
    )
    (found_at,) = compare.conditions("hello@64:coro:rps<0.95", compared)
    assert found_at.holds is False
    assert compare.verdict(compare.conditions("hello@64:coro:rps<1.05", compared)) == compare.FAILED


def test_the_second_of_an_aa_pair_is_no_size_of_its_model() -> None:
    compared = compare.compare(cells(1.0, again=1.0), cells(1.0))
    assert len(compare.conditions("sleep:coro:rps<0.95", compared)) == 1
    assert len(compare.conditions("sleep:coro again:rps<0.95", compared)) == 1


def run_compare(tmp_path: Path, first: Any, second: Any, *arguments: str) -> Any:
    for name, data in (("a", first), ("b", second)):
        (tmp_path / name).mkdir()
        text = json.dumps(document.to_json(data, data.results()) if data else {})
        (tmp_path / name / "run.json").write_text(text)
    return subprocess.run(
        [sys.executable, COMPARE, tmp_path / "a", tmp_path / "b", *arguments],
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments, code",
    [
        ([], 0),
        (["--fail-if", "sleep:coro:rps<0.5"], 0),
        (["--fail-if", "sleep:coro:rps<0.95"], 1),
        (["--fail-if", "sleep:coro:rps<0.8182"], 3),
        (["--fail-if", "sleep:coro:rps<0.8182", "--fail-if", "sleep:coro:rps<0.95"], 1),
        (["--fail-on-flip"], 1),
        (["--fail-if", "nonsense"], 64),
        (["--metrics", "speed"], 64),
    ],
)
def test_exit_status(tmp_path: Path, arguments: list[str], code: int) -> None:
    done = run_compare(tmp_path, staged(1.1), staged(0.9), *arguments)
    assert done.returncode == code, done.stderr
    assert (code in (2, 64)) == (done.stdout == "")


def test_all_void_is_undecided_and_nothing_in_common_an_error(tmp_path: Path) -> None:
    spoilt = staged(0.9)
    for sample in spoilt.samples:
        sample.gates = ["spoilt"]
    for name, other, code in (("void", spoilt, 3), ("else", staged(0.9, workload="mix"), 2)):
        (tmp_path / name).mkdir()
        done = run_compare(tmp_path / name, staged(1.1), other, "--fail-if", "sleep:coro:rps<0.95")
        assert done.returncode == code, done.stderr
        assert ("void in B" in done.stdout) == (code == 3)


def test_what_is_no_run_is_said_in_a_line(tmp_path: Path) -> None:
    done = run_compare(tmp_path, None, None)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
