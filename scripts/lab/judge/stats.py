# SPDX-License-Identifier: MIT
"""The statistics: what two figures are to each other, how sure that is, and what follows.

Ratios are taken inside a block, between runs a few seconds apart, so that whatever slows the
machine for longer than that slows both. Their logarithms are averaged, and the interval is
Student's t of these: on recorded noise, resampled, it holds the truth 95 % of the time for every
number of blocks from 3 on (tests/lab/test_stats.py), where a median's bootstrap needs many more
and a trimmed mean is no better. Each interval stands by itself: of twenty pairs of equals one may
look different, and where a table has hundreds that is said.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass, replace
from typing import Any, Callable, Sequence

from scipy.special import bdtr, stdtrit

ENOUGH = 3  # pairs: with fewer there is no verdict
CONFIDENCE = 0.95
TO_HOLD = 0.97  # asked of the intervals of those that were stopped, so that they hold the truth as often
WITHIN = 0.03  # ratios this close to 1 are equal for any use of the answer
MOST_MORE = 1000  # blocks that are worth asking for
MORE, LESS, EQUAL, UNDECIDED = "more", "less", "equal", "undecided"


@dataclass(frozen=True)
class Comparison:
    """first to second in a figure, from n pairs; or a figure that stands for itself, where second
    is "". [low, high] holds the truth with CONFIDENCE, and is [0, inf] where n < ENOUGH. noise: how
    far a configuration is from itself; WITHIN where that is not known. stopped: pairs were added
    until the interval was narrow."""

    ratio: float
    low: float
    high: float
    n: int
    first: str = ""
    second: str = ""
    figure: str = ""
    noise: float = WITHIN
    stopped: bool = False

    @property
    def distance(self) -> float:
        """How far the ratio is from 1, the same for its inverse."""
        return max(self.ratio, 1 / self.ratio) - 1 if self.ratio > 0 else math.inf

    @property
    def state(self) -> str:
        """EQUAL: to within WITHIN. MORE, LESS: beyond 1, and farther from it than the noise. Each is
        said of the whole interval, else it is UNDECIDED."""
        if self.within(WITHIN):
            return EQUAL
        one_side = self.low > 1 or self.high < 1
        if not one_side or self.distance <= self.noise:
            return UNDECIDED
        return MORE if self.ratio > 1 else LESS

    @property
    def decided(self) -> bool:
        """One is ahead."""
        return self.state in (MORE, LESS)

    def within(self, share: float) -> bool | None:
        """Whether all of the interval is so close to 1; None where only a part of it is."""
        if self.low > 1 + share or self.high < 1 / (1 + share):
            return False
        return True if self.low >= 1 / (1 + share) and self.high <= 1 + share else None

    def holds(self, sign: Callable[[float, float], bool], value: float) -> bool | None:
        """Whether all of the interval compares so to a value; None where only a part of it does."""
        ends = {sign(self.low, value), sign(self.high, value)}
        return ends.pop() if self.n >= ENOUGH and len(ends) == 1 else None

    @property
    def more_blocks(self) -> int | None:
        """How many more would decide it, if they are like these; None where none would."""
        if self.n < ENOUGH:
            return ENOUGH - self.n
        away, equal = math.log1p(self.distance), math.log1p(WITHIN)
        wanted = max(away if self.distance > self.noise else 0.0, equal - away)
        spread = math.log(self.high / self.low) / 2 / _quantile(self.n, self.stopped) * math.sqrt(self.n)
        for n in range(self.n + 1, self.n + MOST_MORE):
            if _quantile(n, self.stopped) * spread / math.sqrt(n) < wanted:
                return n - self.n
        return None

    def to_json(self) -> dict[str, Any]:
        """low and high null where there are too few pairs for them."""
        ends = {"low": None, "high": None} if self.n < ENOUGH else {}
        return {**asdict(self), **ends, "confidence": CONFIDENCE, "state": self.state}


def _quantile(n: float, stopped: bool = False) -> float:
    """Of Student's t with n - 1 degrees of freedom, at both ends together."""
    return float(stdtrit(n - 1, (1 + (TO_HOLD if stopped else CONFIDENCE)) / 2))


def student(values: Sequence[float], stopped: bool = False) -> tuple[float, float, float]:
    """Mean, and the interval of it."""
    mean = statistics.fmean(values)
    if len(values) < ENOUGH:
        return mean, -math.inf, math.inf
    half = _quantile(len(values), stopped) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def paired(
    pairs: Sequence[tuple[float, float]], stopped: bool = False, **names: Any
) -> Comparison | None:
    """Of first to second, one pair a block. None without a pair, or where a figure is 0: what is
    nothing has no ratio. names: of the Comparison, and its noise."""
    if not pairs or any(value <= 0 for pair in pairs for value in pair):
        return None
    logs = [math.log(first / second) for first, second in pairs]
    middle, low, high = map(math.exp, student(logs, stopped))
    return Comparison(middle, low, high, len(pairs), stopped=stopped, **names)


def loosened(comparison: Comparison, share: float) -> Comparison:
    """The interval with room for what is not chance: that ratios are read too far from 1, or too near,
    by up to that share of the way. It stays on its side of 1."""
    if comparison.n < ENOUGH:
        return comparison
    low, high, factor = math.log(comparison.low), math.log(comparison.high), 1 + share
    return replace(
        comparison,
        low=math.exp(low / factor if low > 0 else low * factor),
        high=math.exp(high * factor if high > 0 else high / factor),
    )


def alone(values: Sequence[float], **names: Any) -> Comparison | None:
    """Of a figure that stands for itself."""
    if not values:
        return None
    middle, low, high = student(values)
    return Comparison(middle, low, high, len(values), **names)


def unpaired(first: Sequence[float], second: Sequence[float], **names: Any) -> Comparison | None:
    """Of first to second, measured apart: Welch's t of the difference of the logarithms' means."""
    if not first or not second or any(value <= 0 for value in (*first, *second)):
        return None
    one, other = ([math.log(value) for value in values] for values in (first, second))
    middle, half, n = statistics.fmean(one) - statistics.fmean(other), math.inf, min(len(one), len(other))
    if n >= ENOUGH:
        parts = [(statistics.variance(logs) / len(logs), len(logs) - 1) for logs in (one, other)]
        square = sum(part for part, _ in parts)
        least = sum(part**2 / degrees for part, degrees in parts)
        half = _quantile(1 + square**2 / least) * math.sqrt(square) if least else 0.0
    middle, low, high = map(math.exp, (middle, middle - half, middle + half))
    return Comparison(middle, low, high, n, **names)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Of one configuration's own median, for plots: the narrowest two values of the sample,
    as far from its ends as each other, that hold the true median 95 % of the time whatever
    the distribution (the sign test); the whole range where there are too few for that."""
    ranked, n = sorted(values), len(values)
    cut = sum(2 * bdtr(k, n, 0.5) <= 1 - CONFIDENCE for k in range(1, (n - 1) // 2 + 1))
    return ranked[cut], ranked[n - 1 - cut]
