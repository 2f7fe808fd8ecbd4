# SPDX-License-Identifier: MIT
"""Latency against offered load: a curve a server, with its knee, and what theory says of it.

A point is a row of an open cell: its percentiles are those of all its blocks' histograms in one, its
band reaches over the percentiles of each block. Overload has no percentiles: while a backlog
grows they say how long the load lasted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

from ..ask.plan import Configuration
from ..measure.wrk import PERCENTILES
from . import ceilings, queueing, words
from .analysis import CellResult, Row, overloaded

HALF = 0.5  # of its capacity: at which a cell's sentence compares
FELT = f"p99 at {words.percent(HALF)} of its capacity"
SHOWN = {"p50": "p50", "p99": "p99", "p999": "p99.9"}
VOID = "void"
FEWEST = 3  # points of which a knee can be said
THEORY_AT = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95)


@dataclass(frozen=True)
class Point:
    """share: of the capacity. rate: requests/s that were offered."""

    share: float
    rate: float
    row: Row

    @property
    def overloaded(self) -> bool:
        return overloaded(self.row.valid)

    def latency_us(self, name: str) -> float | None:
        """None for a void row, in overload, and where too few samples lie beyond this percentile."""
        return None if self.row.void else self.row.percentiles_us[name]

    def band_us(self, name: str) -> tuple[float, float] | None:
        """From the least to the most of any block; None where a block has too few samples."""
        values = [sample.open.latency.percentiles_us[name] for sample in self.row.valid if sample.open]
        known = [value for value in values if value is not None]
        return (min(known), max(known)) if known and len(known) == len(values) else None


@dataclass(frozen=True)
class Curve:
    """closed: the row of the same server in a closed loop, which is what its capacity is taken from.
    servers: for so many a request queues, if the closed loop found that to be the limit; else 0."""

    closed: Row
    points: tuple[Point, ...]
    servers: int

    @property
    def configuration(self) -> Configuration:
        return self.closed.configuration

    @property
    def capacity(self) -> float:
        return self.points[0].rate / self.points[0].share

    def at(self, share: float) -> Point | None:
        return next((point for point in self.points if point.share == share), None)

    @property
    def knee(self) -> Point | None:
        """Kleinrock's: where power, the load ÷ the latency, here p99, is largest. What is offered
        beyond it costs more in latency than it is more."""
        known = [(point.rate / us, point) for point in self.points if (us := point.latency_us("p99"))]
        return max(known, key=lambda each: each[0])[1] if len(known) >= FEWEST else None

    @property
    def overload(self) -> Point | None:
        """The lowest load of which more is offered than is answered, as of all beyond it."""
        found = None
        for point in reversed([point for point in self.points if not point.row.void]):
            if not point.overloaded:
                break
            found = point
        return found

    def theory(self, name: str) -> list[tuple[float, float]]:
        """(rate, µs) of a percentile: the median at the least load, and the wait for one of the
        servers, which together do what the capacity is. Empty where that limit is another."""
        alone = self.points[0].latency_us("p50")
        if alone is None or not self.servers:
            return []
        service_us = self.servers * 1e6 / self.capacity
        quantile = PERCENTILES[name]
        return [
            (at * self.capacity, alone + queueing.mdc_wait(self.servers, at, service_us, quantile))
            for at in THEORY_AT
        ]


def of(result: CellResult) -> list[Curve]:
    """Of each server of an open cell, with a point at least whose rate is known."""
    rows: dict[Configuration, list[Point]] = {}
    for row in result.rows:
        share, server = row.configuration.offered, replace(row.configuration, offered=None)
        if share and row.offered_rps:
            rows.setdefault(server, []).append(Point(share, row.offered_rps, row))
    found = []
    for server, points in rows.items():
        closed = result.row(server.label)
        if closed:
            servers = ceilings.servers(closed.limiter, result.cell.workload, result.cell.connections, server)
            found.append(Curve(closed, tuple(sorted(points, key=lambda p: p.share)), servers))
    return found


def felt(curve: Curve) -> str:
    """Its p99 at half of its capacity, or why there is none."""
    half = curve.at(HALF)
    if half is None:
        return words.NONE
    if half.row.void or half.overloaded:
        return VOID if half.row.void else half.row.limiter
    p99 = half.latency_us("p99")
    return "too few answers" if p99 is None else words.duration_text(p99)


def sentence(result: CellResult) -> str:
    """What a user of each model feels at half of its capacity, and where its latency begins to rise."""
    said = []
    for curve in of(result):
        if curve.configuration.floor:
            continue
        knee = f", knee at {words.percent(curve.knee.share)}" if curve.knee else ""
        known = "" if felt(curve) == VOID else f" of {curve.capacity:,.0f}/s{knee}"
        said.append(f"{curve.configuration.label} {felt(curve)}{known}")
    if not said:
        return f"{result.cell.name}: no configuration gave a result that can be believed"
    return f"{result.cell.name}: {FELT}: {'; '.join(said)}"


def notes(result: CellResult) -> list[str]:
    """Of which limit each capacity is, and from where on a server is overloaded."""
    found = of(result)
    limits = [f"{c.configuration.label} {c.capacity:,.0f}/s ({c.closed.limiter})" for c in found]
    over = [f"{c.configuration.label} {words.percent(c.overload.share)}" for c in found if c.overload]
    said = ["capacity, of a closed loop, and what limited it: " + ", ".join(limits)] if limits else []
    return said + (["overloaded from: " + ", ".join(over)] if over else [])
