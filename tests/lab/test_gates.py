# SPDX-License-Identifier: MIT
"""Each gate opens for a sound sample and closes for the one fault it is there for."""

from collections import Counter
from dataclasses import replace
from typing import Any

import made
import pytest
import test_wrk
from lab.ask.workloads import WORKLOADS
from lab.measure import wrk
from lab.judge import analysis, gates, verdict

SLEEP = WORKLOADS["sleep"]


def check(configuration: Any = made.THREADS, **spoilt: Any) -> Any:
    return gates.check(made.sample(configuration, **spoilt), SLEEP, configuration)


def test_a_sound_sample_passes() -> None:
    assert check() == []


@pytest.mark.parametrize("kind", ["connect", "read", "write", "status", "timeout"])
def test_any_error_voids(kind: str) -> None:
    reasons = check(load_fields={"errors": {**made.NO_ERRORS, kind: 1}})
    assert len(reasons) == 1 and reasons[0].startswith("1 ")


@pytest.mark.parametrize(
    "spoilt, words",
    [
        ({"load": None}, "no request"),
        ({"load_fields": {"requests": 0}}, "no request"),
        ({"answer_problem": "GET /x answered 404"}, "answered 404"),
        ({"pids_changed": True}, "processes changed"),
        ({"exit_status": 3}, "exited with 3"),
        ({"exit_status": None}, "killed"),
        ({"load_fields": {"unanswered": 192}}, "192 connections never"),
        ({"load_fields": {"established": 255}}, "255 of 256"),
        ({"rps": 4000.0}, "more than waiting allows"),
    ],
)
def test_each_fault_is_named(spoilt: Any, words: str) -> None:
    reasons = check(**spoilt)
    assert len(reasons) == 1 and words in reasons[0]


def with_latency(share: Any, **load_fields: Any) -> Any:
    """A sample whose throughput x latency accounts for this share of the connections."""
    mean = made.load().mean_us * share
    return {"load_fields": {"mean_us": mean, "mean_square_us2": mean**2, **load_fields}}


@pytest.mark.parametrize("share, sound", [(1.0, True), (0.96, True), (1.02, True), (0.9, False), (1.04, False)])
def test_littles_law(share: Any, sound: Any) -> None:
    reasons = check(rps=3200.0, **with_latency(share))
    assert (reasons == []) is sound
    assert sound or "Little" in reasons[0]


def test_littles_law_counts_the_requests_cut_off_at_the_end() -> None:
    # 80 ms latency in a run of 0.8 s: the naive product is 5 % short, and that is no fault.
    load = made.load(rps=3040.0, connections=256, seconds=0.8, mean_us=80_000.0, mean_square_us2=80_000.0**2)
    assert load.rps * load.mean_us / 1e6 / 256 == pytest.approx(0.95, abs=0.001)
    assert gates.little_share(load, 256) == pytest.approx(1.0, abs=0.001)


def skewed(late: int = 16, connections: int = 64) -> Any:
    """A run of 0.7 s whose first answers on some connections come after 0.5 s, all others after
    0.95 ms: what each connection does is written down, so that the sums are known."""
    latencies: list[int] = []
    for connection in range(connections):
        used = 0
        if connection < late:
            latencies.append(500_000)
            used = 500_000
        while used + 950 <= 700_000:
            latencies.append(950)
            used += 950
    real = Counter(latencies)
    table = test_wrk.corrected(real, wrk.correction_interval(700_000, len(latencies), connections))
    text = test_wrk.report(table, duration_us=700_000, requests=len(latencies))
    return wrk.parse(text, connections), sum(latencies)


def test_a_few_late_first_answers_do_not_void_a_run() -> None:
    """The mean is right, to the last phantom; the age that renewal theory makes of it is not."""
    load, sum_us = skewed()
    assert load.phantoms > 1000
    assert load.mean_us * load.samples == pytest.approx(sum_us)
    assert gates.answered_share(load, 64) == pytest.approx(sum_us / 64 / 700_000)
    assert gates.answered_share(load, 64) <= 1 < 1.05 < gates.little_share(load, 64)
    measured = replace(load, cut_off_us=475.0)
    assert gates.little_share(measured, 64) == pytest.approx(1.0, abs=0.002)
    late_at_the_end = replace(load, cut_off_us=89_000.0)  # and answered before it
    for each in (load, measured, late_at_the_end):
        assert littles_law(each) == []


def littles_law(load: Any) -> Any:
    found = gates.check(
        made.sample(made.THREADS, "files-1k", connections=64, load_fields=vars(load)),
        WORKLOADS["files-1k"], made.THREADS,
    )  # fmt: skip
    return [reason for reason in found if "Little" in reason]


@pytest.mark.parametrize("share, cut_off_us, sound", [
    (1.0, 475.0, True), (1.0, 50_000.0, True), (1.04, 475.0, False), (1.04, None, False),
    (0.8, 475.0, False), (0.8, 0.2 * 700_000, True),
])  # fmt: skip
def test_littles_law_with_the_age_that_was_measured(
    share: float, cut_off_us: float | None, sound: bool
) -> None:
    load, _ = skewed(late=0)
    whole = load.mean_us * share
    spoilt = replace(
        load, mean_us=whole, mean_square_us2=whole**2, cut_off_us=cut_off_us, established=64,
        unanswered=0, cpu_share=0.2, runnable_share=0.2,
    )  # fmt: skip
    assert (littles_law(spoilt) == []) is sound


@pytest.mark.parametrize("connecting_s, sound", [(None, False), (0.01, False), (0.14, True)])
def test_the_time_wrk_only_connected_is_allowed_for(connecting_s: float | None, sound: bool) -> None:
    load, _ = skewed(late=0)
    spoilt = replace(
        load, mean_us=load.mean_us * 0.8, cut_off_us=475.0, established=64, unanswered=0,
        runnable_share=0.2, connecting_s=connecting_s,
    )  # fmt: skip
    assert (littles_law(spoilt) == []) is sound


def test_a_busy_load_generator_holds_connections_itself() -> None:
    assert check(rps=3200.0, **with_latency(0.6, runnable_share=0.95)) == []
    assert check(rps=3200.0, **with_latency(1.2, runnable_share=0.95)) != []


@pytest.mark.parametrize(
    "share, runnable, sound",
    [(0.80, 0.5, True), (0.47, 0.5, True), (0.40, 0.5, False), (0.68, 0.3, True),
     (0.60, 0.3, False), (0.90, 0.24, False), (0.02, 0.9, False)],
)  # fmt: skip
def test_while_the_load_generator_sleeps_all_are_in_progress(
    share: float, runnable: float, sound: bool
) -> None:
    assert (check(rps=3200.0, **with_latency(share, runnable_share=runnable)) == []) is sound


def test_the_ceiling_of_waiting_does_not_bind_coroutines() -> None:
    coro = replace(made.CORO)
    assert check(coro, rps=12_000.0) == []
    assert check(coro, rps=14_000.0) != []


@pytest.mark.parametrize("seconds, sound", [(0.7, False), (0.09, True)])
def test_littles_law_takes_ten_answers_a_connection(seconds: float, sound: bool) -> None:
    """With fewer the requests cut off at the end, whose age is estimated, decide the sum."""
    load = made.load(rps=6400.0, connections=64, seconds=seconds, runnable_share=0.2)
    spoilt = replace(load, mean_us=load.mean_us * 0.8, cut_off_us=0.0, connecting_s=0.0)
    assert (littles_law(spoilt) == []) is sound
    too_much = replace(load, mean_us=load.mean_us * 1.3)
    assert littles_law(too_much) != []  # by which it is above is known exactly


@pytest.mark.parametrize(
    "company, noted",
    [
        ({"others_cores": 0.04, "steal_s": 0.1}, None),
        ({"others_cores": 0.5}, "other programs had of a core, in the median: beside threads(64) 50 %"),
        ({"steal_s": 5.0}, "the hypervisor took of the cores: from threads(64) 25.0 %"),
    ],
)
def test_company_is_noted_and_voids_nothing(company: Any, noted: str | None) -> None:
    sample = made.sample(**company)
    sample.gates = gates.check(sample, SLEEP, made.THREADS)
    result = analysis.analyse(made.cell("sleep", made.THREADS), [sample])
    assert sample.gates == []
    assert verdict.notes(result)[:-1] == ([noted] if noted else [])  # the last has the ceilings
