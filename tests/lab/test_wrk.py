# SPDX-License-Identifier: MIT
"""Reading wrk's report, and undoing what wrk does to its latency table."""

import json
import random
from collections import Counter
from typing import Any

import made  # noqa: F401  makes the lab importable
import pytest
from lab.machine.errors import LabError
from lab.ask.workloads import WORKLOADS
from lab.measure import wrk


def corrected(real: Any, interval: Any) -> Any:
    """wrk 4.1's correction, written from its description: see scripts/lab/measure/wrk.py."""
    table = Counter(real)
    for value, count in sorted(real.items()):
        missed = value - interval
        while value >= 2 * interval and missed > interval:
            table[missed] += count
            missed -= interval
    return dict(table)


def report(table: Any, duration_us: Any = 1_000_000, requests: Any = None, **errors: Any) -> Any:
    requests = sum(table.values()) if requests is None else requests
    return "Running 1s test\n  noise\n" + json.dumps(
        {
            "lab_wrk": 1,
            "duration_us": duration_us,
            "requests": requests,
            "bytes": 5,
            "errors": {"connect": 0, "read": 0, "write": 0, "status": 0, "timeout": 0, **errors},
            "corrected": {"mean": 1.5, "p50": 1},
            "histogram": [[value, count] for value, count in sorted(table.items())],
        },
        separators=(",", ":"),
    )


@pytest.mark.parametrize("seed", range(20))
def test_restoring_is_the_exact_inverse_of_correcting(seed: Any) -> None:
    dice = random.Random(seed)
    connections = dice.choice([1, 4, 64])
    real = Counter(int(dice.lognormvariate(6, 1.5)) + 1 for _ in range(dice.randrange(100, 3000)))
    requests = sum(real.values())
    duration_us = dice.randrange(10_000, 2_000_000)
    table = corrected(real, duration_us // (requests // connections))
    assert wrk.restore(table, wrk.correction_interval(duration_us, requests, connections)) == dict(real)


def test_phantoms_are_counted_and_taken_out_of_the_mean() -> None:
    # Two connections, 9 quick answers of 100 us and one of 1,000 us in 1,000 us: E = 200.
    real = {100: 9, 1000: 1}
    table = corrected(real, 200)
    assert table == {100: 9, 1000: 1, 800: 1, 600: 1, 400: 1}
    load = wrk.parse(report(table, duration_us=1000, requests=10), connections=2)
    assert (load.samples, load.phantoms) == (10, 3)
    assert load.mean_us == pytest.approx(190)
    assert load.mean_square_us2 == pytest.approx((9 * 100**2 + 1000**2) / 10)
    assert load.max_us == 1000


def test_fewer_answers_than_connections_leave_the_table_alone() -> None:
    assert wrk.restore({10: 1, 900: 2}, wrk.correction_interval(1000, 3, 4)) == {10: 1, 900: 2}


def test_all_kinds_of_errors_are_read() -> None:
    load = wrk.parse(report({5: 3}, read=1, status=2, timeout=4), 1)
    assert load.errors == {"connect": 0, "read": 1, "write": 0, "status": 2, "timeout": 4}


def test_throughput_is_over_the_real_duration() -> None:
    assert wrk.parse(report({5: 300}, duration_us=1_500_000), 1).rps == pytest.approx(200)


@pytest.mark.parametrize(
    "count, known", [(19, []), (20, ["p50"]), (1000, ["p50", "p90", "p99"]),
                     (10_000, ["p50", "p90", "p99", "p999"])],
)  # fmt: skip
def test_a_percentile_needs_ten_samples_beyond_it(count: Any, known: Any) -> None:
    load = wrk.parse(report({7: count}), connections=1)
    assert [name for name, value in load.percentiles_us.items() if value is not None] == known


def test_percentiles_by_nearest_rank() -> None:
    table = {value: 1 for value in range(1, 1001)}
    assert wrk.percentile(table, 0.5) == 500
    assert wrk.percentile(table, 0.99) == 990


def test_one_request_that_stands_still_is_seen_by_the_time_it_takes() -> None:
    """16 connections for 2 s: one waits 0.3 s, once; else all are answered every 0.1 ms."""
    table = {100: 317_000, 300_000: 1}
    load = wrk.parse(report(table, duration_us=2_000_000, requests=0), connections=16)
    assert load.by_time_us == {"p50": 100, "p90": 100, "p99": 100, "p999": 300_000}
    assert load.percentiles_us == {"p50": 100, "p90": 100, "p99": 100, "p999": 100}
    always = {100: 300_000, 500_000: 4}  # of the 32 s, 2 s: one connection at any moment
    assert wrk.percentile_by_time(always, 0.90) == 100
    assert wrk.percentile_by_time(always, 0.95) == 500_000
    assert wrk.percentile_by_time({}, 0.99) == 0.0


def test_by_time_half_of_it_is_spent_in_the_slower_half_of_the_table() -> None:
    assert wrk.percentile_by_time({1: 300, 3: 100}, 0.5) == 1  # 300 us and 300 us
    assert wrk.percentile_by_time({1: 299, 3: 100}, 0.5) == 3
    assert wrk.percentile({1: 299, 3: 100}, 0.5) == 1


@pytest.mark.parametrize(
    "output", ["", "unable to connect to 127.0.0.1:1", '{"lab_wrk":1,"duration_us":1}',
               '{"lab_wrk":1,"duration'],
)  # fmt: skip
def test_output_without_a_whole_report_is_an_error(output: Any) -> None:
    with pytest.raises(LabError):
        wrk.parse(output, 1)


@pytest.mark.parametrize("connections, cpus, expected", [(64, 1, 1), (64, 2, 2), (9, 2, 1), (9, 4, 3), (1, 4, 1)])
def test_every_connection_belongs_to_a_thread(connections: Any, cpus: Any, expected: Any) -> None:
    assert wrk.Command(WORKLOADS["hello"], connections, range(cpus), 1.0, 1).threads == expected
