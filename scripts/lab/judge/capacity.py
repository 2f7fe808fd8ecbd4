# SPDX-License-Identifier: MIT
"""The highest rate at which a server keeps a promise such as "99 % of answers within 50 ms".

Capacity is the rate at which a window of load keeps the promise as often as not. Windows that are
short find it within a factor of two, by doubling. Then each window of full length is one more vote:
how likely all votes so far are is worked out for every rate that may be the capacity, and for every
width of the zone in which votes are mixed (a logistic curve in the logarithm of the rate, with a few
lapses at any rate, as a stall of the machine spoils a window). The next window goes where half of the
likelihood lies below and half above, which is bisection as long as votes agree. When few rates are left
windows go below and above them in turn, by what the rate is to be known to, until it is certain enough
that the one keeps the promise and the other breaks it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..ask.plan import Configuration
from ..ask.workloads import Workload
from ..measure.load import GIVEN_UP, PERCENTILES, OpenLoad
from . import ceilings, words

FIRST_RATE = 1000.0
CONFIDENCE = 0.95
TO_HOLD = 0.97  # asked of an interval that is stopped when it is narrow, so that it holds as often
LAPSE = 0.03  # of windows at any rate that vote wrongly
# Of the zone of mixed votes, in parts of the rate, and how likely before any vote.
WIDTHS = {0.003: 0.35, 0.01: 0.35, 0.02: 0.17, 0.04: 0.09, 0.08: 0.04}
STEP = 0.002  # of the grid of rates, in parts of the rate
SPREAD = math.log(2) / 2  # of what is thought of the capacity before the first vote
REACH = 2.0  # of the grid, in logarithms of the rate to both sides
TWICE = 2  # so often a short window must be broken: one may be a stall of the machine
VOIDS = 5  # windows of one rate in which the generator was exhausted, before it is held not to reach it
STEP_TO_REACH = 1.3  # above what was kept: close enough to what the generator can do
WITHOUT_BIAS = 100  # windows last so many times the promise: a rate 1 % too high is then too much
SAMPLES_BEYOND = 11  # expected beyond the percentile; the generator shows it from ten on
LONGEST_S = 40.0  # of a window, before a rate is held to be too low to be looked at
NEAR = 4  # times as wide as asked for: few rates are left
FAR = 0.5  # of what is promised
IN_USE = 0.50  # of what there is of something: with a short promise a queue limits long before all is in use


@dataclass(frozen=True)
class Promise:
    """percentile: a name in PERCENTILES."""

    percentile: str
    limit_us: float

    def __str__(self) -> str:
        return f"{self.percentile} ≤ {words.duration_text(self.limit_us)}"

    def kept(self, load: OpenLoad) -> bool | None:
        """Whether a window keeps it, with every request answered well; None where it does not tell. A void
        one keeps it where it is far within, as the generator's lag only makes latencies longer, and never
        breaks it: if it kept it at the limit and did not break it there, votes would lean to one side."""
        if load.stopped not in (None, GIVEN_UP):
            return None
        known = load.latency.percentiles_us[self.percentile]
        found = load.latency.max_us if known is None else known  # of too few: if all are within
        well = load.stopped is None and not load.failed
        limit_us = self.limit_us * (FAR if load.void else 1.0)
        if well and load.as_asked and found is not None and found <= limit_us:
            return True
        too_few = known is None and well
        return None if load.void or too_few else False

    @property
    def beyond(self) -> float:
        """Which part of the requests it leaves out."""
        return 1 - PERCENTILES[self.percentile]

    @property
    def lowest_rate(self) -> float:
        """Of which a window lasts LONGEST_S."""
        return SAMPLES_BEYOND / self.beyond / LONGEST_S

    def window_s(self, rate: float, least_s: float) -> float:
        """How long a window of a rate must be for the percentile to be known."""
        return max(least_s, SAMPLES_BEYOND / self.beyond / rate)

    def full_window_s(self, least_s: float) -> float:
        """How long windows that vote are at least."""
        return max(least_s, WITHOUT_BIAS * self.limit_us / 1e6)


@dataclass(frozen=True)
class Trial:
    """One window. kept: None where it says nothing. vote: it was of full length. exhausted: the generator
    had used up its core."""

    rate: float
    kept: bool | None
    vote: bool
    exhausted: bool = False


@dataclass(frozen=True)
class Interval:
    """[low, high] holds the capacity with CONFIDENCE."""

    rate: float
    low: float
    high: float

    def narrow(self, precision: float) -> bool:
        return self.high <= self.low * (1 + precision) ** 2


def interval(trials: Sequence[Trial], centre: float) -> Interval:
    """From the votes. centre: what was found before them."""
    rates = math.log(centre) + np.arange(-REACH, REACH, STEP)
    weight = _likelihood([trial for trial in trials if trial.vote and trial.kept is not None], rates)
    weight *= np.exp(-np.abs(rates - math.log(centre)) / SPREAD)
    below = np.cumsum(weight) / weight.sum()
    rate, low, high = (
        math.exp(rates[min(int(np.searchsorted(below, part)), len(rates) - 1)])
        for part in (0.5, (1 - TO_HOLD) / 2, (1 + TO_HOLD) / 2)
    )
    return Interval(rate, low, high)


def _likelihood(votes: Sequence[Trial], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every rate to be the capacity, all widths taken together."""
    widths = np.array(list(WIDTHS))[:, None]
    logs = np.log(np.array(list(WIDTHS.values())))[:, None] + np.zeros(len(rates))
    for vote in votes:
        distance = np.clip((math.log(vote.rate) - rates) / widths, -50, 50)
        keeps = LAPSE + (1 - 2 * LAPSE) / (1 + np.exp(distance))
        logs += np.log(keeps if vote.kept else 1 - keeps)
    found: NDArray[np.float64] = np.exp(logs - logs.max()).sum(axis=0)
    return found


@dataclass
class Search:
    """The trials of one server so far, and what to try next.

    lowest: rate at which a window is still short enough to be looked at. found: None before the first
    vote."""

    precision: float
    lowest: float
    trials: list[Trial] = field(default_factory=list)
    found: Interval | None = None

    def add(self, trial: Trial) -> None:
        self.trials.append(trial)
        bracket = self._bracket()
        if self.votes and not isinstance(bracket, float):
            self.found = interval(self.trials, math.sqrt(bracket[0] * bracket[1]))

    def next(self) -> Trial | None:
        """The rate to try, its outcome open; None where there is nothing more to find out."""
        if self.ended:
            return None
        bracket = self._bracket()
        if isinstance(bracket, float):
            return Trial(bracket, None, False)
        rate = self._candidate(math.sqrt(bracket[0] * bracket[1]))
        reach = self._reach()
        return Trial(rate if rate < reach else math.sqrt(self._most_kept() * reach), None, True)

    @property
    def votes(self) -> int:
        return sum(trial.vote and trial.kept is not None for trial in self.trials)

    @property
    def at_least(self) -> float | None:
        """The highest rate that was kept, where none higher could be offered."""
        return self._most_kept() or None if self.out_of_reach else None

    @property
    def out_of_reach(self) -> bool:
        """Whether the generator ended the search."""
        reach, kept = self._reach(), self._most_kept()
        return reach <= kept * STEP_TO_REACH if kept else reach / 2 < self.lowest

    @property
    def no_rate(self) -> bool:
        """Whether the promise is broken at any rate that can be looked at."""
        return not self._most_kept() and self.least_broken / 2 < self.lowest

    @property
    def least_broken(self) -> float:
        """The lowest rate that broke two of the short windows, above all that were kept."""
        kept = self._most_kept(scouting=True)
        broken = [t.rate for t in self.trials if t.kept is False and not t.vote and t.rate > kept]
        return min((rate for rate in broken if broken.count(rate) >= TWICE), default=math.inf)

    @property
    def decided(self) -> bool:
        return self.found is not None and self.found.narrow(self.precision)

    @property
    def ended(self) -> bool:
        return self.out_of_reach or self.no_rate or self.decided

    def _candidate(self, centre: float) -> float:
        """centre: where nothing has voted yet."""
        if self.found is None:
            return centre
        if not self.found.narrow(NEAR * self.precision):
            return self.found.rate
        return self.found.rate * (1 + self.precision) ** (1 if self.votes % 2 else -1)

    def _bracket(self) -> tuple[float, float] | float:
        """The two rates between which capacity was found to be, or the rate to look at next."""
        kept, beyond = self._most_kept(scouting=True), min(self.least_broken, self._reach())
        if kept:
            return (kept, beyond) if beyond < math.inf else kept * 2
        return min(FIRST_RATE, beyond / 2)

    def _most_kept(self, scouting: bool = False) -> float:
        kept = (t.rate for t in self.trials if t.kept and not (scouting and t.vote))
        return max(kept, default=0.0)

    def _reach(self) -> float:
        """The lowest rate, above all that were kept, at which the generator was exhausted so often that it
        is held not to reach it; windows of that rate and higher ones that were broken are then rare beside
        those. Void windows of another cause are only tried again."""
        void = [trial.rate for trial in self.trials if trial.kept is None and trial.exhausted]
        broken = [trial.rate for trial in self.trials if trial.kept is False]
        beyond = (
            rate for rate in void
            if rate > self._most_kept() and void.count(rate) >= VOIDS * max(1, sum(b >= rate for b in broken))
        )  # fmt: skip
        return min(beyond, default=math.inf)


# --- what limits --------------------------------------------------------------------------

GENERATOR = "the generator"
BOTH = "the CPU of server and database"
NOT_KNOWN = "undecided"


def in_use(
    workload: Workload, connections: int, configuration: Configuration, rate: float, cpu_us: float,
    database_us: float = 0.0, alone_us: float | None = None,
) -> dict[str, float]:
    """Which share of each thing that a server has it uses at a rate: its CPU, from what a request costs,
    together with what that costs the database on the same cores (database_us); by Little's law its workers,
    from how long a request takes one; with a database, from how long one alone took (alone_us)."""  # fmt: skip
    loop = not configuration.pooled and configuration.workers == 1 and not configuration.floor
    cpu = "one loop's core" if loop else "the server's CPU"
    shares = {cpu: rate * cpu_us / 1e6 / configuration.usable_cores}
    if database_us:
        shares[BOTH] = rate * (cpu_us + database_us) / 1e6 / len(configuration.server_cpus)
    waits = ceilings.of_waits(workload, connections, configuration, cpu_us)
    if workload.database and alone_us:
        waits = ceilings.of_backend(workload, configuration, connections, ceilings.Backend(alone_us))
    for ceiling in waits:
        if ceiling.rps:
            shares[ceilings.WAITS[ceiling.kind]] = rate / ceiling.rps
    return shares


def limiter(shares: Mapping[str, float]) -> str:
    """What is used most, if that is enough of it."""
    most = max(shares, key=lambda name: shares[name], default=NOT_KNOWN)
    return most if most in shares and shares[most] >= IN_USE else NOT_KNOWN
