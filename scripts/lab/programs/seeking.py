# SPDX-License-Identifier: MIT
"""Finding capacities: windows of load for one server after the other, a window of each in turn, so
that whatever the machine does meanwhile happens to all alike."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass, field
from typing import Sequence

from ..machine.errors import LabError
from ..ask.plan import Cell, Configuration, Step
from ..judge import capacity
from ..judge.capacity import Interval, Promise, Search, Trial
from ..measure import offered
from ..measure.load import Command
from ..measure.measurement import Bench
from ..measure.offered import Offered
from .progress import Line, clock

ALONE_RATE, ALONE_S = 20.0, 2.0  # a load so small that each request is alone, of enough for a median
SCOUTING_S = 1.0  # of a window that only looks how far it goes
RAMP_S = 0.3
SETTLE_S = 3.0
NEAR = 1.1  # windows within so much of the capacity show what limits it
BUDGET_S = 120.0  # for each server
DURATION_S = 2.0  # of a window that votes, at least
CONNECTIONS = 1000
GIVE_UP_TIMES, GIVE_UP_S = 10, 1.0  # so many times the promise, and no less


@dataclass(frozen=True)
class Asked:
    """What is asked of all. least_s: of a window that votes. give_up_s: the age of a request at which a
    window is broken off; None: what follows from the promise."""

    promise: Promise
    precision: float
    seed: int
    connections: int = CONNECTIONS
    least_s: float = DURATION_S
    give_up_s: float | None = None

    @property
    def breaks_off_s(self) -> float:
        return self.give_up_s or max(GIVE_UP_S, GIVE_UP_TIMES * self.promise.limit_us / 1e6)


@dataclass
class Seeker:
    """One server and what is known of it. url: where it is, if it is none that the lab starts.

    problem: why no more is asked of it."""

    cell: Cell
    label: str
    asked: Asked
    configuration: Configuration | None = None
    url: str | None = None
    load_cpus: Sequence[int] = ()
    alone_us: float | None = None
    problem: str | None = None
    windows: list[tuple[Trial, Offered]] = field(default_factory=list)
    search: Search = field(init=False)

    def __post_init__(self) -> None:
        self.search = Search(self.asked.precision, self.asked.promise.lowest_rate)

    @property
    def ended(self) -> bool:
        return self.problem is not None or self.too_slow or self.search.ended

    @property
    def too_slow(self) -> bool:
        """Whether a request alone takes longer than was promised."""
        return self.alone_us is not None and self.alone_us > self.asked.promise.limit_us

    @property
    def decided(self) -> bool:
        return self.problem is None and (self.too_slow or self.search.decided)

    @property
    def found(self) -> Interval | None:
        return self.search.found

    @property
    def rate(self) -> float:
        """The best guess of the capacity, or what it is at least; 0 where there is none."""
        if self.problem:
            return 0.0
        return self.search.at_least or (self.found.rate if self.found else 0.0)

    def step(self, bench: Bench) -> None:
        """One window more."""
        if self.alone_us is None:
            load = self._measure(bench, ALONE_RATE, ALONE_S).load
            if load is not None:
                service = load.service
                self.alone_us = service.percentiles_us["p50"] or service.mean_us or 0.0
            return
        trial = self.search.next()
        if trial is None:
            return
        promise, least_s = self.asked.promise, self.asked.least_s
        seconds = promise.window_s(trial.rate, promise.full_window_s(least_s) if trial.vote else SCOUTING_S)
        seen = self._measure(bench, trial.rate, seconds)
        if seen.load is not None and self.problem is None:
            trial = Trial(trial.rate, promise.kept(seen.load), trial.vote, seen.load.exhausted)
            self.search.add(trial)
        self.windows.append((trial, seen))

    def _measure(self, bench: Bench, rate: float, seconds: float) -> Offered:
        number = len(self.windows)
        asked = Command(
            self.cell.workload, rate, seconds, self.load_cpus, self.asked.connections, RAMP_S,
            self.asked.breaks_off_s,
            random.Random(f"{self.asked.seed} {self.cell.name} {self.label} {number}").randrange(1 << 31),
        )  # fmt: skip
        if self.configuration is None:
            self._settle()
            seen = offered.elsewhere(bench, self.url or "", asked)
        else:
            seen = offered.measure(bench, Step(number, self.cell, self.configuration), asked)
        self.problem = seen.problem
        return seen

    def _settle(self) -> None:
        """A server that is not started anew may still be busy with requests of a window that was too
        much for it; as long as they had waited."""
        if self.windows and self.windows[-1][0].kept is False:
            load = self.windows[-1][1].load
            time.sleep(min(SETTLE_S, (load.latency.max_us or 0.0) / 1e6 if load else 0.0))

    def near(self) -> list[Offered]:
        """The windows at about the capacity, or the highest rate that was kept, but for void ones."""
        low, high = self.rate / NEAR, self.rate * NEAR
        return [
            seen for trial, seen in self.windows
            if seen.load and trial.kept is not None and low <= trial.rate <= high
        ]  # fmt: skip

    def in_use(self) -> dict[str, float]:
        """Shares of what there is, near the capacity."""
        loads = [seen.load for seen in self.near() if seen.load]
        if not loads:
            return {}
        shares = {capacity.GENERATOR: statistics.median(load.cpu_busy for load in loads)}
        costs = [seen.cpu_us for seen in self.near() if seen.cpu_us is not None]
        if self.configuration is not None and costs:
            shares |= capacity.in_use(
                self.cell.workload, self.asked.connections, self.configuration, self.rate,
                statistics.median(costs), statistics.median(seen.database_us for seen in self.near()),
                self.alone_us,
            )  # fmt: skip
        return shares

    @property
    def limiter(self) -> str:
        return capacity.GENERATOR if self.search.out_of_reach else capacity.limiter(self.in_use())

    @property
    def memory_bytes(self) -> float | None:
        """Of the server's workers, after windows at about the capacity."""
        sizes = [seen.memory_bytes for seen in self.near() if seen.memory_bytes]
        return statistics.median(sizes) if sizes else None


def seek(bench: Bench, seekers: Sequence[Seeker], budget_s: float, line: Line) -> None:
    """Round after round until every search has ended or the budget is spent; a window that has begun is
    finished. A server that fails is left out from then on; raises LabError where all have failed."""
    ends = time.monotonic() + budget_s
    while todo := [seeker for seeker in seekers if not seeker.ended]:
        for seeker in todo:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                return
            line.tell(progress_text(seekers, seeker, left_s), line.due())
            try:
                seeker.step(bench)
            except LabError as error:
                seeker.problem = str(error)
            if all(each.problem for each in seekers):
                raise LabError(seeker.problem or "")


def progress_text(seekers: Sequence[Seeker], now: Seeker, left_s: float) -> str:
    ended = sum(seeker.ended for seeker in seekers)
    known = "; ".join(
        f"{seeker.label} {seeker.found.rate:,.0f}/s"
        for seeker in seekers if seeker.found and seeker.cell == now.cell
    )  # fmt: skip
    return (
        f"{ended} of {len(seekers)} done, at most {clock(left_s)} left: {now.cell.workload.name} {now.label}"
        + (f"; so far {known}" if known else "")
    )
