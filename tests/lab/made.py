# SPDX-License-Identifier: MIT
"""What the lab's tests share: the way to it, and made-up measurements to be spoilt.

Importing this makes the lab importable; it comes first in every test file.
"""

from __future__ import annotations

import base64
import math
import shutil
import statistics
import struct
import sys
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterable, Sequence

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from lab.machine.procfs import Usage
from lab.ask.plan import AGAIN as AGAIN_SUFFIX
from lab.ask.plan import Cell, Configuration, Cores, Plan
from lab.ask.workloads import WORKLOADS, Workload
from lab.measure.load import ERRORS, PERCENTILES, OpenLoad, Times
from lab.measure.sample import Sample
from lab.measure.wrk import Load
from lab.judge import analysis, gates
from lab.judge.analysis import CellResult

FAKE = str(Path(__file__).with_name("fake_server.py"))
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")

OWN = ((0,), (1,))
CORO = Configuration("coro", 1, *OWN)
THREADS = Configuration("threads", 64, *OWN)
PREFORK = Configuration("prefork", 64, *OWN)
SHARED = Configuration("coro", 2, (0, 1), (0, 1))
FLOOR = Configuration("floor", 1, *OWN)
AGAIN = replace(CORO, suffix=AGAIN_SUFFIX)
NO_ERRORS = {"connect": 0, "read": 0, "write": 0, "status": 0, "timeout": 0}


def load(rps: float = 3200.0, connections: int = 256, seconds: float = 10.0, **fields: Any) -> Load:
    """Constant latency, such that Little's law holds, the requests cut off at the end included."""
    latency_us = connections / (rps + connections / 2 / seconds) * 1e6
    made = Load(
        duration_s=seconds,
        requests=round(rps * seconds),
        bytes=1000,
        errors=dict(NO_ERRORS),
        samples=round(rps * seconds),
        phantoms=0,
        mean_us=latency_us,
        mean_square_us2=latency_us**2,
        max_us=latency_us,
        percentiles_us={name: latency_us for name in ("p50", "p90", "p99", "p999")},
        corrected_us={},
        cpu_share=0.2,
        runnable_share=0.2,
        established=connections,
        unanswered=0,
    )
    return replace(made, **fields)


def sample(
    configuration: Configuration = THREADS,
    workload: str = "sleep",
    block: int = 0,
    rps: float = 3168.0,
    cpu_us: float = 20.0,
    connections: int = 256,
    load_fields: dict[str, Any] | None = None,
    **fields: Any,
) -> Sample:
    made = load(rps, connections, **(load_fields or {}))
    base: dict[str, Any] = dict(
        block=block,
        order=0,
        workload=workload,
        connections=connections,
        configuration=configuration.label,
        server_command="./server",
        wrk_command="wrk",
        load=made,
        usage=Usage(cpu_s=cpu_us * made.requests / 1e6, voluntary_switches=made.requests * 2),
        window_s=made.duration_s,
        memory_bytes=configuration.workers * 300 * 1024,
        master_bytes=200 * 1024,
        processes=1,
        threads=configuration.workers,
        cpu_total_s=made.duration_s * 2,
        exit_status=0,
    )
    base.update(fields)
    return Sample(**base)


def hdr(values_ns: Iterable[int]) -> str:
    """A histogram as scripts/load writes it: lowest 1, three digits."""
    counts: Counter[int] = Counter()
    for value in values_ns:
        bucket = max(0, value.bit_length() - 11)
        counts[bucket * 1024 + (value >> bucket)] += 1
    numbers, after = [], 0
    for index in sorted(counts):
        numbers += [after - index] if index > after else []  # so many that are empty
        numbers.append(counts[index])
        after = index + 1
    data = b"".join(map(_leb128, numbers))
    raw = zlib.compress(struct.pack(">iiiiqqd", 0x1C849313, len(data), 0, 3, 1, 3_600 * 10**9, 1.0) + data)
    return base64.b64encode(struct.pack(">ii", 0x1C849314, len(raw)) + raw).decode()


def _leb128(number: int) -> bytes:
    value, out = (number << 1) ^ (number >> 63), bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def times(values_us: Sequence[float]) -> Times:
    ranked = sorted(values_us)
    found = {
        name: ranked[math.ceil(p * len(ranked)) - 1] if len(ranked) * (1 - p) >= 10 else None
        for name, p in PERCENTILES.items()
    }
    return Times(statistics.fmean(ranked), ranked[-1], found, hdr(round(us * 1e3) for us in ranked))


def open_load(rate: float, latencies_us: Sequence[float], **fields: Any) -> OpenLoad:
    """Of as many requests as there are latencies, all of them answered."""
    count, latency = len(latencies_us), times(latencies_us)
    return replace(OpenLoad(
        version="made", seed=1, seconds=count / rate, requests=count, answered=count, rate_asked=rate,
        rate_offered=rate, rate_answered=rate, lag=times([5.0] * 1000), latency=latency, service=latency,
        statuses={"200": count}, errors=dict.fromkeys(ERRORS, 0), oldest_us=0.0, connections_most=10,
        connections_opened=10, queued_most=0, bytes=1000, cpu_busy=0.3, backlog=((1.0, latency.max_us or 0.0),),
        stopped=None, void=(),
    ), **fields)  # fmt: skip


def cell(workload: str = "sleep", *configurations: Configuration, connections: int = 256) -> Cell:
    return Cell(WORKLOADS[workload], connections, configurations or (PREFORK, THREADS, CORO))


def plan(cells: tuple[Cell, ...], blocks: int = 3) -> Plan:
    return Plan(cells, blocks, 10.0, 1.0, 7, "test", Cores((0,), (1,)))


Figures = dict[Configuration, dict[str, Any]]


def result(workload: Workload, connections: int, figures: Figures, blocks: int = 6) -> CellResult:
    """A cell of its own, its samples judged by the gates."""
    samples = []
    for block in range(blocks):
        for configuration, fields in figures.items():
            given: dict[str, Any] = {"rps": 2000.0, **fields}
            one = sample(configuration, workload.name, block, connections=connections, **given)
            one.gates = gates.check(one, workload, configuration)
            samples.append(one)
    return analysis.analyse(Cell(workload, connections, tuple(figures)), samples)
