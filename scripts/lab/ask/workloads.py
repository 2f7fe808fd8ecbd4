# SPDX-License-Identifier: MIT
"""Workloads: what one request asks of a server, and how the load on it is made.

A name may carry a query of its own, as in mix?cpu=200&wait=2&rounds=3: what is waited and
computed inside one request, and so its ceiling, is read from the query.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from ..machine.errors import UsageError
from .kinds import Kind

PIPELINE_DEPTH = 16
OFFLOAD_THREADS = 4  # helpers of one loop, as models/coro.c has it
DB_CONNECTIONS = 16  # of all workers together: the default of --db-connections
# 128 MB of files, and beside them 64 MB for a server and what belongs to its connections.
SET_FILES, SET_FILE_BYTES = 2048, 64 << 10
SET_MEMORY = 192 << 20
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
    same_bytes: bool = True  # the answer does not name the model

    @property
    def method(self) -> str:
        return "POST" if self.post_bytes else "GET"

    @property
    def route(self) -> str:
        """What a server must offer: the first part of the path."""
        return self.target.split("?")[0].split("/")[1]

    @property
    def computed_ms(self) -> float:
        """Computed inside one request, roughly: a round takes about 1 µs."""
        return query_values(self.compute_target or "").get("n", 0.0) / 1e3

    def waited_ms(self, gathers: bool) -> float:
        """Waited inside one request by a model that can, or cannot, run its waits at once."""
        return self.wait_ms * (1 if gathers else self.gathered)


def _hello(name: str, shape: str, connections: int, **fields: Any) -> Workload:
    made = Workload(name, "/hello", shape, connections, b"Hello, World!")
    return replace(made, **fields)


def _file(size: str, connections: int) -> Workload:
    return Workload(
        f"files-{size}", f"/files/{size}", f"a file of {size.upper()}B", connections,
        compute_target=f"/files/{size}", files=True,
    )  # fmt: skip


def _echo(size: str, connections: int) -> Workload:
    return Workload(
        f"echo-{size}", "/echo", f"a body of {size.upper()}B in and out again", connections,
        compute_target="/echo", post_bytes=FILE_SIZES[size],
    )  # fmt: skip


def _database(name: str, target: str, shape: str, same_bytes: bool = False) -> Workload:
    return Workload(
        name, target, shape, 64, compute_target=target, database=True, same_bytes=same_bytes
    )


WORKLOADS = {
    w.name: w
    for w in (
        _hello("hello", "no work: what the server itself costs", 64, floor=True),
        Workload(
            "json", "/json", "no work, as JSON", 64, b'{"message":"Hello, World!"}', floor=True
        ),
        Workload(
            "cpu", "/cpu?n=500", "about 0.5 ms of computing", 16, compute_target="/cpu?n=500"
        ),
        Workload(
            "sleep", "/sleep?ms=20", "waits 20 ms, as for a database", 256, b"slept 20\n",
            wait_ms=20.0,
        ),
        Workload(
            "block", "/block?ms=5", "5 ms in a call that cannot suspend", 64, b"blocked 5\n",
            wait_ms=5.0, loop_contexts=1,
        ),
        Workload(
            "block-offload", "/block?ms=5&offload=1", "the same call on a helper thread", 64,
            b"blocked 5\n", wait_ms=5.0, loop_contexts=OFFLOAD_THREADS,
        ),
        Workload(
            "mix", "/mix?cpu=50&wait=10&rounds=2",
            "twice: 0.05 ms of computing, then 10 ms of waiting", 256,
            wait_ms=20.0, compute_target="/cpu?n=100",
        ),
        Workload(
            "fanout", "/fanout?n=10&ms=5", "ten waits of 5 ms inside one request", 64,
            wait_ms=5.0, gathered=10, same_bytes=False,
        ),
        Workload(
            "stream", "/stream?chunks=5&ms=5", "five chunks, 5 ms apart, from a generator", 64,
            wait_ms=20.0,
        ),
        _file("1k", 64), _file("100k", 64), _file("1m", 16),
        _echo("1k", 64), _echo("1m", 16),
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
SLOW_QUERIES = replace(
    _database("slow-queries", "/queries?n=3", "3 queries of 2 ms, of PostgreSQL"),
    db_connections=40, row_ms=2.0,
)  # fmt: skip


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


def query_values(target: str) -> dict[str, float]:
    """The numbers in a target's query, by name."""
    _, _, text = target.partition("?")
    try:
        return {name: float(values[-1]) for name, values in parse_qs(text).items()}
    except ValueError:
        raise UsageError(f"workload {target!r}: its query takes numbers only") from None


def with_query(base: Workload, query: str) -> Workload:
    """The workload with another query; its waits and its computing follow from that."""
    path = base.target.split("?")[0]
    target = f"{path}?{query}"
    values = query_values(target)

    def value(name: str, default: float = 0.0) -> float:
        return values.get(name, default)

    if base.name == "block" and value("offload"):
        base = replace(base, loop_contexts=OFFLOAD_THREADS)
    made = replace(base, name=f"{base.name}?{query}", target=target, shape="as asked for",
                   body=None)  # fmt: skip
    if base.database and base.target != path:  # those that take a number of rows
        return replace(made, compute_target=target)
    if path == "/cpu":
        return replace(made, compute_target=target)
    if path in ("/sleep", "/block"):
        return replace(made, wait_ms=value("ms"))
    if path == "/mix":
        rounds = value("rounds", 1)
        compute = round(value("cpu") * rounds)
        return replace(
            made, wait_ms=value("wait") * rounds,
            compute_target=f"/cpu?n={compute}" if compute else None,
        )  # fmt: skip
    if path == "/fanout":
        return replace(made, wait_ms=value("ms", 50), gathered=int(value("n", 10)))
    if path == "/stream":
        return replace(made, wait_ms=max(0.0, value("chunks", 10) - 1) * value("ms", 100))
    raise UsageError(f"workload {base.name}: it takes no query")


def _one(spec: str) -> Workload:
    name, mark, query = spec.partition("?")
    number = re.fullmatch(r"idle:(\d+)", name)
    if number:
        parked = int(number.group(1))
        return replace(WORKLOADS["idle"], name=name, parked=parked)
    if name not in WORKLOADS:
        near = difflib.get_close_matches(name, WORKLOADS, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown workload {name!r}: {hint}there are {', '.join(WORKLOADS)}")
    return with_query(WORKLOADS[name], query) if mark else WORKLOADS[name]


def parse(text: str) -> list[Workload]:
    """Names separated by commas: NAME, NAME?QUERY, or idle:N. None twice."""
    specs = [spec.strip() for spec in text.split(",") if spec.strip()]
    if not specs:
        raise UsageError(f"no workload given: there are {', '.join(WORKLOADS)}")
    return [_one(spec) for spec in dict.fromkeys(specs)]
