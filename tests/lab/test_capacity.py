# SPDX-License-Identifier: MIT
"""The search for a capacity: with simulated servers, how often its interval holds the truth."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any, Callable

import numpy as np
import pytest
from made import CORO, THREADS
from lab.ask.plan import Configuration
from lab.ask.workloads import WORKLOADS
from lab.judge import capacity
from lab.judge.capacity import Promise, Search, Trial
from lab.measure.load import ERRORS, PERCENTILES, OpenLoad, Times

Server = Callable[[Trial, random.Random], bool | None]


def search(
    server: Server, seed: int, most: int = 200, precision: float = 0.03, exhausted: bool = False
) -> Search:
    """exhausted: windows that do not tell are so because the generator can do no more."""
    dice, found = random.Random(seed), Search(precision, 10.0)
    while len(found.trials) < most and (trial := found.next()) is not None:
        kept = server(trial, dice)
        found.add(replace(trial, kept=kept, exhausted=kept is None and exhausted))
    return found


def logistic(true: float, width: float, lapses: float = 0.0) -> Server:
    """Near its capacity a window keeps the promise with a probability; lapses: some break it anywhere."""

    def ask(trial: Trial, dice: random.Random) -> bool:
        distance = (math.log(trial.rate) - math.log(true)) / width
        keeps = 1 / (1 + math.exp(max(-50.0, min(50.0, distance))))
        return dice.random() < keeps and dice.random() >= lapses

    return ask


def coverage(server_of: Callable[[float], Server], runs: int) -> tuple[float, float]:
    """How often the interval held the truth, and how many windows voted on average."""
    held = votes = 0
    for seed in range(runs):
        true = math.exp(random.Random(f"true {seed}").uniform(math.log(200), math.log(100_000)))
        found = search(server_of(true), seed)
        assert found.decided and found.found is not None
        held += found.found.low <= true <= found.found.high
        votes += found.votes
    return held / runs, votes / runs


@pytest.mark.parametrize("width, lapses, most", [(0.001, 0.0, 13), (0.01, 0.0, 17), (0.01, 0.05, 20)])
def test_its_interval_holds_the_truth(width: float, lapses: float, most: float) -> None:
    """95 % of the time; fewer than 90 % of 150 would be seen once in 300 times. A spoilt window now and
    then costs some votes."""
    held, votes = coverage(lambda true: logistic(true, width, lapses), 150)
    assert held >= 0.90 and votes <= most


def queue(service_s: float, limit_s: float, window_s: float) -> Server:
    """M/D/1: so many arrivals as the rate says, at random in the window; 99 % of them in time."""

    def ask(trial: Trial, dice: random.Random) -> bool:
        count = round(trial.rate * window_s)
        arrivals = np.sort(np.random.default_rng(dice.randrange(1 << 31)).uniform(0, window_s, count))
        steps = np.arange(count) * service_s
        latency = np.maximum.accumulate(arrivals - steps) + steps + service_s - arrivals
        return bool(np.quantile(latency, 0.99) <= limit_s)

    return ask


def test_of_a_queue_it_finds_the_rate_at_which_half_of_the_windows_keep_the_promise() -> None:
    """Which is somewhat more than an endless window would keep it at: a queue takes time to grow."""
    service_s, limit_s = 1 / 2000, 0.01
    server = queue(service_s, limit_s, 2.0)
    found = [search(server, seed).found for seed in range(30)]
    dice = random.Random(1)
    rates = np.linspace(1700, 1990, 30)
    kept = [sum(bool(server(Trial(rate, None, True), dice)) for _ in range(30)) for rate in rates]
    true = float(np.interp(-15, [-count for count in kept], rates))
    assert sum(each is not None and each.low <= true <= each.high for each in found) >= 26
    # Of an endless one, in heavy traffic: a wait is longer than w with exp(-2 w (1 - load) / service).
    endless = (1 - math.log(100) * service_s / 2 / (limit_s - service_s)) / service_s
    assert 1.0 <= true / endless <= 1.06


def test_two_searches_of_one_server_agree() -> None:
    """Within their intervals: of twenty pairs at most one does not."""
    server = logistic(7000.0, 0.01, 0.02)
    pairs = [(search(server, seed).found, search(server, seed + 1000).found) for seed in range(60)]
    apart = [
        one for one, other in pairs
        if one and other and (one.low > other.high or other.low > one.high)
    ]  # fmt: skip
    assert len(apart) <= 3
    assert sum(abs(math.log(one.rate / other.rate)) <= 0.03 for one, other in pairs if one and other) >= 54


def test_it_doubles_first_and_then_halves_what_is_left() -> None:
    found = search(logistic(7000.0, 0.0005), 1)
    short = [trial.rate for trial in found.trials if not trial.vote]
    assert short == [1000.0, 2000.0, 4000.0, 8000.0, 8000.0]
    votes = [trial.rate for trial in found.trials if trial.vote]
    assert votes[0] == pytest.approx(math.sqrt(4000 * 8000)) and votes[1] > votes[0]
    low = search(logistic(60.0, 0.0005), 1)
    assert [trial.rate for trial in low.trials if not trial.vote][:4] == [1000.0, 1000.0, 500.0, 500.0]
    assert low.found is not None and low.found.low <= 60 <= low.found.high


def test_one_window_spoilt_while_it_doubles_is_no_bracket() -> None:
    spoilt = iter([True, False])

    def ask(trial: Trial, _: random.Random) -> bool:
        return trial.rate < 7000 and next(spoilt, True)

    found = search(ask, 1)
    assert [t.rate for t in found.trials][:4] == [1000.0, 2000.0, 2000.0, 4000.0]
    assert found.found is not None and found.found.low <= 7000 <= found.found.high


def test_void_windows_are_tried_again_and_never_count_as_broken() -> None:
    server = logistic(7000.0, 0.005)

    def ask(trial: Trial, dice: random.Random) -> bool | None:
        return None if dice.random() < 0.7 else server(trial, dice)

    for seed in range(20):
        found = search(ask, seed)
        assert found.decided and found.found is not None and not found.out_of_reach
        assert found.found.low * 0.99 <= 7000 <= found.found.high * 1.01
        counted = [trial for trial in found.trials if trial.kept is not None and trial.vote]
        assert found.votes == len(counted) < len(found.trials)


def test_what_the_generator_does_not_reach_is_said_to_be_at_least_what_it_did() -> None:
    """30,000/s, of a server that would carry any rate."""
    found = search(lambda trial, _: None if trial.rate > 30_000 else True, 1, exhausted=True)
    assert found.ended and found.out_of_reach and not found.decided
    assert found.at_least is not None and 30_000 / capacity.STEP_TO_REACH < found.at_least <= 30_000

    def sometimes_broken(trial: Trial, dice: random.Random) -> bool | None:
        if trial.rate <= 30_000:
            return True
        return False if dice.random() < 0.1 else None

    broken = search(sometimes_broken, 2, exhausted=True)
    assert broken.ended and broken.out_of_reach and broken.at_least and broken.at_least <= 30_000
    nothing = search(lambda trial, _: None, 1, exhausted=True)
    assert nothing.ended and nothing.out_of_reach and nothing.at_least is None and nothing.found is None


def test_a_promise_that_no_rate_keeps_ends_the_search() -> None:
    found = search(lambda trial, _: False, 1)
    assert found.no_rate and found.ended and not found.decided and found.found is None
    assert found.least_broken < 2 * found.lowest


# --- the promise --------------------------------------------------------------------------

P99 = Promise("p99", 50_000.0)


def load_of(p99_us: float | None, **fields: Any) -> OpenLoad:
    def times(value: float | None) -> Times:
        return Times(1.0, 2 * (value or 30_000.0), dict.fromkeys(PERCENTILES, value), "")

    whole = OpenLoad(
        "fake", 1, 2.0, 2000, 2000, 1000.0, 1000.0, 1000.0, times(10.0), times(p99_us), times(p99_us),
        {"200": 2000}, dict.fromkeys(ERRORS, 0), 0.0, 10, 10, 0, 1, 0.3, (), None, (),
    )  # fmt: skip
    return replace(whole, **fields)


@pytest.mark.parametrize(
    "load, kept",
    [
        (load_of(49e3), True),
        (load_of(51e3), False),
        (load_of(49e3, statuses={"200": 1999, "503": 1}), False),
        (load_of(49e3, errors={**dict.fromkeys(ERRORS, 0), "reset": 1}), False),
        (load_of(49e3, errors={**dict.fromkeys(ERRORS, 0), "timeout": 1}), True),  # it is in the p99
        (load_of(49e3, stopped="give-up"), False),
        (load_of(None, stopped="give-up"), False),
        (load_of(49e3, stopped="SIGINT"), None),
        (load_of(24e3, void=("lag",)), True),  # in spite of the lag
        (load_of(49e3, void=("lag",)), None),
        (load_of(51e3, void=("lag",)), None),
        (load_of(51e3, void=("lag",), stopped="give-up"), None),
        (load_of(49e3, void=("offered",), rate_offered=990.0), None),
        (load_of(None), None),
        (load_of(None, latency=Times(1.0, 40e3, dict.fromkeys(PERCENTILES), "")), True),
    ],
)  # fmt: skip
def test_a_window_keeps_it_or_breaks_it_or_does_not_tell(load: OpenLoad, kept: bool | None) -> None:
    assert P99.kept(load) is kept


def test_a_window_is_long_enough_for_the_percentile_and_for_a_backlog_to_be_seen() -> None:
    assert P99.window_s(10_000, 1.0) == 1.0
    assert P99.window_s(100, 1.0) == pytest.approx(11.0)
    assert Promise("p999", 1.0).window_s(1000, 1.0) == pytest.approx(11.0)
    assert P99.full_window_s(2.0) == pytest.approx(5.0) and Promise("p99", 10e3).full_window_s(2.0) == 2.0
    assert P99.window_s(P99.lowest_rate, 1.0) == pytest.approx(capacity.LONGEST_S)


# --- what limits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "workload, configuration, rate, cpu_us, limiter",
    [
        ("sleep", THREADS, 3100.0, 20.0, "pool size"),
        ("sleep", CORO, 40_000.0, 24.0, "one loop's core"),
        ("hello", THREADS, 50_000.0, 19.0, "the server's CPU"),
        ("block", CORO, 190.0, 20.0, "the loop is held"),
        ("hello", THREADS, 20_000.0, 19.0, "undecided"),
        ("mix", THREADS, 3000.0, 150.0, "pool size"),
    ],
)
def test_what_is_used_most_limits(
    workload: str, configuration: Configuration, rate: float, cpu_us: float, limiter: str
) -> None:
    shares = capacity.in_use(WORKLOADS[workload], 1000, configuration, rate, cpu_us)
    assert capacity.limiter(shares) == limiter
    assert capacity.limiter({capacity.GENERATOR: 0.95, **shares}) in (capacity.GENERATOR, limiter)
    assert capacity.limiter({}) == capacity.NOT_KNOWN


def test_behind_a_database_workers_are_in_use_for_as_long_as_a_request_alone_takes() -> None:
    few = replace(THREADS, workers=4)
    shares = capacity.in_use(WORKLOADS["db"], 1000, few, 3800.0, 50.0, alone_us=1000.0)
    assert shares["pool size"] == pytest.approx(0.95)
    many = capacity.in_use(WORKLOADS["db"], 1000, THREADS, 15_000.0, 30.0, alone_us=1000.0)
    assert capacity.limiter(many) == "backend connections"


def test_a_database_on_the_cores_of_its_server_is_counted_with_it() -> None:
    shares = capacity.in_use(WORKLOADS["db"], 1000, THREADS, 15_000.0, 30.0, 25.0, alone_us=100.0)
    one_core = 15_000.0 * (30.0 + 25.0) / 1e6
    assert shares[capacity.BOTH] == pytest.approx(one_core / len(THREADS.server_cpus))
    assert capacity.limiter(shares) == "the CPU of server and database"
