# SPDX-License-Identifier: MIT
"""Going on with a run that was stopped: what is refused. test_bench.py goes on with one."""

import json
from dataclasses import replace
from pathlib import Path

import made
import made_run
import pytest
from lab.ask.plan import Cell, Configuration
from lab.ask.workloads import WORKLOADS
from lab.machine.errors import LabError
from lab.measure.measurement import Bench, Programs
from lab.measure.sample import Count
from lab.programs import bench, options, run as running
from lab.show.document import Run


def stored(folder: Path, command: str, *more: Configuration) -> Path:
    run = made_run.run([Cell(WORKLOADS["hello"], 64, (made.CORO, *more))])
    run.command, run.plan = command, replace(run.plan, syscalls=True)
    (folder / "run.json").write_text(json.dumps(made_run.as_json(run)))
    return folder


def read(folder: Path, *words: str) -> tuple[Run, str]:
    parser = options.parser()
    run, given = bench.taken_up(parser, parser.parse_args([f"--resume={folder}", *words]))
    return run, given.server


def test_it_has_the_runs_plan_and_server_and_a_budget_of_its_own(tmp_path: Path) -> None:
    folder = stored(tmp_path, "scripts/bench --server other/server --seed 3")
    run, server = read(folder, "--budget=60")
    assert (server, run.plan.budget_s, run.plan.seed) == ("other/server", 60.0, 7)
    assert len(run.samples) == len(run.plan.steps) == 3 and not run.complete
    assert read(folder)[0].plan.budget_s == 0.0


@pytest.mark.parametrize("words", [[], ["--budget=0"]])
def test_a_complete_run_without_a_budget_is_left_as_it_is(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where its own plan had one."""
    file = stored(tmp_path, "scripts/bench") / "run.json"
    document = json.loads(file.read_text())
    document["plan"]["budget_s"] = 110.0
    file.write_text(json.dumps(document))
    before = file.read_text()
    assert bench.main([f"--resume={tmp_path}", *words]) == 0
    assert capsys.readouterr().out == f"{tmp_path} is complete, and left as it is: --budget goes on with it\n"
    assert file.read_text() == before and [*tmp_path.iterdir()] == [file]


def test_a_run_of_another_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="a run of scripts/claims"):
        read(stored(tmp_path, "scripts/claims --blocks 6"))


def test_another_machine_or_server_is_refused(tmp_path: Path) -> None:
    run, _ = read(stored(tmp_path, "scripts/bench"))
    bench.check_same(run, dict(run.environment))
    for name in bench.SAME:
        with pytest.raises(LabError, match=f"{name.replace('_', ' ')} was .*, and is another here"):
            bench.check_same(run, {**run.environment, name: "another"})


def test_system_calls_that_were_counted_are_kept_and_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = read(stored(tmp_path, "scripts/bench", made.THREADS), "--budget=0.001")
    kept = [*run.counts]
    assert [count.configuration for count in kept] == ["coro"]  # also where it is stopped before it counts
    new = Count("hello", 64, "threads(64)", 1, {})

    def count(_bench: Bench, _cell: Cell, configuration: Configuration) -> Count:
        assert configuration == made.THREADS
        return new

    monkeypatch.setattr("lab.measure.syscalls.count", count)
    running.perform(run, Programs(made.FAKE, made.ROOT))
    assert run.complete and run.counts == [*kept, new]


def test_two_runs_that_end_in_the_same_second_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "utc", lambda form: "20260101T000000Z")
    first = running.new_folder(tmp_path, "x")
    first.mkdir()
    assert first.name == "20260101T000000Z-x" and running.new_folder(tmp_path, "x") != first
