# SPDX-License-Identifier: MIT
"""Gates of the kinds of workload that are more than a load, and what queries turn into."""

from dataclasses import replace
from typing import Any

import made
import pytest
from lab.machine.errors import LabError
from lab.ask import plan, workloads
from lab.ask.plan import Configuration
from lab.ask.workloads import WORKLOADS, with_query
from lab.measure import environment, steady
from lab.judge import ceilings, gates


def check(workload: str, configuration: Configuration = made.CORO, **fields: Any) -> list[str]:
    sample = made.sample(configuration, workload, **fields)
    return gates.check(sample, WORKLOADS[workload], configuration)


def test_a_closing_load_that_keeps_its_connections_is_void() -> None:
    made_for: dict[str, Any] = {"connections": 64, "rps": 3000.0}
    assert check("close", connections_made=30_000, **made_for) == []
    (reason,) = check("close", connections_made=64, **made_for)
    assert "connections were kept" in reason


def test_a_closing_load_may_stand_between_two_connections() -> None:
    fields = {"established": 3, "unanswered": 3}
    assert check("close", connections_made=32_000, load_fields=fields) == []
    assert check("hello", load_fields=fields) != []


def test_parked_connections_that_starve_void_the_cell() -> None:
    extras = {"parked_asked": 100.0, "parked_answered": 100.0}
    assert check("idle", connections=4, rps=100.0, extras=extras) == []
    starved = {**extras, "parked_answered": 64.0}
    (reason,) = check("idle", connections=4, rps=100.0, extras=starved)
    assert "only 64 of 100 parked" in reason


CRASH = {"answered_before": 10.0, "answered": 20.0, "lost": 5.0, "errors": 0.0, "still_cut": 0.0}


@pytest.mark.parametrize(
    "extras, words",
    [
        (CRASH, None),
        ({**CRASH, "answered_before": 0.0}, "before the fault"),
        ({**CRASH, "errors": 2.0}, "2 statuses"),
        ({**CRASH, "still_cut": 1.0}, "never served again"),
    ],
)
def test_a_crash_is_a_result_and_not_a_fault(extras: dict[str, float], words: str | None) -> None:
    reasons = check("crash", load=None, extras=extras)
    assert reasons == [] if words is None else words in reasons[0]


def test_littles_law_counts_a_batch_as_one() -> None:
    load = made.load(rps=64_000.0, connections=64, mean_us=16_000.0, mean_square_us2=16_000.0**2)
    assert gates.little_share(load, 64, pipeline=16) == pytest.approx(1.0, abs=0.01)
    assert gates.little_share(load, 64) == pytest.approx(16.0, rel=0.01)


def test_another_servers_exit_status_is_its_own_business() -> None:
    nginx = Configuration("nginx", 1, *made.OWN)
    assert check("sleep", nginx, exit_status=-15) == []
    assert check("sleep", made.CORO, exit_status=-15) != []


# --- workloads with a query of their own --------------------------------------------------


@pytest.mark.parametrize(
    "spec, wait_ms, gathered, compute",
    [
        ("mix?cpu=200&wait=5&rounds=3", 15.0, 1, "/cpu?n=600"),
        ("mix?cpu=0&wait=5&rounds=2", 10.0, 1, None),
        ("sleep?ms=7", 7.0, 1, None),
        ("cpu?n=90", 0.0, 1, "/cpu?n=90"),
        ("fanout?n=4&ms=3", 3.0, 4, None),
        ("stream?chunks=6&ms=2", 10.0, 1, None),
    ],
)
def test_a_query_says_what_is_waited_and_computed(
    spec: str, wait_ms: float, gathered: int, compute: str | None
) -> None:
    (workload,) = workloads.parse(spec)
    assert (workload.name, workload.wait_ms) == (spec, wait_ms)
    assert (workload.gathered, workload.compute_target) == (gathered, compute)
    assert workload.target == "/" + spec


def test_idle_takes_a_number() -> None:
    (workload,) = workloads.parse("idle:300")
    assert (workload.parked, workload.name) == (300, "idle:300")


@pytest.mark.parametrize(
    "spec, words",
    [("helo", "did you mean hello"), ("hello?x=1", "takes no query"), ("", "no workload"),
     ("sleep?ms=long", "numbers only")],
)  # fmt: skip
def test_bad_workloads_are_explained(spec: str, words: str) -> None:
    with pytest.raises(LabError, match=words):
        workloads.parse(spec)


def test_a_pool_cannot_gather_and_a_loop_can() -> None:
    fanout = WORKLOADS["fanout"]
    assert made.CORO.waited_ms(fanout) == 5.0
    assert made.THREADS.waited_ms(fanout) == 50.0


def test_a_long_queue_gets_a_long_run() -> None:
    cell = made.cell("sleep", connections=4096)
    found = plan.Plan((cell,), 1, 1.0, 0.0, 1, "x", plan.Cores((0,), (1,)))
    assert found.duration_of(cell, made.CORO) == 4096 * plan.CONNECT_TURNS
    few = made.cell("sleep", connections=64)
    assert found.duration_of(few, made.CORO) == 1.0
    assert found.duration_of(cell, made.THREADS) == pytest.approx(3 * 4096 / 64 * 0.02)


def test_users_who_think_make_no_full_load() -> None:
    think = {"mean_us": 300.0, "mean_square_us2": 300.0**2}
    assert check("skew", rps=400.0, connections=64, load_fields=think) == []
    assert check("hello", rps=400.0, connections=64, load_fields=think) != []
    result = made.result(WORKLOADS["skew"], 64, {made.CORO: {"rps": 400.0, "load_fields": think}})
    assert result.rows[0].limiter == ceilings.OFFERED
    found = plan.Plan((), 1, 0.5, 0.0, 1, "x", plan.Cores((0,), (1,)))
    assert found.duration_of(result.cell, made.CORO) == 1500 * 0.160 / 64  # for a p99


def test_a_window_holds_many_waits() -> None:
    cell, gather, short = (
        plan.Cell(with_query(WORKLOADS["sleep"], f"ms={ms}"), 64, (made.CORO,)) for ms in (16, 50, 2)
    )
    found = plan.Plan((cell,), 1, 0.5, 0.0, 1, "x", plan.Cores((0,), (1,)))
    assert found.duration_of(cell, made.CORO) == pytest.approx(50 * 0.016)
    assert found.duration_of(gather, made.CORO) == plan.LONGEST_FOR_WAITS_S
    assert found.duration_of(short, made.CORO) == 0.5


def test_a_queue_for_a_pool_is_watched_longer() -> None:
    cell = plan.Cell(WORKLOADS["sleep"], 256, (made.THREADS, made.CORO))
    found = plan.Plan((cell,), 1, 0.5, 0.0, 1, "x", plan.Cores((0,), (1,)))
    assert found.duration_of(cell, made.THREADS) == plan.LONGER * plan.LONGEST_FOR_WAITS_S
    assert found.duration_of(cell, made.CORO) == plan.LONGEST_FOR_WAITS_S
    alone = replace(cell, connections=64)
    assert found.duration_of(alone, made.THREADS) == plan.LONGEST_FOR_WAITS_S


def test_many_workers_that_start_at_once_are_watched_longer() -> None:
    found = plan.Plan((), 1, 0.5, 0.0, 1, "x", plan.Cores((0,), (1,)))
    for workers, factor in ((255, 1), (256, plan.LONGEST)):
        cell = plan.Cell(WORKLOADS["sleep"], workers, (made.THREADS,))
        pool = replace(made.THREADS, workers=workers)
        assert found.duration_of(cell, pool) == factor * plan.LONGEST_FOR_WAITS_S


def test_many_workers_all_get_their_turns() -> None:
    found = plan.Plan((), 1, 0.5, 0.0, 1, "x", plan.Cores((0,), (1,)))
    cell = plan.Cell(WORKLOADS["hello"], 256, (made.THREADS,))
    many = replace(made.THREADS, workers=plan.MANY_WORKERS)
    assert found.duration_of(cell, many) == plan.ALL_TURNS_S
    assert found.duration_of(cell, made.THREADS) == 0.5


def test_who_has_to_borrow_a_connection_to_the_database_has_several_turns_in_a_window() -> None:
    cell = plan.Cell(WORKLOADS["db"], 64, (made.PREFORK, made.THREADS))
    found = plan.Plan((cell,), 1, 0.5, 0.0, 1, "x", plan.Cores((0,), (1,)))
    assert found.duration_of(cell, made.PREFORK) == 3 * 64 / 16 * plan.TENURE_S
    few = replace(made.PREFORK, workers=16)
    for configuration in (made.THREADS, few):
        assert found.duration_of(cell, configuration) == 0.5


# --- steadiness -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "windows, expected",
    [
        ([100.0], None),
        ([100.0, 104.0], 0),
        ([100.0, 120.0], None),
        ([50.0, 90.0, 100.0], None),  # still rising
        ([50.0, 100.0, 101.0], 1),
        ([100.0, 120.0, 110.0], 0),  # up and down is noise
        ([100.0, 90.0, 80.0, 70.0], None),
    ],
)
def test_a_trend_is_not_steady(windows: list[float], expected: int | None) -> None:
    assert steady.steady_from(windows) == expected


def test_warming_up_ends() -> None:
    rising = [10.0, 20.0, 40.0, 80.0]
    assert steady.found(rising) is None
    given_up = steady.found([*rising, 160.0])
    assert given_up is not None and not given_up.steady and given_up.needed_s == 5.0
    settled = steady.found([10.0, 50.0, 51.0])
    assert settled is not None and settled.steady and settled.needed_s == 1.0


@pytest.mark.parametrize(
    "control, workload, said", [("bbr", "files-1m", 1), ("bbr", "hello", 0), ("cubic", "files-1m", 0)]
)
def test_pacing_is_said_where_large_bodies_are_sent(control: str, workload: str, said: int) -> None:
    cell = plan.Cell(WORKLOADS[workload], 16, (made.CORO,))
    recorded = {"sysctl": {"net.ipv4.tcp_congestion_control": control}}
    notes = environment.notes(recorded, made.plan((cell,)))
    assert len([note for note in notes if "bbr, which paces" in note]) == said
