# SPDX-License-Identifier: MIT
"""What a run goes on with while its budget lasts: cells whose ratios are wider than asked."""

import itertools
from dataclasses import replace
from typing import Any

import made
import pytest
from lab.ask import plan as planning
from lab.ask.plan import Cell
from lab.ask.workloads import WORKLOADS
from lab.programs import budget, run as running
from lab.show import table
from lab.show.document import Run

HELLO = Cell(WORKLOADS["cpu"], 16, (made.THREADS, made.CORO))
SLEEP = Cell(WORKLOADS["sleep"], 256, (made.THREADS, made.CORO))


def measured(noise: dict[str, float], **fields: Any) -> Run:
    """Three blocks; coro's figures go up and down by so much, by workload."""
    plan = replace(planning.ordered(made.plan((HELLO, SLEEP))), precision=0.03, **fields)
    run = Run(plan, {}, "scripts/bench", "")
    for step in plan.steps:
        add(run, step, noise)
    return run


def add(run: Run, step: planning.Step, noise: dict[str, float], ahead: float = 1.0) -> None:
    """ahead: of threads, in sleep."""
    coro, sleep = step.configuration is made.CORO, step.cell == SLEEP
    factor = 1 + (noise[step.cell.workload.name] if coro else 0.0) * (step.block % 2 * 2 - 1)
    rps = 1000 * factor * (ahead if coro and sleep else 1.0)
    run.samples.append(made.sample(
        step.configuration, step.cell.workload.name, step.block, rps, 20 / factor,
        connections=step.cell.connections,
    ))  # fmt: skip


def test_the_cell_that_is_wide_gets_a_block_more() -> None:
    run = measured({"cpu": 0.001, "sleep": 0.3})
    assert budget.next_cell(run, 3600.0) == SLEEP
    assert budget.next_cell(run, budget.seconds_of(run.plan, SLEEP) - 0.1) is None
    assert budget.next_cell(measured({"cpu": 0.001, "sleep": 0.001}), 3600.0) is None
    assert budget.known(run).startswith("1 of 2 ratios within ±3 %, widest sleep threads(64) ÷ coro ±")


def test_of_several_the_one_with_the_fewest_blocks_is_next() -> None:
    run = measured({"cpu": 0.3, "sleep": 0.3})
    assert budget.next_cell(run, 3600.0) == HELLO
    run.plan = planning.with_block(run.plan, HELLO)
    assert budget.next_cell(run, 3600.0) == SLEEP
    assert [s.block for s in run.plan.steps[-2:]] == [3, 3]


def test_what_is_undecided_comes_before_what_is_wide() -> None:
    run, noise = measured({"cpu": 0.0, "sleep": 0.0}), {"cpu": 0.3, "sleep": 0.1}
    run.samples = []
    for step in run.plan.steps:
        add(run, step, noise, ahead=9.0)
    assert all(width > run.plan.precision for result in run.results() for width in budget.widths(result).values())
    for _ in range(2):
        assert budget.next_cell(run, 3600.0) == HELLO
        run.plan = planning.with_block(run.plan, HELLO)
    run = measured({"cpu": 0.0, "sleep": 0.0})
    run.samples = []
    for step in run.plan.steps:
        add(run, step, {"cpu": 0.0, "sleep": 0.1}, ahead=9.0)
    assert budget.next_cell(run, 3600.0) == SLEEP  # where nothing is undecided


def test_every_two_models_are_looked_at() -> None:
    cell = Cell(WORKLOADS["sleep"], 256, (made.PREFORK, made.THREADS, made.CORO))
    run = Run(replace(planning.ordered(made.plan((cell,)))), {}, "", "")
    for step in run.plan.steps:
        wide = 0.3 * (step.block % 2 * 2 - 1) if step.configuration is made.PREFORK else 0.0
        rps = {made.CORO: 9000.0}.get(step.configuration, 1000.0 * (1 + wide))
        run.samples.append(made.sample(step.configuration, "sleep", step.block, rps))
    (result,) = run.results()
    named = {frozenset((c.first, c.second)) for c in budget.ratios(result)}
    assert named == {frozenset(two) for two in itertools.combinations(("prefork(64)", "threads(64)", "coro"), 2)}


@pytest.mark.parametrize("budget_s, blocks", [(0.0, [3, 3]), (1e6, [3, 7])])
def test_it_goes_on_until_all_are_narrow_or_the_budget_is_gone(
    budget_s: float, blocks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Narrow after four blocks more, here by decree."""
    narrow = {"cpu": 0.001, "sleep": 0.3}
    run = measured(narrow, budget_s=budget_s)
    widths = budget.widths

    def few(result: Any) -> dict[str, float]:
        return widths(result) if len(result.rows[0].samples) < 7 else {}

    monkeypatch.setattr(budget, "widths", few)
    for step in running.steps(run):
        add(run, step, narrow)
    assert [run.plan.blocks_of(cell) for cell in run.plan.cells] == blocks
    assert len(run.samples) == len(run.plan.steps)
    said = [line for line in table.common_lines(run.plan, run.results()) if "more blocks" in line]
    assert said == (["more blocks, within 1e+06 s, where ratios were wider than ±3 %: "
                     "sleep, 256 connections: 7"] if budget_s else [])  # fmt: skip


@pytest.mark.parametrize("budget_s, added, stopped", [(0.0, 0, False), (60.0, 0, True), (0.0, 1, True)])
def test_all_intervals_are_of_a_run_that_stopped_at_will_though_its_budget_was_taken_away(
    budget_s: float, added: int, stopped: bool
) -> None:
    noise = {"cpu": 0.001, "sleep": 0.3}
    run = measured(noise, budget_s=budget_s)
    for _ in range(added):
        run.plan = planning.with_block(run.plan, SLEEP)
    for step in run.plan.steps[len(run.samples) :]:
        add(run, step, noise)
    assert {result.stopped for result in run.results()} == {stopped}


def test_a_run_that_was_cut_short_goes_on_where_it_was() -> None:
    run = measured({"cpu": 0.0, "sleep": 0.0})
    missing = [run.samples.pop() for _ in range(3)]
    assert [s.configuration.label for s in running.steps(run)] == [
        each.configuration for each in reversed(missing)
    ]


def test_a_ratio_of_which_nothing_is_known_yet_is_not_the_widest() -> None:
    run = measured({"cpu": 0.001, "sleep": 0.3})
    run.samples = [each for each in run.samples if each.workload == "cpu" or each.block < 2]
    assert budget.known(run).startswith("1 of 2 ratios within ±3 %, widest cpu threads(64) ÷ coro ")


def test_nothing_is_known_of_a_ratio_without_a_pair() -> None:
    assert budget.known(Run(made.plan((HELLO,)), {}, "", "")) == "no ratio is known yet"


def test_nothing_is_said_of_ratios_where_none_will_be() -> None:
    assert budget.known(Run(made.plan((made.cell("idle"),)), {}, "", "")) == ""


def test_what_is_stopped_is_not_complete_though_what_was_before_it_is() -> None:
    run = Run(made.plan((HELLO,)), {}, "scripts/bench", "")
    run.complete = True
    with running.measuring(run):
        raise KeyboardInterrupt("SIGTERM")
    assert not run.complete and running.exit_status(run) == 130
