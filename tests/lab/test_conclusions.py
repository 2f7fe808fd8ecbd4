# SPDX-License-Identifier: MIT
"""What the presets conclude from staged results: crossover, published shapes, advice."""

from dataclasses import replace
from typing import Any

import made
import pytest
from lab.machine import cgroup
from lab.ask import workloads
from lab.ask.plan import Configuration
from lab.ask.workloads import SLOW_QUERIES, WORKLOADS
from lab.judge import analysis, crossover, external, gates
from lab.judge.analysis import CellResult
from lab.programs import advise
from lab.show import draw_svg


def wide(model: str, workers: int, **fields: Any) -> Configuration:
    return Configuration(model, workers, *made.OWN, **fields)


# --- crossover --------------------------------------------------------------------------------


def mixed(figures: made.Figures, connections: int = 64, blocks: int = 6) -> dict[str, Any]:
    (workload,) = workloads.parse("mix?cpu=250&wait=5&rounds=1")
    return crossover.judge_cell(made.result(workload, connections, figures, blocks))


def test_the_best_pool_of_each_model_competes_and_ties_are_ties() -> None:
    found = mixed({
        wide("threads", 4): {"rps": 700.0}, wide("threads", 16): {"rps": 2990.0},
        wide("threads", 64): {"rps": 3000.0}, made.CORO: {"rps": 3010.0},
    })  # fmt: skip
    assert found["winner"] is None and set(found["tied"]) == {"threads", "coro"}
    assert found["models"]["threads"]["enough"] == "threads(16)"
    assert found["cpu_share"] == pytest.approx(0.0476, abs=0.001)


def test_a_winner_is_told_with_how_much() -> None:
    found = mixed({wide("threads", 16): {"rps": 2000.0}, made.CORO: {"rps": 3000.0}})
    assert found["winner"] == "coro" and found["tied"] == []
    assert found["models"]["threads"]["winner_ahead"]["ratio"] == pytest.approx(1.5)


def test_the_map_says_how_far_the_next_is_where_less_is_better() -> None:
    figures = {made.CORO: 9.0, made.PREFORK: 10.0, made.THREADS: 11.0}
    cell = made.result(WORKLOADS["cpu"], 16, {each: {"cpu_us": us} for each, us in figures.items()})
    assert draw_svg.map_text(crossover.judge_cell(cell)) == "coro\n0.90 ×"


def test_a_model_of_which_nothing_counts_neither_wins_nor_ties() -> None:
    found = mixed({wide("threads", 16): {"pids_changed": True}, made.CORO: {"rps": 3000.0}})
    assert found["models"]["threads"] is None and found["winner"] == "coro"


def test_too_few_blocks_are_no_tie_and_no_pool_is_enough() -> None:
    figures = {wide("threads", 4): {"rps": 700.0}, wide("threads", 64): {"rps": 3000.0}, made.CORO: {"rps": 3010.0}}
    for blocks in (1, 2):
        found = mixed(figures, blocks=blocks)
        assert found["winner"] is None and not found["tied"] and draw_svg.map_text(found) == "undecided"
        assert found["models"]["threads"]["enough"] == found["models"]["coro"]["enough"] == "–"
    assert draw_svg.map_text(mixed(figures)) == "all tie"


def test_crossover_lines_can_be_read() -> None:
    (workload,) = workloads.parse("mix?cpu=250&wait=5&rounds=1")
    cell = made.result(workload, 64, {wide("threads", 16): {"rps": 2000.0}, made.CORO: {"rps": 3000.0}})
    data, text = crossover.draw([cell])
    assert data["crossover"][0]["winner"] == "coro"
    assert text[-1].strip() == (
        "5% computing,   64 connections: coro 3,000/s; requests/s (95 % of 6 blocks): "
        "coro 1.50 × threads(16) [1.50, 1.50]; enough: threads(16)"
    )


# --- published shapes ---------------------------------------------------------------------------


def database(at_50: tuple[float, float, float], at_500: tuple[float, float]) -> list[Any]:
    loops, t20, t40, t150 = (wide("coro", 2), *(wide("threads", n) for n in (20, 40, 150)))
    few, many = (
        made.result(SLOW_QUERIES, connections, {c: {"rps": rps} for c, rps in zip(pools, rates)})
        for connections, pools, rates in (
            (50, (loops, t20, t150), at_50), (500, (loops, t40), at_500),
        )
    )  # fmt: skip
    return external.database([few, many])


def test_the_published_shape_is_recognised_and_its_absence_said() -> None:
    lines = database((4900.0, 3100.0, 4700.0), (2900.0, 2950.0))
    assert [line.passed for line in lines] == [True, True, True]
    lines = database((3000.0, 3100.0, 2500.0), (4900.0, 3100.0))
    assert [line.passed for line in lines] == [False, False, False]


def test_pools_of_64_give_3200() -> None:
    cell = made.result(WORKLOADS["sleep"], 256, {
        made.PREFORK: {"rps": 3150.0}, made.THREADS: {"rps": 2800.0},
    })  # fmt: skip
    assert [line.passed for line in external.pool_rate([cell])] == [True, False]


def test_the_time_in_which_wrk_only_connects_is_no_part_of_a_rate() -> None:
    slow = {"rps": 2560.0, "load_fields": {"connecting_s": 0.2, "seconds": 1.0}}
    cell = made.result(WORKLOADS["sleep"], 256, {made.PREFORK: slow, made.THREADS: slow})
    for line in external.pool_rate([cell]):
        assert line.passed and "here 3,241/s, once all wait" in line.text, line.text


def idle_step(
    parked: int, prefork: float, threads: float, coro: float
) -> CellResult:
    workload = replace(WORKLOADS["idle"], name=f"idle:{parked}", parked=parked)

    def fields(rps: float) -> dict[str, Any]:
        return {"rps": rps, "extras": {"parked_asked": 1.0, "parked_answered": 1.0}}

    return made.result(workload, 4, {
        wide("prefork", parked + 16): fields(prefork),
        wide("threads", parked + 16): fields(threads),
        made.CORO: fields(coro),
    })  # fmt: skip


def test_who_falls_first_beside_idle_connections() -> None:
    (line,) = external.idle([idle_step(16, 90, 90, 90), idle_step(3000, 40, 70, 90)])
    assert line.passed is True
    (line,) = external.idle([idle_step(16, 90, 90, 90), idle_step(3000, 90, 90, 30)])
    assert line.passed is False


def squeezed(step: CellResult, **cached: float) -> CellResult:
    """The same, with the share of its files that a model had in memory."""
    for row in step.rows:
        share = cached.get(row.configuration.model, 1.0)
        for sample in row.samples:
            sample.extras["cached_share"] = share
    every = [sample for row in step.rows for sample in row.samples]
    return analysis.analyse(step.cell, every)


def test_a_fall_whose_files_left_memory_is_explained_by_that() -> None:
    first = squeezed(idle_step(16, 90, 90, 90))
    second = squeezed(idle_step(512, 40, 88, 90), prefork=0.7)
    third = squeezed(idle_step(1024, 10, 70, 91), prefork=0.2, threads=0.8)
    (line,) = external.idle([first, second, third])
    assert line.passed is True
    assert "prefork 90/s (100 %), 40/s (70 %), 10/s (20 %); " in line.text


def test_processes_that_find_no_room_have_fallen() -> None:
    last = idle_step(1536, 40, 70, 90)
    for sample in last.rows[0].samples:
        sample.gates = [cgroup.NO_ROOM]
    every = [sample for row in last.rows for sample in row.samples]
    steps = [
        idle_step(16, 90, 90, 90), idle_step(512, 89, 90, 90), analysis.analyse(last.cell, every)
    ]  # fmt: skip
    (line,) = external.idle(steps)
    assert line.passed is True and "prefork 90/s, 89/s, does not fit; " in line.text


@pytest.mark.parametrize(
    "second, third",
    [
        ((90, 40, 90), (40, 40, 90)),  # threads first
        ((90, 90, 90), (90, 90, 90)),  # nobody
        ((40, 90, 90), (20, 70, 70)),  # coroutines too
        ((90, 90, 90), (70, 40, 90)),  # threads further
    ],
)
def test_other_orders_are_not_what_was_published(
    second: tuple[float, float, float], third: tuple[float, float, float]
) -> None:
    steps = [idle_step(16, 90, 90, 90), idle_step(512, *second), idle_step(1024, *third)]
    assert external.idle(steps)[0].passed is False


@pytest.mark.parametrize(
    "spoilt, passed",
    [({"extras": {"parked_asked": 9.0, "parked_answered": 2.0}}, True), ({"pids_changed": True}, None)],
)
def test_only_what_cannot_hold_the_connections_has_fallen(
    spoilt: dict[str, Any], passed: bool | None
) -> None:
    many = idle_step(3000, 40, 70, 90)
    cell = many.cell
    for sample in many.rows[0].samples:
        for name, value in spoilt.items():
            setattr(sample, name, value)
        sample.gates = gates.check(sample, cell.workload, cell.configurations[0])
    every = [sample for row in many.rows for sample in row.samples]
    (line,) = external.idle([idle_step(16, 90, 90, 90), analysis.analyse(cell, every)])
    assert line.passed is passed


# --- advice -------------------------------------------------------------------------------------


def test_pool_sizes_worth_trying_surround_the_one_that_fills_the_cores() -> None:
    service = advise.Service(cpu_ms=1.0, wait_ms=19, concurrency=256, cores=2)
    assert service.filling_workers == 40
    assert service.pool_sizes() == [2, 20, 40, 80, 256]
    assert advise.Service(0.0, 20, 64, 1).filling_workers == 64
    assert max(advise.Service(0.0, 20, 9000, 1).pool_sizes()) == advise.MOST_WORKERS


def test_among_equals_the_smallest_memory_is_advised() -> None:
    (workload,) = workloads.parse("mix?cpu=250&wait=5&rounds=1")
    cell = made.result(workload, 64, {
        wide("prefork", 64): {"rps": 3000.0, "memory_bytes": 9_000_000},
        wide("threads", 64): {"rps": 3010.0, "memory_bytes": 3_000_000},
        wide("threads", 4): {"rps": 700.0, "memory_bytes": 1_000_000},
    })  # fmt: skip
    found = advise.decide(cell)
    assert found is not None and found.best.label == "threads(64)"
    text = "\n".join(advise.explain(advise.Service(0.25, 5, 64, 1), cell))
    assert text.startswith("Use --model=threads --workers=64: 3,010 requests/s")
    assert "as fast: prefork(64) 1.00 × threads(64) [1.00, 1.00]" in text
    assert "behind: threads(4) 0.23 × threads(64) [0.23, 0.23]" in text


def test_what_is_not_decided_is_not_as_fast() -> None:
    cell = made.result(WORKLOADS["mix"], 64, {made.CORO: {"rps": 900.0}, made.THREADS: {"rps": 860.0}})
    for sample in cell.rows[1].samples:
        assert sample.load
        sample.load = replace(sample.load, requests=sample.load.requests + 900 * (sample.block % 2))
    cell = analysis.analyse(cell.cell, [sample for row in cell.rows for sample in row.samples])
    text = "\n".join(advise.explain(advise.Service(1, 20, 200, 1), cell))
    assert text.startswith("Use --model=coro") and "undecided: threads(64) 1.0" in text and "as fast" not in text


def test_no_advice_from_two_blocks() -> None:
    figures = {made.CORO: {"rps": 3000.0}, made.THREADS: {"rps": 700.0, "memory_bytes": 1}}
    for blocks in (1, 2):
        cell = made.result(WORKLOADS["mix"], 64, figures, blocks)
        assert advise.decide(cell) is None
        said = advise.explain(advise.Service(1, 20, 200, 1), cell)
        assert said == ["No advice: it takes 3 blocks that can be believed."]


def test_no_advice_from_what_cannot_be_believed() -> None:
    cell = made.result(WORKLOADS["mix"], 64, {made.CORO: {"pids_changed": True}})
    assert advise.decide(cell) is None
    assert "worker processes changed" in "\n".join(advise.explain(advise.Service(1, 1, 1, 1), cell))
