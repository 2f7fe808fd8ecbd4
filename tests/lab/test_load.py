# SPDX-License-Identifier: MIT
"""The lab's use of scripts/load: its command line, its figures, its faults, a server under it."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import pytest
from made import CORO, FAKE
from lab.ask.plan import Step
from lab.ask.workloads import WORKLOADS
from lab.machine.children import Children
from lab.machine import procfs
from lab.machine.errors import LabError
from lab.machine.procfs import Machine
from lab.measure import histogram, load, offered
from lab.measure.measurement import Bench, Programs
from lab.server import site

GENERATOR = str(Path(__file__).with_name("fake_load.py"))
HERE = tuple(sorted(os.sched_getaffinity(0)))[:1]
ASKED = load.Command(WORKLOADS["hello"], 1000.0, 2.0, HERE, ramp_s=0.5, give_up_s=1.0, seed=7)
SERVER = "http://127.0.0.1:81"


@pytest.fixture(autouse=True)
def staged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "PROGRAM", GENERATOR)


def run(**fields: Any) -> load.OpenLoad:
    with Children() as children:
        return replace(ASKED, **fields).run(children, SERVER)


def test_the_command_line_says_all_that_is_asked() -> None:
    words = ASKED.argv(SERVER, "F")
    assert words == [
        GENERATOR, "--rate=1000", "--duration=2", "--ramp=0.5", "--connections=1000", "--threads=1",
        "--json=F/load.json", "--give-up=1", "--seed=7", "http://127.0.0.1:81/hello",
    ]  # fmt: skip
    others = replace(ASKED, workload=WORKLOADS["close"], give_up_s=None, seed=None, rate=0.25, cpus=(0, 1))
    said = others.argv(SERVER, "F")
    assert "--close" in said and "--rate=0.25" in said and "--threads=2" in said
    assert not any(word.startswith(("--seed", "--give-up", "--body")) for word in said)
    assert "--body=@F/body" in replace(ASKED, workload=WORKLOADS["echo-1m"]).argv(SERVER, "F")


def test_its_figures_are_read() -> None:
    found = run()
    assert (found.requests, found.answered, found.rate_asked) == (2000, 2000, 1000.0)
    assert found.latency.percentiles_us["p99"] == pytest.approx(1e3, rel=0.01)
    assert found.lag.max_us == 20.0 and histogram.decode(found.lag.hdr) == {42: 1}
    assert found.as_asked and found.failed == 0 and not found.void and found.stopped is None
    assert len(found.backlog) == 1 and found.backlog[0][1] == pytest.approx(1e3, rel=0.01)
    assert found.seed == 7 and found.cpu_busy == 0.3 and found.connections_opened == 10


def test_a_void_run_is_one_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_LOAD", "void")
    assert run().void == ("lag",)
    monkeypatch.setenv("FAKE_LOAD", "behind")
    assert not run(rate=2000.0).as_asked and run().as_asked


def test_what_has_no_good_answer_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_LOAD", "refused")
    assert run(rate=2000.0).failed == 4000
    assert run(rate=20000.0, give_up_s=None).stopped is None
    assert run(rate=20000.0).stopped == load.GIVEN_UP


@pytest.mark.parametrize(
    "fault, words",
    [
        ("exit", "failed (exit 1): load: cannot connect to 127.0.0.1:1: Connection refused"),
        ("garbage", "figures cannot be read"),
        ("nothing", "wrote no figures"),
        ("hang", "did not end"),
    ],
)
def test_a_generator_that_fails_is_one_line(
    fault: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_LOAD", fault)
    monkeypatch.setattr(load, "LATER_S", 10.0 if fault != "hang" else -2.0)
    with pytest.raises(LabError) as caught:
        run()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_one_that_is_not_built_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "PROGRAM", "scripts/no-such")
    with pytest.raises(LabError, match="no load generator at scripts/no-such: build it with make"):
        run()


def test_a_broken_histogram_is_found_when_it_is_read(tmp_path: Path) -> None:
    with Children() as children:
        children.start(ASKED.argv(SERVER, str(tmp_path)), HERE, made.ROOT).wait()
    document = json.loads((tmp_path / "load.json").read_text())
    document["latency_us"]["hdr"] = document["latency_us"]["hdr"][:-12]
    with pytest.raises(LabError, match="no HDR V2 histogram"):
        load.parse(json.dumps(document))


@pytest.mark.parametrize("missing", ["seed", "latency_us", "unfinished", "void", "errors", "cpu"])
def test_a_figure_that_is_missing_is_named(missing: str, tmp_path: Path) -> None:
    with Children() as children:
        children.start(ASKED.argv(SERVER, str(tmp_path)), HERE, made.ROOT).wait()
    document = json.loads((tmp_path / "load.json").read_text())
    load.parse(json.dumps(document))
    del document[missing]
    with pytest.raises(LabError, match=missing):
        load.parse(json.dumps(document))


def test_only_what_is_a_load_and_nothing_else_can_be_offered() -> None:
    assert load.why_not(WORKLOADS["mix"]) is None and load.why_not(WORKLOADS["echo-1m"]) is None
    for name in ("pipeline", "idle", "interference", "crash", "drain"):
        assert load.why_not(WORKLOADS[name])


@pytest.mark.parametrize("fault", ["", "body", "exit"])
def test_a_server_at_an_offered_rate(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", fault)
    (tmp_path / site.NAME).mkdir()
    configuration = replace(CORO, server_cpus=HERE, load_cpus=HERE)
    cell = made.cell("hello", configuration, connections=64)
    busy = iter((0.0, 100.0))
    monkeypatch.setattr(procfs, "machine", lambda cpus: Machine(next(busy), 0.0, 0.0, 0.0, 0))
    with Children() as children:
        bench = Bench(children, Programs(FAKE, tmp_path), made.plan((cell,)))
        if fault == "exit":
            with pytest.raises(LabError, match="did not start"):
                offered.measure(bench, Step(0, cell, configuration), ASKED)
            return
        found = offered.measure(bench, Step(0, cell, configuration), ASKED)
    if fault:
        assert found.load is None and found.problem and "hello" in found.problem
        return
    assert found.load is not None and found.problem is None and found.memory_bytes > 0
    assert found.others_cores > 10.0  # of a hundred seconds in a moment
    assert found.cpu_us is not None
    assert "--rate=1000" in found.commands[1] and "--model=coro" in found.commands[0]
