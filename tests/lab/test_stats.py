# SPDX-License-Identifier: MIT
"""The statistics against noise whose truth is known, drawn and recorded."""

import functools
import itertools
import operator
from dataclasses import replace
from typing import Any

import made
import numpy
import pytest
from lab.ask.workloads import WORKLOADS
from lab.judge import analysis, best, stats
from lab.show import reading

EVERY_N = (3, 4, 5, 6, 8, 10, 15, 20, 30)


def compared(pairs: list[tuple[float, float]], **fields: Any) -> stats.Comparison:
    found = stats.paired(pairs, **fields)
    assert found is not None
    return found


def test_the_ratio_is_taken_pair_by_pair() -> None:
    # The machine is twice as slow in each next block; a ratio of medians would not be 2.
    found = compared([(2.0, 1.0), (4.0, 2.0), (8.0, 4.0), (16.0, 8.0)])
    assert (found.ratio, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    assert found.n == 4 and found.state == stats.MORE


@pytest.mark.parametrize("pairs", [[], [(1.0, 0.0)], [(1.0, 1.0), (2.0, 0.0)], [(0.0, 1.0)]])
def test_no_ratio_without_pairs_or_of_nothing(pairs: Any) -> None:
    assert stats.paired(pairs) is None


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_pairs_decide_nothing(n: int) -> None:
    found = compared([(9.0, 1.0)] * n)
    assert found.state == stats.UNDECIDED and found.more_blocks == 3 - n
    assert found.holds(operator.gt, 1.0) is None and found.within(9.0) is None
    assert found.to_json()["low"] is None


# --- the interval holds what it says ----------------------------------------------------------


def coverage(noise: Any, n: int, trials: int = 2000, seed: int = 1) -> float:
    """How often the interval of n logarithms drawn from noise, of which the mean is 0, holds 0."""
    dice = numpy.random.default_rng(seed)
    held = 0
    for logs in noise(dice, (trials, n)):
        found = compared([(ratio, 1.0) for ratio in numpy.exp(logs).tolist()])
        held += found.low <= 1.0 <= found.high
    return held / trials


@functools.lru_cache(maxsize=None)
def recorded() -> Any:
    """Of every pair of rows of the recorded reference run that was judged, how far each block's
    logarithm is from the pair's mean, in the pair's own standard deviations."""
    (folder,) = made.ROOT.glob("results/*Z-reference")
    found = []
    for result in reading.read(folder).results():
        for first, second in itertools.combinations(result.rows, 2):
            for figure in (analysis.RPS, analysis.CPU):
                values = [{s.block: figure.of(s) for s in row.valid} for row in (first, second)]
                common = sorted(values[0].keys() & values[1].keys())
                if len(common) < 6 or not all(v[b] > 0 for v in values for b in common):
                    continue
                logs = numpy.log([values[0][b] / values[1][b] for b in common])
                spread = logs.std(ddof=1)
                if spread > 1e-9:
                    found.append((logs - logs.mean()) / spread / (1 - 1 / len(logs)) ** 0.5)
    return found


def test_the_interval_holds_the_truth_on_log_normal_noise() -> None:
    for n in EVERY_N:
        assert 0.93 <= coverage(lambda dice, size: dice.normal(0, 0.05, size), n) <= 0.97, n


def test_the_interval_holds_the_truth_on_recorded_noise() -> None:
    pool = numpy.concatenate(recorded()) * 0.03
    assert len(pool) > 3000
    for n in EVERY_N:
        held = coverage(lambda dice, size: dice.choice(pool - pool.mean(), size), n)
        assert 0.93 <= held <= 0.97, n


def test_the_interval_holds_the_truth_where_pairs_differ_in_noise() -> None:
    """Every trial has a pair of its own, which is quiet or loud as it was when recorded. The few values
    of a pair are smoothed, as in no run is the same noise met three times."""
    pairs = [each - each.mean() for each in recorded()]

    def draw(dice: Any, size: tuple[int, int]) -> Any:
        trials, n = size
        for at in dice.integers(len(pairs), size=trials):
            logs = dice.choice(numpy.concatenate((pairs[at], -pairs[at])), n)
            yield (logs + dice.normal(0, 0.3 * pairs[at].std(), n)) * 10 ** dice.uniform(-3, -1)

    for n in (3, 5, 10, 30):
        assert 0.93 <= coverage(draw, n) <= 0.975, n


@pytest.mark.parametrize("most", [4, 6, 10])
@pytest.mark.parametrize("spread", [0.01, 0.02, 0.05])
def test_the_interval_holds_the_truth_where_pairs_are_added_until_it_is_narrow(
    spread: float, most: int
) -> None:
    dice = numpy.random.default_rng(1)
    held, trials = 0, 2000
    for ratios in numpy.exp(dice.normal(0, spread, (trials, most))).tolist():
        for n in range(stats.ENOUGH, most + 1):
            found = compared([(ratio, 1.0) for ratio in ratios[:n]], stopped=True)
            if found.high / found.low <= 1.03**2:
                break
        held += found.low <= 1.0 <= found.high
    assert 0.93 <= held / trials <= 0.98


def test_two_runs_that_were_measured_apart() -> None:
    dice, held, trials = numpy.random.default_rng(4), 0, 4000
    for _ in range(trials):  # one run twice as noisy as the other, and shorter
        one, other = numpy.exp(dice.normal(0, 0.1, 4)), numpy.exp(dice.normal(0, 0.05, 8))
        found = stats.unpaired(one.tolist(), other.tolist())
        assert found is not None
        held += found.low <= 1.0 <= found.high
    assert 0.93 <= held / trials <= 0.97
    few = stats.unpaired([1.0, 2.0], [2.0, 3.0, 4.0])
    assert few is not None and few.state == stats.UNDECIDED and few.n == 2
    same = stats.unpaired([2.0] * 3, [1.0] * 3)
    assert same is not None and (same.low, same.high) == pytest.approx((2.0, 2.0))
    assert stats.unpaired([], [1.0]) is None and stats.unpaired([0.0], [1.0]) is None


# --- who is said to be ahead --------------------------------------------------------------------


@pytest.mark.parametrize("spread, least, most", [(0.05, 0.07, 0.13), (0.01, 0.0, 0.02)])
def test_of_three_equals_the_first_is_ahead_of_another_more_often_than_of_two(
    spread: float, least: float, most: float
) -> None:
    """As often as the lab's README says. The fourth is the other half of an A/A pair."""
    dice, trials, some, all_others = numpy.random.default_rng(1), 1000, 0, 0
    equals = made.result(WORKLOADS["sleep"], 256, {each: {} for each in (made.PREFORK, made.THREADS, made.CORO)})
    for factors in numpy.exp(dice.normal(0, spread, (trials, 4, 6))):
        rows = tuple(
            replace(row, samples=tuple(
                replace(s, load=made.load(2000 * factor)) for s, factor in zip(row.samples, of_row)
            ))
            for row, of_row in zip(equals.rows, factors)
        )  # fmt: skip
        again = compared(list(zip(factors[2].tolist(), factors[3].tolist())))
        found = best.standing(replace(equals, rows=rows, noise={analysis.RPS.name: again.distance}))
        assert found is not None
        some += any(c is not None and c.decided for c in found.ahead.values())
        all_others += len(found.level) == 1
    assert least <= some / trials <= most and all_others / trials <= 0.02


# --- three states -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ratio, low, high, noise, state",
    [
        (1.10, 1.05, 1.15, 0.03, stats.MORE),
        (0.90, 0.85, 0.95, 0.03, stats.LESS),
        (1.10, 0.99, 1.21, 0.03, stats.UNDECIDED),
        (1.10, 1.05, 1.15, 0.12, stats.UNDECIDED),  # as far as a configuration is from itself
        (0.90, 0.85, 0.95, 0.12, stats.UNDECIDED),
        (1.00, 0.98, 1.02, 0.00, stats.EQUAL),
        (1.02, 1.01, 1.029, 0.00, stats.EQUAL),  # a difference, but of no use
        (1.02, 1.01, 1.031, 0.00, stats.MORE),
        (0.98, 0.96, 1.00, 0.00, stats.UNDECIDED),
    ],
)
def test_states(ratio: float, low: float, high: float, noise: float, state: str) -> None:
    assert stats.Comparison(ratio, low, high, 8, noise=noise).state == state


def test_noise_that_was_not_measured_is_not_none() -> None:
    assert compared([(1.031, 1.0), (1.029, 1.0), (1.029, 1.0)]).state == stats.UNDECIDED
    assert compared([(1.031, 1.0), (1.029, 1.0), (1.029, 1.0)], noise=0.0).state == stats.MORE
    assert compared([(1.041, 1.0), (1.04, 1.0), (1.039, 1.0)]).state == stats.MORE


def test_how_many_more_blocks_would_decide_it() -> None:
    dice = numpy.random.default_rng(5)
    logs = dice.normal(0, 1, 400)
    logs = (logs - logs[:6].mean()) / logs[:6].std(ddof=1) * 0.1 + 0.06  # of six: 6 % ± 10 %
    found = compared([(ratio, 1.0) for ratio in numpy.exp(logs[:6])])
    assert found.state == stats.UNDECIDED
    more = found.more_blocks
    assert more is not None and 5 <= more <= 10  # t(12) 2.2 × 0.1 / √13 = 0.06
    near = compared([(1.05, 1.0), (0.95, 1.0), (1.0, 1.0), (1.02, 1.0)])
    assert near.more_blocks is not None and near.more_blocks > 1  # until it is equal
    assert stats.Comparison(1.10, 1.05, 1.15, 8, noise=0.2).more_blocks is None


def test_a_condition_holds_with_the_whole_interval() -> None:
    found = stats.Comparison(0.9, 0.85, 0.94, 6)
    assert found.holds(operator.lt, 0.95) is True
    assert found.holds(operator.lt, 0.85) is False
    assert found.holds(operator.lt, 0.90) is None
    assert found.within(0.2) is True and found.within(0.05) is False and found.within(0.1) is None


# --- figures that stand for themselves ------------------------------------------------------------


def test_a_figure_of_its_own_may_be_nothing() -> None:
    none = stats.alone([0.0] * 3)
    assert none is not None and none.holds(operator.le, 0.0) is True
    some = stats.alone([0.0, 0.0, 9.0])
    assert some is not None and some.holds(operator.le, 0.0) is None
    assert stats.alone([]) is None


def test_the_interval_narrows_with_more_blocks() -> None:
    dice = numpy.random.default_rng(3)
    values = dice.normal(1, 0.1, 160).tolist()
    widths = [high - low for _, low, high in (stats.student(values[:n]) for n in (10, 40, 160))]
    assert widths[0] > widths[1] > widths[2]
