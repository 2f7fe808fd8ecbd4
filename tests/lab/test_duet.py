# SPDX-License-Identifier: MIT
"""Duets: what scripts/bench --against measures, judges, refuses and writes."""

import json
import math
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import pytest
from made import CORO, FAKE, NO_ERRORS, ROOT, needs_wrk
from lab.ask.plan import Step
from lab.machine.children import Children
from lab.machine.errors import LabError
from lab.measure import duet
from lab.measure.measurement import Bench, Programs
from lab.programs import against, compare
from lab.server import site
from test_bench import bench

CELL = made.cell("hello", CORO, connections=64)


def line(ratios: list[float], **fields: Any) -> against.Line:
    """A turn for each ratio: this server takes so many times the other's 10 µs a request."""
    one = against.Line(CELL, CORO, [])
    for ratio in ratios:
        one.add([
            made.sample(CORO, "hello", rps=9000.0, cpu_us=cpu, connections=64, **fields)
            for cpu in (10.0 * ratio, 10.0)
        ])  # fmt: skip
    return one


@pytest.mark.parametrize(
    "ratios, done, words, code",
    [
        ([1.1, 1.11, 1.09, 1.1], True, "1.100 [1.074, 1.131] × main's in 4 duets: slower by 10 %", 0),
        ([0.9, 0.91, 0.89, 0.9], True, "× main's in 4 duets: faster by 10 %", 0),
        ([1.0, 1.01, 0.99, 1.0], True, "× main's in 4 duets: equal within ±3 %", 0),
        ([1.0, 1.2, 0.9, 1.1], False, "× main's in 4 duets: undecided, ", 3),
        ([1.1, 1.1], False, "(of 2 blocks) × main's in 2 duets: undecided, ", 3),
        ([1.1, 1.1, 1.1], False, "slower by 10 %", 0),
        ([], False, "not measured", 3),
    ],
)
def test_a_line_says_what_its_turns_decide(ratios: list[float], done: bool, words: str, code: int) -> None:
    one = line(ratios)
    assert words in one.text("main")
    assert one.done(0.03) is done
    assert against.verdict([one], []) == code


def test_a_turn_with_an_error_is_kept_and_is_no_pair() -> None:
    one = line([1.1] * 5, load_fields={"errors": {**NO_ERRORS, "status": 3}})
    assert one.compared.ratios["cpu"] is None and len(one.turns) == 5
    assert "void, 3 " in one.text("main")
    assert against.verdict([one], []) == 3


@pytest.mark.parametrize("ratios", [[1.1, 1.11, 1.09, 1.1], [0.9, 0.91, 0.89, 0.9], [1.0, 1.01, 0.99, 1.0]])
def test_an_interval_has_room_for_what_is_not_chance(ratios: list[float]) -> None:
    one = line(ratios)
    by_chance, said = one.sampled["cpu"], one.compared.ratios["cpu"]
    assert by_chance and said and said.ratio == by_chance.ratio and said.state == by_chance.state
    for end, outward in ("low", min), ("high", max):
        sampled, loosened = (math.log(getattr(each, end)) for each in (by_chance, said))
        assert loosened == pytest.approx(outward(sampled * (1 + duet.SYSTEMATIC), sampled / (1 + duet.SYSTEMATIC)))


@pytest.mark.parametrize(
    "condition, code",
    [("hello:coro:cpu>1.05", 1), ("hello:coro:cpu>1.2", 0), ("hello:coro:cpu>1.1", 3), ("hello:coro:rps<0.9", 0)],
)
def test_conditions_go_by_the_whole_interval(condition: str, code: int) -> None:
    assert against.verdict([line([1.1, 1.11, 1.09, 1.1])], [condition]) == code


@pytest.mark.parametrize(
    "other, said",
    [(line([]), "not measured"), (line([1.1] * 5, load_fields={"errors": {**NO_ERRORS, "status": 3}}), "void, 3 ")],
)
def test_a_condition_on_a_line_without_a_ratio_is_undecided(
    other: against.Line, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mix = replace(other, cell=made.cell("mix", CORO, connections=64))
    assert against.verdict([line([1.0] * 4), mix], ["mix:coro:cpu>1.03"]) == compare.UNDECIDED
    assert f"undecided: mix, 64 connections, coro: cpu {said}" in capsys.readouterr().out
    assert against.verdict([line([1.1] * 4), mix], ["mix:coro:cpu>1.03", "hello:coro:cpu>1.03"]) == compare.FAILED


def test_requests_cut_off_count_as_asked() -> None:
    sample = made.sample(CORO, "hello", rps=100.0, cpu_us=10.0, connections=64)
    assert sample.load is not None and sample.load.requests == 1000
    assert duet.cpu_us(sample, 1) == pytest.approx(10.0 * 1000 / 1064)
    assert duet.cpu_us(sample, 16) == pytest.approx(10.0 * 1000 / (1000 + 16 * 64))


def test_turns_go_round_until_all_is_done_or_the_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    quick, slow = line([]), line([])
    turns: list[int] = []

    def turn(benches: Any, step: Step) -> Any:
        turns.append(step.block)
        noisy = 1.0 + 0.4 * (step.block % 2) * (len(turns) % 2)  # of every other line
        return [
            made.sample(CORO, "hello", rps=9000.0, cpu_us=cpu, connections=64)
            for cpu in (10.0 * noisy, 10.0)
        ]

    ticks = iter(range(1000))
    monkeypatch.setattr(duet, "turn", turn)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    against.measure([], [quick, slow], 5.5, 0.03, "main")
    assert turns == [0, 0, 1, 1, 2]
    against.measure([], [line([1.0] * 4)], 5.5, 0.03, "main")  # done: not one more
    assert len(turns) == 5


@needs_wrk
@pytest.mark.parametrize("fault", ["", "body", "exit"])
def test_a_turn_of_two_stand_ins(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duet, "WINDOW_S", 0.3)
    monkeypatch.setenv("FAKE_FAULT", fault)
    (tmp_path / site.NAME).mkdir()
    plan = replace(made.plan((CELL,)), warmup_s=0.2)
    configuration = replace(CORO, server_cpus=(0,), load_cpus=(0,))
    third: list[subprocess.Popen[bytes]] = []
    start = Children.start

    def started(self: Children, argv: Any, *rest: Any, **more: Any) -> subprocess.Popen[bytes]:
        child = start(self, argv, *rest, **more)
        third.extend([child] if argv == duet.COMPUTING else [])
        return child

    monkeypatch.setattr(Children, "start", started)
    with Children() as children:
        one = Bench(children, Programs(FAKE, tmp_path), plan)
        benches = [one, replace(one)]
        if fault:
            with pytest.raises(LabError, match="hello|did not start"):
                duet.turn(benches, Step(0, CELL, configuration))
            return
        both = duet.turn(benches, Step(3, CELL, configuration))
        (computing,) = third  # that takes its share of the core
        assert computing.poll() is not None
    assert [sample.order for sample in both] == [1, 0]
    for sample in both:
        assert sample.load is not None and sample.load.requests > 0
        assert sample.block == 3 and sample.exit_status == 0 and not sample.pids_changed
        assert duet.cpu_us(sample, 1) > 0


@pytest.mark.parametrize(
    "given, connections",
    [([], 256), (["--connections=8"], 8), (["--workloads=cpu"], 16), (["--floor", "--workloads=hello"], 64)],
)
def test_connections_without_work_are_many(given: list[str], connections: int) -> None:
    listed = bench("--against=HEAD", "--workloads=hello", "--models=coro", *given, "--list").stdout
    assert f", {connections} connections, coro\n" in listed


@pytest.mark.parametrize(
    "given, words",
    [
        (["--against=no-such-revision"], "neither a program nor a revision"),
        (["--against=README.md"], "--against README.md: not a program"),
        (["--against=HEAD", "--blocks=3"], "--blocks does not go with --against"),
        (["--against=HEAD", "--budget=0"], "--budget: more than 0 s"),
        (["--against=HEAD", "--workloads=crash"], "nothing that is asked for is a load"),
        (["--against=HEAD", "--fail-if=hello:coro:p99>1"], "no such figure"),
        (["--against=HEAD", "--fail-if=quick"], "expected WORKLOAD"),
        (["--fail-if=hello:coro:cpu>1"], "goes with --against only"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(given: list[str], words: str, tmp_path: Path) -> None:
    done = bench("--server", FAKE, f"--results={tmp_path}", *given)
    assert done.returncode in (1, 64) and words in done.stderr.splitlines()[-1]
    assert done.stdout == "" and not list(tmp_path.iterdir())


def test_a_revision_that_does_not_build_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, folder = tmp_path / "root", tmp_path / "folder"
    folder.mkdir()
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(root)]
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "Makefile").write_text("server:\n\t@echo broken >&2; exit 1\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    monkeypatch.setattr(against, "ROOT", root)
    with pytest.raises(LabError, match="cannot be built: .*(broken|Error 1)"):
        against.other_server("HEAD", folder)
    (root / "Makefile").write_text("server:\n\t@echo '#!/bin/sh' >server; chmod +x server\n")
    subprocess.run([*git, "commit", "-qam", "two"], check=True)
    assert Path(against.other_server("HEAD", tmp_path / "other")).read_text() == "#!/bin/sh\n"
    listed = subprocess.run([*git, "worktree", "list"], capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1


@needs_wrk
def test_a_server_against_itself(tmp_path: Path) -> None:
    """For real, where it is built: the shortest there is, one turn."""
    server = ROOT / "server"
    if not server.exists():
        pytest.skip("./server is not built")
    done = bench("--against", server, "--models=coro", "--workloads=hello", "--budget=0.1", "--warmup=0.1",
                 f"--results={tmp_path}")  # fmt: skip
    assert done.returncode == compare.UNDECIDED, done.stderr
    assert "hello, 256 connections, coro: CPU per request " in done.stdout
    (folder,) = tmp_path.iterdir()
    document = json.loads((folder / "against.json").read_text())
    (only,) = document["lines"]
    assert document["complete"] and only["cpu"]["n"] == 1 and only["cpu"]["low"] is None
    assert len(only["turns"][0]) == 2
    assert 0.5 < only["cpu"]["ratio"] < 2
