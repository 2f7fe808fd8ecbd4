# SPDX-License-Identifier: MIT
"""How far apart cores are: measured beside a load, and taken out of CPU per request."""

import math
import os
import time
from dataclasses import replace
from typing import Any, Sequence

import made
import numpy
import pytest
from lab.machine import priority, procfs
from lab.judge import analysis, distance, stats, verdict
from lab.measure import apart
from lab.measure.sample import Sample
from lab.show.document import Run

NEAR_NS, FAR_NS, FAR = 200, 450, 1.27  # and how much dearer a request is, as on the machine it was seen on


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_byte_goes_there_and_back_while_it_is_watched() -> None:
    first, *_, last = sorted(os.sched_getaffinity(0))
    before = procfs.descendants(os.getpid())
    deadline = time.monotonic() + 30  # other programs may keep the partner from waking up in time
    with apart.watched((first, last), priority.usual()) as found:
        while len(found) < 3 and time.monotonic() < deadline:
            time.sleep(apart.EVERY_S)
    assert len(found) >= 3 and all(0 < ns < 1e8 for ns in found)
    assert os.sched_getaffinity(0) >= {first, last}  # the caller goes where it went before
    assert procfs.descendants(os.getpid()) == before  # the partner has ended


def test_a_core_is_not_apart_from_itself() -> None:
    with apart.watched((0, 0), 0) as found:
        pass
    assert found == []


def _trips(away: float) -> list[int]:
    """away: for what share of the load."""
    return [FAR_NS + at if at < 10 * away else NEAR_NS - at for at in range(10)]


def samples(far: Any, costs: Any, noise: Any = None) -> list[Sample]:
    """far: of each block and configuration, whether the cores are. costs: µs a request of each, near."""
    made_up = []
    for block, row in enumerate(far):
        for at, (configuration, away) in enumerate(zip(costs, row)):
            cost = costs[configuration] * FAR**away
            cost *= math.exp(noise[block][at]) if noise is not None else 1.0
            made_up.append(made.sample(
                configuration, "hello", block, 100_000.0, cost, 64, apart_ns=tuple(_trips(away))
            ))  # fmt: skip
    return made_up


COSTS = {made.PREFORK: 6.0, made.THREADS: 6.0, made.CORO: 5.7}
ONE_FAR = [(0, 0, 0), (0, 1, 0.3), (0, 0, 0), (1, 1, 1)]  # in the second block they went there and came back


def judged(seen: list[Sample]) -> analysis.CellResult:
    (result,) = Run(made.plan((made.cell("hello", *COSTS, connections=64),)), {}, "", "", seen).results()
    return result


def test_what_moved_cores_cost_is_taken_out() -> None:
    result = judged(samples(ONE_FAR, COSTS))
    for row in result.rows:
        assert row.cpu_us == pytest.approx(COSTS[row.configuration])
    found = result.compare(result.row("coro"), result.row("threads(64)"), analysis.CPU)
    assert found and (found.ratio, found.low, found.high) == pytest.approx((0.95,) * 3)
    (note,) = verdict._moved(result.rows)
    assert note == (
        "in 4 of 12 samples the hypervisor had moved the server's core and wrk's apart (454 ns there and back "
        "in place of 196), which cost a request 27 % more CPU: that is taken off"
    )
    unknown = [replace(s, apart_ns=()) for s in samples(ONE_FAR, COSTS)]
    without = judged(unknown)
    raw = without.compare(without.row("coro"), without.row("threads(64)"), analysis.CPU)
    assert raw and raw.state == stats.UNDECIDED and not verdict._moved(without.rows)


def test_the_samples_of_all_cells_are_evened_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = tuple(made.cell(name, made.CORO) for name in ("hello", "sleep", "cpu"))
    every = [made.sample(made.CORO, cell.workload.name) for cell in cells]
    asked = []

    def evened(seen: Sequence[Sample]) -> list[Sample]:
        asked.append(len(seen))
        return list(seen)

    monkeypatch.setattr(distance, "evened", evened)
    assert len(Run(made.plan(cells), {}, "", "", every).results()) == 3 and asked == [3]


def test_one_measurement_that_is_off_is_no_move() -> None:
    near, far = [NEAR_NS] * 10, [FAR_NS] * 10
    near[4], far[5] = FAR_NS, NEAR_NS
    seen = [
        made.sample(made.CORO, "hello", block, apart_ns=tuple(trips), connections=64)
        for block, trips in enumerate((near, far, near[5:] + far[:5]))
    ]
    assert [s.far_share for s in distance.evened(seen)] == [0.0, 1.0, 0.5]


def test_what_a_sample_holds_is_not_changed() -> None:
    before = samples(ONE_FAR, COSTS)
    after = distance.evened(before)
    assert [s.usage for s in after] == [s.usage for s in before]
    assert {s.cpu_factor for s in before} == {1.0} and len({s.cpu_factor for s in after}) == 3


def test_cores_that_stay_where_they_are_change_nothing() -> None:
    assert {s.cpu_factor for s in distance.evened(samples([(0, 0, 0)] * 3, COSTS))} == {1.0}
    assert {s.cpu_factor for s in distance.evened(samples([(1, 1, 1)] * 3, COSTS))} == {1.0}


def test_far_is_never_cheaper() -> None:
    dear_near = samples(ONE_FAR, COSTS, [[0.3 * (1 - away) for away in row] for row in ONE_FAR])
    assert {s.cpu_factor for s in distance.evened(dear_near)} == {1.0}


@pytest.mark.parametrize("blocks", [3, 4, 6, 10])
def test_the_interval_holds_the_truth_where_cores_move(blocks: int) -> None:
    """Each sample is as far as the one before it, but in one of ten the cores have moved."""
    dice, held, trials = numpy.random.default_rng(1), 0, 1000
    for _ in range(trials):
        moves = dice.random(blocks * len(COSTS)) < 0.1
        far = (numpy.cumsum(moves) + dice.integers(2)).reshape(blocks, -1) % 2
        seen = distance.evened(samples(far, COSTS, dice.normal(0, 0.02, (blocks, len(COSTS)))))
        costs = {(s.configuration, s.block): s.cpu_us for s in seen}
        pairs = [(costs["coro", block], costs["threads(64)", block]) for block in range(blocks)]
        found = stats.paired(pairs)
        assert found is not None
        held += found.low <= 0.95 <= found.high
    assert 0.93 <= held / trials <= 0.97
