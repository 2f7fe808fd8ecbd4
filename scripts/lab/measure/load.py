# SPDX-License-Identifier: MIT
"""Running scripts/load, the open-loop generator, and reading what it measured.

wrk asks again when it has been answered; this program asks when its schedule says so, and counts
from then. So its lag, how late it was itself, is part of what it says of the server, and it calls
itself void where it cannot vouch for its figures. Times are in microseconds here as in its JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..machine.children import Children
from ..machine.errors import LabError
from ..ask.kinds import Kind
from ..ask.workloads import Workload
from . import histogram
from .environment import ROOT

PROGRAM = "scripts/load"
PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "p999": 0.999, "p9999": 0.9999}
MEASURED, VOID = 0, 3  # its exit statuses
GIVEN_UP = "give-up"  # in `stopped`: its oldest request got older than --give-up
ERRORS = ("connect", "reset", "short", "malformed", "timeout", "unfinished")
IN_LATENCIES = ("timeout", "unfinished")  # errors that the histograms hold with their age
LATER_S = 10.0  # than it said it would end: it hangs
BUSY = 0.85  # of a core: then it calls itself void, and can do no more
RATE_TOLERANCE = 0.001  # between the rate asked for and the one offered


@dataclass(frozen=True)
class Times:
    """One of its histograms. None: nothing was recorded; of a percentile: fewer than ten samples lie
    beyond. hdr: all of it, HdrHistogram's V2 encoding, in ns."""

    mean_us: float | None
    max_us: float | None
    percentiles_us: Mapping[str, float | None]
    hdr: str


@dataclass(frozen=True)
class OpenLoad:
    """What one run of it measured.

    seconds: of the window, shorter than asked for where it stopped. requests: that arrived in it, of
    which so many were answered. lag: of the generator itself; latency: from the intended time to the
    last byte; service: from when the request was sent. cpu_busy: of the core of its busiest thread.
    backlog: (second, age in µs of the oldest request without an answer), once a second. stopped: what
    ended it early. void: why its figures cannot be believed.
    """

    version: str
    seed: int
    seconds: float
    requests: int
    answered: int
    rate_asked: float
    rate_offered: float
    rate_answered: float
    lag: Times
    latency: Times
    service: Times
    statuses: Mapping[str, int]
    errors: Mapping[str, int]
    oldest_us: float
    connections_most: int
    connections_opened: int
    queued_most: int
    bytes: int
    cpu_busy: float
    backlog: tuple[tuple[float, float], ...]
    stopped: str | None
    void: tuple[str, ...]

    @property
    def as_asked(self) -> bool:
        """Whether the server was offered the rate that was asked for."""
        return abs(self.rate_offered - self.rate_asked) <= RATE_TOLERANCE * self.rate_asked

    @property
    def exhausted(self) -> bool:
        """Whether it had used up its core."""
        return self.cpu_busy > BUSY

    @property
    def failed(self) -> int:
        """Requests without a good answer that are in no latency, or are there as if they had one."""
        refused = sum(count for status, count in self.statuses.items() if int(status) >= 400)
        return refused + sum(count for kind, count in self.errors.items() if kind not in IN_LATENCIES)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _times(data: Mapping[str, Any]) -> Times:
    percentiles = {name: _optional(data[name]) for name in PERCENTILES}
    hdr = str(data["hdr"])
    histogram.decode(hdr)  # ValueError: better now than when all is measured
    return Times(_optional(data["mean"]), _optional(data["max"]), percentiles, hdr)


def parse(text: str) -> OpenLoad:
    """What it wrote as JSON. Raises LabError where a figure is missing or broken."""
    try:
        data = json.loads(text)
        connections = data["connections"]
        return OpenLoad(
            version=str(data["version"]),
            seed=int(data["seed"]),
            seconds=float(data["seconds"]),
            requests=int(data["requests"]),
            answered=int(data["answered"]),
            rate_asked=float(data["rate_asked"]),
            rate_offered=float(data["rate_offered"]),
            rate_answered=float(data["rate_answered"]),
            lag=_times(data["lag_us"]),
            latency=_times(data["latency_us"]),
            service=_times(data["service_us"]),
            statuses={str(int(status)): int(count) for status, count in data["statuses"].items()},
            errors={kind: int(data["errors"][kind]) for kind in ERRORS},
            oldest_us=float(data["unfinished"]["oldest_us"]),
            connections_most=int(connections["most"]),
            connections_opened=int(connections["opened"]),
            queued_most=int(connections["queued_most"]),
            bytes=int(data["bytes"]),
            cpu_busy=float(data["cpu"]["busy"]),
            backlog=tuple((float(second), float(age)) for second, age in data["backlog"]),
            stopped=None if data["stopped"] is None else str(data["stopped"]),
            void=tuple(str(reason) for reason in data["void"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{PROGRAM}'s figures cannot be read: {error!r}") from None


def why_not(workload: Workload) -> str | None:
    """Why a workload cannot be loaded so; None where it can."""
    if workload.kind is not Kind.LOAD:
        return "it is more than a load"
    if workload.pipeline > 1 or workload.set_files:
        return "its requests are wrk's own"
    return None


@dataclass(frozen=True)
class Command:
    """One run of it, on these cores: the workload's requests at a rate a second.

    ramp_s: before the window, in which the rate climbs. give_up_s: ends when a request has been without
    an answer for so long. seed: of the arrivals; None: one of its own.
    """

    workload: Workload
    rate: float
    duration_s: float
    cpus: Sequence[int]
    connections: int = 1000
    ramp_s: float = 0.0
    give_up_s: float | None = None
    seed: int | None = None

    def argv(self, server: str, folder: str) -> list[str]:
        """server: where it is, such as http://127.0.0.1:80. folder: of its JSON, and of the body it
        is to send."""
        workload = self.workload
        given = {
            "--rate": f"{self.rate:.10g}", "--duration": f"{self.duration_s:.10g}",
            "--ramp": f"{self.ramp_s:.10g}", "--connections": str(self.connections),
            "--threads": str(len(self.cpus)), "--json": f"{folder}/load.json",
        }  # fmt: skip
        if self.give_up_s is not None:
            given["--give-up"] = f"{self.give_up_s:.10g}"
        if self.seed is not None:
            given["--seed"] = str(self.seed)
        if workload.post_bytes:
            given["--body"] = f"@{folder}/body"
        close = ["--close"] if workload.close else []
        options = [f"{name}={value}" for name, value in given.items()]
        return [PROGRAM, *options, *close, server + workload.target]

    def run(self, children: Children, server: str) -> OpenLoad:
        """Raises LabError if it cannot."""
        with tempfile.TemporaryDirectory(prefix="lab-load-") as folder:
            if self.workload.post_bytes:
                Path(folder, "body").write_bytes(b"x" * self.workload.post_bytes)
            self._run(children, self.argv(server, folder))
            try:
                return parse(Path(folder, "load.json").read_text())
            except OSError as error:
                raise LabError(f"{PROGRAM} wrote no figures: {error.strerror}") from None

    def _run(self, children: Children, argv: Sequence[str]) -> None:
        if not os.access(ROOT / PROGRAM, os.X_OK):
            raise LabError(f"no load generator at {PROGRAM}: build it with make")
        process = children.start(argv, self.cpus, ROOT, stderr=subprocess.PIPE)
        try:
            _, stderr = process.communicate(timeout=self.ramp_s + self.duration_s + LATER_S)
        except subprocess.TimeoutExpired:
            raise LabError(f"{PROGRAM} did not end") from None
        finally:
            children.kill(process)
        if process.returncode not in (MEASURED, VOID):
            said = stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise LabError(f"{PROGRAM} failed (exit {process.returncode}): {said[-1][-200:]}")
