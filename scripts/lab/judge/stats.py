# SPDX-License-Identifier: MIT
"""The statistics: medians over blocks, ratios pair by pair, an honest interval.

Ratios are taken inside a block, between runs a few seconds apart, so that whatever slows
the machine for longer than that slows both. The interval is the percentile bootstrap of
the ratios' median. With fewer than ENOUGH_BLOCKS blocks no interval of 95 % exists for a
median (its widest, smallest to largest, covers 1 - 2 * 0.5**n); then the range is given,
and called a range.
"""

from __future__ import annotations

import functools
import math
import random
import statistics
from dataclasses import dataclass
from typing import Sequence

ENOUGH_BLOCKS = 6
RESAMPLES = 4000
CONFIDENCE = 0.95
_SEED = 20  # of the resampling: the same samples give the same interval


@dataclass(frozen=True)
class Ratio:
    """Median ratio with [low, high]; a range, not an interval, where confidence < 0.95."""

    median: float
    low: float
    high: float
    blocks: int
    confidence: float

    @property
    def tie(self) -> bool:
        return self.low <= 1.0 <= self.high


def range_confidence(n: int) -> float:
    """How often [smallest, largest] of n independent values holds the true median."""
    return max(0.0, 1.0 - 2.0 * 0.5**n)


@functools.lru_cache(maxsize=None)  # a run's document, tables and page ask for the same ones
def bootstrap(values: tuple[float, ...], over: tuple[float, ...] = ()) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the median, or of its ratio to another's, each
    resampled by itself."""
    dice = random.Random(_SEED)

    def median(of: tuple[float, ...]) -> float:
        return statistics.median(dice.choices(of, k=len(of)))

    drawn = sorted(
        median(values) / median(over) if over else median(values) for _ in range(RESAMPLES)
    )
    tail = (1.0 - CONFIDENCE) / 2
    return drawn[int(tail * RESAMPLES)], drawn[int((1.0 - tail) * RESAMPLES) - 1]


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Of one configuration's own median, for plots: the narrowest two values of the sample,
    as far from its ends as each other, that hold the true median 95 % of the time whatever
    the distribution (the sign test); the whole range where there are too few for that."""
    ranked = sorted(values)
    n, cut, outside = len(ranked), 0, 0.5 ** len(ranked)
    while cut < (n - 1) // 2:
        outside += math.comb(n, cut + 1) * 0.5**n
        if 2 * outside > 1.0 - CONFIDENCE:
            break
        cut += 1
    return ranked[cut], ranked[n - 1 - cut]


def paired_ratio(pairs: Sequence[tuple[float, float]]) -> Ratio | None:
    """Of first to second, one pair a block. None without a pair, or where a second is 0."""
    if not pairs or any(second <= 0 for _, second in pairs):
        return None
    ratios = [first / second for first, second in pairs]
    if len(ratios) < ENOUGH_BLOCKS:
        low, high = min(ratios), max(ratios)
        confidence = range_confidence(len(ratios))
    else:
        low, high = bootstrap(tuple(ratios))
        confidence = CONFIDENCE
    return Ratio(statistics.median(ratios), low, high, len(ratios), confidence)


def unpaired_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio | None:
    """Of the medians, second to first; with few blocks, the widest that the blocks allow."""
    if not first or not second:
        return None
    middle = statistics.median(second) / statistics.median(first)
    blocks = min(len(first), len(second))
    if blocks < ENOUGH_BLOCKS:
        low, high = min(second) / max(first), max(second) / min(first)
        return Ratio(middle, low, high, blocks, range_confidence(blocks))
    return Ratio(middle, *bootstrap(tuple(second), tuple(first)), blocks, CONFIDENCE)
