# SPDX-License-Identifier: MIT
"""The kinds of workload: how a cell is measured, and what follows from that alone.

What a room makes of a kind stands in one table there: how requests are counted (measure/counted),
by what models are compared (judge/best), its columns (show/columns).
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The value is what run.json calls it."""

    LOAD = "load"  # under wrk alone
    PARKED = "parked"  # the same beside idle connections
    BESIDE = "beside"  # the same beside slow requests
    OPEN = "open"  # under scripts/load, at shares of what it reaches under wrk alone
    CRASH = "crash"  # a worker is killed under a load of our own, which follows each request
    DRAIN = "drain"  # under the same load the server is told to stop

    @property
    def compared(self) -> bool:
        """Models are compared by throughput or CPU time, pair by pair; else by a figure of its own."""
        return self is Kind.LOAD

    @property
    def counted(self) -> bool:
        """Each request is followed by the lab's own client, which is no match for a server."""
        return self in (Kind.CRASH, Kind.DRAIN)

    @property
    def bounded(self) -> bool:
        """Its throughput has a ceiling: nothing else is asked of the server meanwhile."""
        return self in (Kind.LOAD, Kind.PARKED, Kind.OPEN)

    @property
    def ends_server(self) -> bool:
        return self is Kind.DRAIN

    @property
    def overhead_s(self) -> float:
        """Beside the load: faults to recover from."""
        return {Kind.BESIDE: 0.3, Kind.CRASH: 0.7, Kind.DRAIN: 0.5}.get(self, 0.0)
