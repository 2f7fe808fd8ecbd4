# SPDX-License-Identifier: MIT
"""Servers and wrk before other programs: who gets which nice value, and what is said of it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator, List, Tuple

import made  # first: it makes the lab importable

import pytest
from lab.machine import priority, procfs
from lab.machine.children import Children
from lab.machine.errors import LabError
from lab.machine.hosts import Hosts
from lab.machine.procfs import Machine, Usage
from lab.ask.plan import Step
from lab.ask.workloads import WORKLOADS
from lab.judge import analysis
from lab.measure import measurement, offered
from lab.measure.measurement import Bench
from lab.show import reading, table
from lab.show.document import Run, to_json
from lab.programs import options

LOWERED = priority.LOWEST  # which anybody may, also who has been lowered


def nice_of(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def autogroup_of(pid: int) -> int | None:
    """Its nice value; None where the kernel has no autogroups."""
    try:
        text = Path(f"/proc/{pid}/autogroup").read_text()
    except FileNotFoundError:
        return None
    return int(text.split()[-1])


def test_a_child_and_its_session_get_it_and_the_lab_does_not() -> None:
    before = nice_of(0), autogroup_of(os.getpid())
    with Children() as children:
        children.nice = LOWERED
        child = children.start(["sleep", "60"], sorted(os.sched_getaffinity(0)), made.ROOT)
        assert nice_of(child.pid) == LOWERED
        assert autogroup_of(child.pid) in (LOWERED, None)
    assert (nice_of(0), autogroup_of(os.getpid())) == before


def test_who_may_raise_is_found_out_without_doing_it() -> None:
    before = nice_of(0)
    assert priority.may(priority.LOWEST) and nice_of(0) == before
    assert priority.usual() == (priority.RAISED if priority.may(priority.RAISED) else before)
    # A user without rights: the child becomes one, as root only can.
    if os.geteuid() == 0:
        child = os.fork()
        if child == 0:
            os.setgid(65534)
            os.setuid(65534)
            os._exit(0 if not priority.may(before - 1) and priority.usual() == before else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_the_lab_leads_and_its_children_do_not() -> None:
    child = os.fork()
    if child == 0:
        priority.lead(priority.RAISED)
        led = os.sched_getscheduler(0)
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(os.sched_getscheduler(0))
        inherited = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
        fine = led == os.SCHED_FIFO | os.SCHED_RESET_ON_FORK or not priority.may(priority.RAISED)
        os._exit(0 if fine and inherited == os.SCHED_OTHER else 1)
    assert os.waitpid(child, 0)[1] == 0
    priority.lead(priority.NORMAL)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_what_asks_a_database_competes_as_the_database_does() -> None:
    plan = replace(made.plan((made.cell(),)), nice=-20)
    assert plan.nice_for(WORKLOADS["hello"]) == -20
    assert plan.nice_for(WORKLOADS["db"]) == priority.NORMAL
    assert replace(plan, nice=LOWERED).nice_for(WORKLOADS["db"]) == LOWERED


def test_a_generator_is_raised_and_has_its_core_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is on the server's, and what it uses there is not taken for other programs'."""
    plan = replace(made.plan((made.cell("db"),)), nice=-20)
    server = SimpleNamespace(
        port=1, lasting_pids=lambda: [os.getpid()], usage=Usage, memory=lambda: (0, 0), alive=lambda: True
    )  # fmt: skip
    placed: List[Tuple[int, ...]] = []
    used, busy = iter((1.0, 3.0)), iter((0.0, 2.0))
    backend = SimpleNamespace(refill=lambda _, cpus: placed.append(cpus), cpu_s=lambda: next(used))
    monkeypatch.setattr(procfs, "machine", lambda cpus: Machine(next(busy), 0.0, 0.0, 0.0, 0))
    children: Any = SimpleNamespace(nice=None)
    monkeypatch.setattr(priority, "lead", lambda nice: None)
    programs: Any = SimpleNamespace(backend=backend, hosts=Hosts())
    bench = Bench(children, programs, plan)
    monkeypatch.setattr(bench, "problem", lambda *_: None)

    @contextmanager
    def start(_configuration: Any, workload: Any) -> Iterator[Any]:
        children.nice = plan.nice_for(workload)
        yield server

    monkeypatch.setattr(bench, "start", start)
    monkeypatch.setattr(measurement, "command_lines", lambda *_: ("", ""))
    warm: List[int] = []
    monkeypatch.setattr(measurement, "unmeasured", lambda _, load: warm.append(load.connections))
    nice: List[int] = []

    def run(children: Any, _server: str) -> Any:
        nice.append(children.nice)
        return SimpleNamespace(answered=1000)

    asked: Any = SimpleNamespace(run=run, argv=lambda *_: [], rate=1.0, ramp_s=0.0)
    apart = replace(made.CORO, server_cpus=(0,), load_cpus=(1,))
    found = offered.measure(bench, Step(0, plan.cells[0], apart), asked)
    assert placed == [(0,)] and nice == [-20] and warm == [2 * WORKLOADS["db"].db_connections]
    assert found.database_us == pytest.approx(2000.0) and found.others_cores == 0.0
    offered.elsewhere(bench, "http://127.0.0.1:1", asked)
    assert nice == [-20, -20]


@pytest.mark.parametrize("asked", ["-21", "20"])
def test_a_nice_value_that_there_is_not(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="64"):
        options.parser().parse_args([f"--nice={asked}"])
    said = capsys.readouterr().err
    assert "--nice: " in said and "from -20 to 19" in said


def test_raising_without_the_right_to_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priority, "may", lambda nice: nice >= 0)
    asked = options.parser().parse_args(["--nice=-5"])
    with pytest.raises(LabError, match="--nice -5: not allowed"):
        options.make_plan(asked, [])
    assert options.make_plan(options.parser().parse_args([]), []).nice == nice_of(0)
    assert options.make_plan(options.parser().parse_args(["--nice=3"]), []).nice == 3


@pytest.mark.parametrize("nice", [0, -20])
def test_results_say_it(nice: int) -> None:
    plan = replace(made.plan((made.cell(),), blocks=1), nice=nice)
    samples = [made.sample(c) for c in plan.cells[0].configurations]
    results = [analysis.analyse(plan.cells[0], samples)]
    said = [line for line in table.common_lines(plan, results) if "nice -20" in line]
    assert len(said) == (1 if nice else 0)
    run = Run(plan, {}, "bench", "2026-01-01T00:00:00Z", samples=samples)
    assert reading.from_json(to_json(run, results)).plan.nice == nice
