# SPDX-License-Identifier: MIT
"""Which columns a cell's table has, and what stands in them; by the kind of workload."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Callable

from ..ask.kinds import Kind
from ..judge import words
from ..judge.analysis import CellResult, Row

VOID_MARK = "!"
SHARED_MARK = "*"

Text = Callable[[Row], str]


@dataclass(frozen=True)
class Column:
    """text: of a row that has at least one sample. meaning: for the legend."""

    name: str
    meaning: str
    text: Text
    optional: int = 0  # left out of a terminal too narrow, highest first


def mark(row: Row) -> str:
    return VOID_MARK if row.void else ""


def _share(row: Row) -> str:
    known = row.share is not None and not row.configuration.floor
    return words.percent(row.share or 0.0) if known else words.NONE


def _calls(row: Row) -> str:
    return f"{row.syscalls.a_request:.2f}" if row.syscalls else words.NONE


def _extra(name: str, form: Callable[[float], str]) -> Callable[[Row], str]:
    return lambda row: form(row.extras[name]) if name in row.extras else words.NONE


def _unless_anew(text: Text) -> Text:
    """What is lost with a thread or process that ends."""
    return lambda row: words.NONE if row.configuration.fleeting else text(row)


def _lag(row: Row) -> str:
    known = [us for s in row.samples if s.open and (us := s.open.lag.percentiles_us["p99"]) is not None]
    return words.duration_text(statistics.median(known)) if known else words.NONE


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _ms(value: float) -> str:
    return words.duration_text(value * 1e3)


RPS = Column(
    "req/s",
    "requests answered a second; of requests that wait, ratios leave out the time in which wrk "
    "connects and the first of them wait",
    lambda r: mark(r) + _whole(r.rps),
)
CPU = Column(
    "CPU µs", "server CPU time per request, all workers and threads summed",
    lambda r: f"{r.cpu_us:,.1f}",
)  # fmt: skip
P50 = Column(
    "p50", "latency at the median; a percentile needs 10 samples beyond it, else –",
    lambda r: words.duration_text(r.percentiles_us["p50"]),
)  # fmt: skip
P99 = Column(
    "p99", "latency that 1 % of the requests exceed",
    lambda r: words.duration_text(r.percentiles_us["p99"]), 2,
)  # fmt: skip
P999 = Column(
    "p99.9", "latency that one request in a thousand exceeds",
    lambda r: words.duration_text(r.percentiles_us["p999"]), 4,
)  # fmt: skip
LONGEST = Column(
    "longest", "the longest latency in any block", lambda r: words.duration_text(r.max_us), 1
)
RUN_QUEUE = Column(
    "run queue", "workers and threads of the server that were ready to run and had no core, on average; "
    "divided by req/s, how long each request was",
    _unless_anew(lambda r: f"{r.run_queue:.1f}"), 3,
)  # fmt: skip
SWITCHES = Column(
    "switches", "context switches per request, voluntary and not",
    _unless_anew(lambda r: f"{r.switches:.2f}"), 6,
)  # fmt: skip
CALLS = Column("syscalls", "per request, counted in a run of their own", _calls, 7)
MEMORY = Column(
    "memory", "PSS of all server processes", lambda r: words.bytes_text(r.memory_bytes), 9
)
WORKER = Column(
    "/worker", "memory without the master's, by workers; a loop's includes its coroutines",
    lambda r: words.bytes_text(r.memory_per_worker_bytes), 5,
)  # fmt: skip
CEILING = Column(
    "ceiling",
    "share reached of what cores, pool size or connections allow at best in the time measured",
    _share,
)
LIMIT = Column(
    "limited by",
    "what was used up; wrk: the load generator, so req/s says little of the server; round "
    "trips: neither side's CPU, each connection waits for its answer",
    lambda r: "void" if r.void else r.limiter or words.NONE,
)  # fmt: skip

PARKED = Column("parked", "idle connections, each answered once before",
                _extra("parked_answered", _whole))  # fmt: skip
TOTAL = Column("memory", "PSS of all server processes with the idle connections",
               _extra("memory_total_bytes", words.bytes_text))  # fmt: skip
EACH = Column("a connection", "memory that one idle connection adds, in bytes",
              _extra("bytes_a_connection", _whole))  # fmt: skip
CACHED = Column("files", "share of them in memory at the end: in what the limit leaves",
                _extra("cached_share", lambda share: f"{min(share, 1.0) * 100:.0f} %"))  # fmt: skip
ANSWERED = Column("answered", "requests answered, before and after the fault",
                  lambda r: mark(r) + _extra("answered", _whole)(r))  # fmt: skip
LOST = Column("lost", "requests sent that got no answer, in the worst block",
              _extra("lost", _whole))  # fmt: skip
RESET = Column(
    "reset", "connections opened after SIGTERM that were reset, in the worst block",
    _extra("reset", _whole),
)  # fmt: skip
REFUSED = Column("refused", "connections refused, and tried again", _extra("refused", _whole))
WORKERS_BACK = Column("workers back", "after the kill, until all workers ran again",
                      _extra("workers_back_ms", _ms))  # fmt: skip
SERVED = Column("served again", "until every connection that was cut had an answer again",
                _extra("served_again_ms", _ms))  # fmt: skip
DRAINED = Column("drained in", "from SIGTERM to the server's end", _extra("drain_ms", _ms))

OFFERED = Column(
    "offered/s", "requests/s as they were to arrive, whatever the server did; –: a closed loop, in which wrk "
    "asks when it was answered, which gave the capacity",
    lambda r: _whole(r.offered_rps) if r.offered_rps else words.NONE,
)  # fmt: skip
LAG = Column("lag", "by which the load generator itself was late, at the 99th percentile: part of the latencies", _lag, 5)

TAIL = (P50, P99, P999, LONGEST)
COMMON = (RPS, CPU, *TAIL, RUN_QUEUE, SWITCHES, CALLS, MEMORY, WORKER, CEILING, LIMIT)
KINDS: dict[Kind, tuple[Column, ...]] = {
    Kind.LOAD: COMMON,
    Kind.PARKED: (EACH, TOTAL, PARKED, CACHED, RPS, CPU, *TAIL, CEILING, LIMIT),
    Kind.BESIDE: (RPS, *TAIL, RUN_QUEUE, SWITCHES, CEILING, LIMIT),
    Kind.OPEN: (OFFERED, RPS, *TAIL, LAG, LIMIT),
    Kind.CRASH: (LOST, ANSWERED, REFUSED, WORKERS_BACK, SERVED, LIMIT),
    Kind.DRAIN: (LOST, ANSWERED, RESET, REFUSED, DRAINED, LIMIT),
}


def columns(result: CellResult) -> tuple[Column, ...]:
    """Of this cell; system calls only where they were counted, files in memory only where that
    was limited."""
    left_out = []
    if not any(row.syscalls for row in result.rows):
        left_out.append(CALLS)
    if not result.cell.workload.memory_bytes:
        left_out.append(CACHED)
    return tuple(c for c in KINDS[result.cell.workload.kind] if c not in left_out)


def row_name(row: Row) -> str:
    return row.label + (SHARED_MARK if row.configuration.shares_cores else "")


def row_cells(row: Row, chosen: tuple[Column, ...]) -> list[str]:
    if not any(sample.seen for sample in row.samples):
        return [row_name(row), "void", *[words.NONE] * (len(chosen) - 1)]
    return [row_name(row), *(column.text(row) for column in chosen)]
