# SPDX-License-Identifier: MIT
"""Workloads: what one request asks of a server, and how the load on it is made.

A name may carry a query of its own, as in mix?cpu=200&wait=2&rounds=3: what is waited and
computed inside one request, and so its ceiling, is read from the query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from ..machine.errors import UsageError, known
from ..machine.program import split_list
from .kinds import Kind

PIPELINE_DEPTH = 16
OFFLOAD_THREADS = 4  # helpers of one loop, as models/coro.c has it
DB_CONNECTIONS = 16  # of all workers together: the default of --db-connections
# 128 MB of files, and beside them 64 MB for a server and what belongs to its connections.
SET_FILES, SET_FILE_BYTES = 2048, 64 << 10
SET_MEMORY = 192 << 20
PARKING_S = 0.0002  # a connection
FILE_SIZES = {"1k": 1 << 10, "100k": 100 << 10, "1m": 1 << 20}


@dataclass(frozen=True)
class Workload:
    """One kind of request. Its ceiling follows from what it is made of (see ceilings)."""

    name: str
    target: str
    shape: str
    connections: int
    body: bytes | None = None  # what the answer must be; None: the same from everyone
    wait_ms: float = 0.0  # of one wait that nothing in the request overlaps
    gathered: int = 1  # so many such waits, which a model may run at once (fanout)
    loop_contexts: int | None = None  # so many at once in one loop; None: any number
    compute_target: str | None = None  # a request that computes as much and waits for nothing
    floor: bool = False  # comparable with the floor server
    duration_factor: float = 1.0  # of the plan's duration
    kind: Kind = Kind.LOAD
    post_bytes: int = 0  # the request is a POST with a body of this size
    close: bool = False  # a connection a request
    pipeline: int = 1
    files: bool = False  # served from the site folder
    database: bool = False  # asks a database, which the lab starts (see backend)
    db_connections: int = DB_CONNECTIONS
    row_ms: float = 0.0  # the database waits so long before each row that it reads by its number
    parked: int = 0  # idle connections beside the load
    parked_target: str | None = None  # what each of them asked for once; None: the target
    set_files: int = 0  # asks at random for one of so many files, of which target is the first
    memory_bytes: int = 0  # all that the server and the files it serves may use; 0: no limit
    slow_target: str | None = None
    slow_connections: int = 0
    think_ms: float = 0.0  # between an answer and the next request of a connection, on average
    slow_think_ms: float = 0.0  # of those beside
    same_bytes: bool = True  # the answer does not name the model

    @property
    def method(self) -> str:
        return "POST" if self.post_bytes else "GET"

    @property
    def route(self) -> str:
        """What a server must offer: the first part of the path."""
        return self.target.split("?")[0].split("/")[1]

    @property
    def overhead_s(self) -> float:
        """Beside the load, of its kind, and to park connections."""
        return self.kind.overhead_s + self.parked * PARKING_S

    @property
    def computes_only(self) -> bool:
        return self.wait_ms == 0 and (self.compute_target or "").startswith("/cpu?")

    @property
    def computed_ms(self) -> float:
        """Computed inside one request, roughly: a round takes about 1 µs."""
        return query_values(self.compute_target or "").get("n", 0.0) / 1e3


def _hello(name: str, shape: str, connections: int, **fields: Any) -> Workload:
    return Workload(name, "/hello", shape, connections, b"Hello, World!", **fields)


def _database(
    name: str, target: str, shape: str, same_bytes: bool = False, **fields: Any
) -> Workload:
    return Workload(name, target, shape, 64, database=True, same_bytes=same_bytes, **fields)


def query_values(target: str) -> dict[str, float]:
    """The numbers in a target's query, by name."""
    _, _, text = target.partition("?")
    try:
        return {name: float(values[-1]) for name, values in parse_qs(text).items()}
    except ValueError:
        raise UsageError(f"workload {target!r}: its query takes numbers only") from None


def _derived(workload: Workload) -> Workload:
    """With the waits and the computing that follow from its target."""
    value = query_values(workload.target).get
    match workload.route:
        case "cpu" | "files" | "echo" | "db" | "queries" | "updates" | "fortunes" | "cache":
            return replace(workload, compute_target=workload.target)
        case "sleep":
            return replace(workload, wait_ms=value("ms", 0))
        case "block":
            contexts = OFFLOAD_THREADS if value("offload") else 1
            return replace(workload, wait_ms=value("ms", 0), loop_contexts=contexts)
        case "mix":
            rounds = value("rounds", 1)
            computed = round(value("cpu", 0) * rounds)
            compute = f"/cpu?n={computed}" if computed else None
            return replace(workload, wait_ms=value("wait", 0) * rounds, compute_target=compute)
        case "fanout":
            return replace(workload, wait_ms=value("ms", 50), gathered=int(value("n", 10)))
        case "stream":
            pauses = max(0.0, value("chunks", 10) - 1)
            return replace(workload, wait_ms=pauses * value("ms", 100))
    return workload


WORKLOADS = {
    w.name: _derived(w)
    for w in (
        _hello("hello", "no work: what the server itself costs", 64, floor=True),
        Workload(
            "json", "/json", "no work, as JSON", 64, b'{"message":"Hello, World!"}', floor=True
        ),
        Workload("cpu", "/cpu?n=500", "about 0.5 ms of computing", 16),
        Workload("sleep", "/sleep?ms=20", "waits 20 ms, as for a database", 256, b"slept 20\n"),
        Workload("block", "/block?ms=5", "5 ms in a call that cannot suspend", 64, b"blocked 5\n"),
        Workload(
            "block-offload", "/block?ms=5&offload=1", "the same call on a helper thread", 64,
            b"blocked 5\n",
        ),
        Workload(
            "mix", "/mix?cpu=50&wait=10&rounds=2",
            "twice: 0.05 ms of computing, then 10 ms of waiting", 256,
        ),
        Workload(
            "fanout", "/fanout?n=10&ms=5", "ten waits of 5 ms inside one request", 64,
            same_bytes=False,
        ),
        Workload("stream", "/stream?chunks=5&ms=5", "five chunks, 5 ms apart, from a generator", 64),
        Workload("files-1k", "/files/1k", "a file of 1KB", 64, files=True),
        Workload("files-100k", "/files/100k", "a file of 100KB", 64, files=True),
        Workload("files-1m", "/files/1m", "a file of 1MB", 16, files=True),
        Workload("echo-1k", "/echo", "a body of 1KB in and out again", 64, post_bytes=1 << 10),
        Workload("echo-1m", "/echo", "a body of 1MB in and out again", 16, post_bytes=1 << 20),
        _database("db", "/db", "one row of PostgreSQL"),
        _database("queries", "/queries?n=20", "20 rows, a pipelined query each"),
        _database("updates", "/updates?n=5", "5 rows read and written, a transaction each"),
        _database("fortunes", "/fortunes", "13 rows as an HTML table", same_bytes=True),
        _database("cache", "/cache?n=20", "20 rows from Redis, pipelined"),
        _hello("close", "a new connection for each request", 64, floor=True, close=True),
        _hello(
            "pipeline", f"{PIPELINE_DEPTH} requests sent at once", 64, floor=True,
            pipeline=PIPELINE_DEPTH,
        ),
        _hello(
            "idle", "a small load beside parked connections", 4, floor=True, kind=Kind.PARKED,
            parked=10_000,
        ),
        _hello(
            "interference", "beside requests that compute 10 ms", 64, kind=Kind.BESIDE,
            slow_target="/cpu?n=10000", slow_connections=4, duration_factor=1.5,
        ),
        _hello(
            "interference-wait", "beside 64 requests that wait 50 ms", 64, kind=Kind.BESIDE,
            slow_target="/sleep?ms=50", slow_connections=64, duration_factor=1.5,
        ),
        _hello(
            "skew", "of all requests one in 100 computes 20 ms; figures are of the others", 64,
            kind=Kind.BESIDE, think_ms=160, slow_target="/cpu?n=20000", slow_connections=4,
            slow_think_ms=980,
        ),
        Workload(
            "unequal", "/cpu?n=400", "beside a tenth of the connections that ask 10 times as often", 58,
            kind=Kind.BESIDE, think_ms=30, slow_target="/cpu?n=400", slow_connections=6, slow_think_ms=2,
        ),
        Workload(
            "crash", "/sleep?ms=2", "a worker is killed under load", 32, b"slept 2\n",
            kind=Kind.CRASH,
        ),
        Workload(
            "drain", "/sleep?ms=2", "SIGTERM under load", 32, b"slept 2\n", kind=Kind.DRAIN
        ),
    )
}  # fmt: skip

# For published comparisons only (see external): a database that takes its time.
SLOW_QUERIES = _derived(_database(
    "slow-queries", "/queries?n=3", "3 queries of 2 ms, of PostgreSQL", db_connections=40, row_ms=2.0
))  # fmt: skip


def idle_files(parked: int) -> Workload:
    """For a published comparison only: files that just fit into the memory there is, as long as
    the contexts of idle connections do not need it."""
    return Workload(
        f"idle-files:{parked}", "/files/set/0000",
        f"one of {SET_FILES:,} files of {SET_FILE_BYTES >> 10} KB, in {SET_MEMORY >> 20} MB of "
        "memory, beside parked connections",
        4, files=True, kind=Kind.PARKED, parked=parked, parked_target="/hello", set_files=SET_FILES,
        memory_bytes=SET_MEMORY,
    )  # fmt: skip


def with_query(base: Workload, query: str) -> Workload:
    """The workload with another query."""
    path, takes_one, _ = base.target.partition("?")
    if not takes_one:
        raise UsageError(f"workload {base.name}: it takes no query")
    return _derived(replace(
        base, name=f"{base.name}?{query}", target=f"{path}?{query}", shape="as asked for", body=None
    ))  # fmt: skip


def _one(spec: str) -> Workload:
    name, mark, query = spec.partition("?")
    number = re.fullmatch(r"idle:(\d+)", name)
    if number:
        return replace(WORKLOADS["idle"], name=name, parked=int(number[1]))
    workload = WORKLOADS[known(name, WORKLOADS, "workload")]
    return with_query(workload, query) if mark else workload


def parse(text: str) -> list[Workload]:
    """Names separated by commas: NAME, NAME?QUERY, or idle:N. None twice."""
    specs = split_list(text)
    if not specs:
        raise UsageError(f"no workload given: there are {', '.join(WORKLOADS)}")
    return [_one(spec) for spec in specs]
