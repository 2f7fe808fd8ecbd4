# SPDX-License-Identifier: MIT
"""What a workload that asks a database says: Little's law, the database's CPU, who reached what."""

import os
from typing import Any

import databases
import made
import pytest
from lab.ask.plan import Configuration
from lab.ask.workloads import SLOW_QUERIES, WORKLOADS, Workload
from lab.server.backend import Backend
from lab.judge import analysis, ceilings, verdict

PREFORK = Configuration("prefork", 16, *made.OWN)
THREADS = Configuration("threads", 16, *made.OWN)
MODELS = (PREFORK, THREADS, made.CORO)


def result(
    service_us: float, backend_us: float, rps: Any = (8000.0, 9000.0, 9500.0), wrk: float = 0.05,
    **fields: Any,
) -> Any:
    """Three blocks; the database uses rps × backend_us of wrk's core."""
    cell = made.cell("db", *MODELS, connections=64)
    samples = [
        made.sample(
            configuration, "db", block, rps=rate, connections=64, load_fields={"cpu_share": wrk},
            extras={
                # Alone in the last block only: what is measured in company is longer.
                "service_us": service_us if block == 2 else 9 * service_us,
                "backend_us": backend_us,
                "backend_cores": rate * backend_us / 1e6,
            },
            **fields,
        )
        for block in range(3)
        for configuration, rate in zip(MODELS, rps)
    ]  # fmt: skip
    return analysis.analyse(cell, samples)


def test_the_database_s_cpu_limits() -> None:
    found = result(service_us=200, backend_us=95, wrk=0.095)
    # wrk's cost, like the database's, is the least of any configuration's: 0.095/9500 = 10 µs.
    assert verdict.notes(found) == [
        "ceilings: 1 core/(95 µs of the database + 10 µs of wrk) = 9,524/s (the database's CPU) for all; "
        "16/200 µs = 80,000/s (connections to the database) for all"
    ]
    assert [row.limiter for row in found.rows] == ["round trips"] + 2 * ["the database's CPU"]
    assert {row.ceiling.kind for row in found.rows} == {"database"}
    assert [row.share for row in found.rows] == pytest.approx([0.84, 0.945, 0.9975])


def test_its_connections_limit() -> None:
    found = result(service_us=1600, backend_us=20)
    assert {row.ceiling.formula for row in found.rows} == {"16/1.6 ms = 10,000/s"}
    assert [row.limiter for row in found.rows] == ["round trips"] + 2 * ["backend connections"]
    assert [round(row.share, 2) for row in found.rows] == [0.8, 0.9, 0.95]


def test_fewer_workers_than_connections_cannot_use_them_all() -> None:
    few = Configuration("threads", 4, *made.OWN)
    backend = ceilings.Backend(service_us=1000)
    allowed = [
        ceilings.of_backend(WORKLOADS["db"], c, 64, backend)[0] for c in (few, THREADS, made.CORO)
    ]
    assert [found.rps for found in allowed] == [4000, 16_000, 16_000]
    assert [found.kind for found in allowed] == ["pool", "backend", "backend"]


def test_an_exceeded_ceiling_limits_nothing() -> None:
    found = result(service_us=1900, backend_us=20, rps=(8000.0, 8400.0, 12_000.0))
    assert "the ceiling is wrong, as it was exceeded: coro 142 %" in verdict.notes(found)
    assert [row.limiter for row in found.rows] == 2 * ["backend connections"] + ["round trips"]


def test_what_a_request_alone_takes_of_the_server_is_no_ceiling() -> None:
    """It is mostly waking up, which a load saves."""
    found = ceilings.for_configuration(WORKLOADS["db"], 64, made.CORO, ceilings.Measured(73.0))
    assert found == []


def test_nothing_measured_is_nothing_said() -> None:
    assert verdict.notes(result(service_us=0, backend_us=0)) == []


def test_other_workloads_ask_no_database() -> None:
    cell = made.cell("sleep", made.CORO)
    found = analysis.analyse(cell, [made.sample(made.CORO, rps=12_000, extras={"service_us": 1.0})])
    assert [each.kind for each in found.rows[0].ceilings] == ["connections"]


@pytest.mark.parametrize("name", ["db", "queries", "updates", "fortunes", "cache"])
def test_these_do(name: str) -> None:
    assert WORKLOADS[name].database


def test_each_run_finds_the_tables_as_new() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    with Backend(True) as made_one:
        uri = made_one.options(WORKLOADS["db"])[0][len("--db=") :]
        databases.psql(uri, "UPDATE world SET randomnumber = 0")
        made_one.refill(WORKLOADS["db"], cpus)
        databases.verify(uri)
        before = made_one.cpu_s()
        databases.psql(uri, "SELECT count(*) FROM generate_series(1, 1000000)")
        assert made_one.cpu_s() - before > 0.05, "a connection that has been closed is forgotten"


def test_a_slow_database_waits_before_each_row_and_only_where_it_is_asked_for() -> None:
    def asked(made_one: Backend, workload: Workload) -> tuple[float, float]:
        """The least time to read a row, in seconds, and how many connections there may be."""
        made_one.refill(workload, sorted(os.sched_getaffinity(0)))
        uri, _, total = (option.split("=", 1)[1] for option in made_one.options(workload))
        spent = "SELECT extract(epoch FROM clock_timestamp() - statement_timestamp())"
        told = [  # the second time, when the connection has looked the tables up
            float(databases.psql(uri, f"{spent} FROM world WHERE id = {number};\n" * 2).split()[-1])
            for number in range(1, 6)
        ]
        return min(told), float(total)

    with Backend(True) as made_one:
        for _ in range(2):  # one after the other, and back
            seconds, total = asked(made_one, SLOW_QUERIES)
            assert 0.002 <= seconds < 0.1 and total == 40
            seconds, total = asked(made_one, WORKLOADS["db"])
            assert seconds < 0.002 and total == 16
        shown = [made_one.shown(option) for option in made_one.options(SLOW_QUERIES)]
        assert shown[0].startswith("--db=postgresql://world@/world?host=DB&")
        assert shown[1:] == ["--redis=unix:DB/redis", "--db-connections=40"]


def test_the_databases_share_the_load_s_cores() -> None:
    def has(pid: int, wanted: set[int]) -> bool:
        try:
            return os.sched_getaffinity(pid) == wanted
        except ProcessLookupError:  # PostgreSQL's own come and go
            return True

    cpus = sorted(os.sched_getaffinity(0))
    with Backend(True) as made_one:
        assert len(made_one.pids()) > 2
        for wanted in ({cpus[-1]}, set(cpus), {cpus[0]}):
            made_one.refill(WORKLOADS["db"], sorted(wanted))
            assert all(has(pid, wanted) for pid in made_one.pids())
