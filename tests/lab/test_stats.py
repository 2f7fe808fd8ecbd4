# SPDX-License-Identifier: MIT
"""The statistics against distributions whose answers are known."""

import random
import statistics
from typing import Any

import made  # noqa: F401  makes the lab importable
import pytest
from lab.judge import stats


def ratio(pairs: list[tuple[float, float]]) -> stats.Ratio:
    found = stats.paired_ratio(pairs)
    assert found is not None
    return found


def test_the_ratio_is_taken_pair_by_pair() -> None:
    # The machine is twice as slow in each next block; a ratio of medians would not be 2.
    pairs = [(2.0, 1.0), (4.0, 2.0), (8.0, 4.0), (16.0, 8.0)]
    found = ratio(pairs)
    assert (found.median, found.low, found.high) == (2.0, 2.0, 2.0)
    assert not found.tie


@pytest.mark.parametrize("pairs", [[], [(1.0, 0.0)], [(1.0, 1.0), (2.0, 0.0)]])
def test_no_ratio_without_pairs_or_to_nothing(pairs: Any) -> None:
    assert stats.paired_ratio(pairs) is None


def test_few_blocks_give_a_range_and_its_confidence() -> None:
    found = ratio([(0.9, 1.0), (1.2, 1.0), (1.1, 1.0)])
    assert (found.low, found.median, found.high) == pytest.approx((0.9, 1.1, 1.2))
    assert found.confidence == 0.75
    assert found.tie


@pytest.mark.parametrize(
    "n, confidence", [(1, 0.0), (2, 0.5), (3, 0.75), (5, 0.9375), (6, 0.96875)]
)
def test_confidence_of_the_range(n: Any, confidence: Any) -> None:
    assert stats.range_confidence(n) == confidence


def test_enough_blocks_is_where_the_range_reaches_95_percent() -> None:
    assert stats.range_confidence(stats.ENOUGH_BLOCKS) >= stats.CONFIDENCE
    assert stats.range_confidence(stats.ENOUGH_BLOCKS - 1) < stats.CONFIDENCE


def test_range_confidence_is_what_sampling_shows() -> None:
    dice = random.Random(1)
    trials = 4000
    for n in (3, 5):
        held = 0
        for _ in range(trials):
            values = [dice.gauss(0, 1) for _ in range(n)]
            held += min(values) <= 0 <= max(values)
        assert held / trials == pytest.approx(stats.range_confidence(n), abs=0.03)


@pytest.mark.parametrize("draw", [lambda d: d.gauss(1.5, 0.1), lambda d: d.lognormvariate(0.4, 0.2)])
def test_bootstrap_interval_holds_the_true_median_about_95_percent_of_the_time(draw: Any) -> None:
    dice = random.Random(2)
    truth = statistics.median(draw(dice) for _ in range(100_001))
    trials, held = 150, 0
    for _ in range(trials):
        low, high = stats.bootstrap(tuple(draw(dice) for _ in range(15)))
        held += low <= truth <= high
    assert 0.88 <= held / trials <= 1.0


def test_bootstrap_interval_narrows_with_more_blocks() -> None:
    dice = random.Random(3)
    values = [dice.gauss(1, 0.1) for _ in range(160)]
    widths = []
    for n in (10, 40, 160):
        low, high = stats.bootstrap(tuple(values[:n]))
        assert low <= statistics.median(values[:n]) <= high
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]


def test_bootstrap_repeats_itself() -> None:
    values = [1.0, 1.1, 0.9, 1.2, 1.05, 0.95, 1.02]
    assert stats.bootstrap(tuple(values)) == stats.bootstrap(tuple(values))


def test_few_blocks_of_two_runs_give_the_widest_range() -> None:
    found = stats.unpaired_ratio([1.0, 2.0], [2.0, 3.0])
    assert found is not None and (found.low, found.high) == (1.0, 3.0)
    assert found.confidence < 0.95


def test_constant_values_have_no_width() -> None:
    assert stats.bootstrap((2.0,) * 8) == (2.0, 2.0)


def test_one_wild_block_does_not_move_the_median_far() -> None:
    found = ratio([(1.0, 1.0)] * 9 + [(50.0, 1.0)])
    assert found.median == 1.0
    assert found.tie
