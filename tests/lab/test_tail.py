# SPDX-License-Identifier: MIT
"""The tail that a closed load hides is shown, and said only where it is true."""

import re
from typing import Mapping

import made
import pytest
from lab.ask.workloads import WORKLOADS
from lab.judge.analysis import CellResult
from lab.machine.procfs import Usage
from lab.measure import wrk
from lab.show import columns, table

SECONDS = 2.0
Histogram = Mapping[int, int]  # microseconds: how many requests


def result(latencies: Histogram, connections: int = 16, run_queue: float = 0.0,
           by_time: bool = True) -> CellResult:  # fmt: skip
    samples = sum(latencies.values())
    load_fields = {
        "seconds": SECONDS,
        "samples": samples,
        "mean_us": sum(us * count for us, count in latencies.items()) / samples,
        "max_us": float(max(latencies)),
        "percentiles_us": {n: wrk.percentile(latencies, p) for n, p in wrk.PERCENTILES.items()},
        "by_time_us": {n: wrk.percentile_by_time(latencies, p) for n, p in wrk.PERCENTILES.items()}
        if by_time else None,
    }  # fmt: skip
    fields = {
        "rps": samples / SECONDS, "load_fields": load_fields,
        "usage": Usage(cpu_s=1.0, run_queue_s=run_queue * SECONDS),
    }  # fmt: skip
    found = made.result(WORKLOADS["hello"], connections, {made.THREADS: fields})
    assert not found.rows[0].void, found.rows[0].void_reasons
    return found


def stalled(connections: int, standing: int, stall_us: int, quick_us: int = 100) -> Histogram:
    """That many of the connections stand still all the time, the rest have quick answers."""
    window_us = int(SECONDS * 1e6)
    quick = (connections - standing) * window_us // quick_us
    return {quick_us: quick, stall_us: standing * window_us // stall_us}


def said(found: CellResult) -> list[str]:
    return [note for note in table.footnotes(found) if "stood still" in note]


@pytest.mark.parametrize(
    "connections, standing, words",
    [
        (16, 2, "one connection of 16 stood still for 250 ms or longer at any moment, on average; "
                "90 % of the requests took at most 100 µs"),
        (256, 3, "2 connections of 256 stood still for 250 ms or longer"),
        (256, 30, "2 connections of 256 stood still for 250 ms or longer"),
        (4, 3, "2 connections of 4 stood still for 250 ms or longer"),
    ],
)  # fmt: skip
def test_connections_that_stand_still_are_noted(connections: int, standing: int, words: str) -> None:
    (note,) = said(result(stalled(connections, standing, 250_000), connections))
    assert note.startswith(f"threads(64): {words}")


@pytest.mark.parametrize(
    "latencies, connections",
    [
        (stalled(16, 0, 1), 16),
        (stalled(256, 2, 250_000), 256),  # fewer than are claimed
        (stalled(16, 2, 190), 16),  # less than twice as long
        ({300: 105_000, 200_000: 1}, 16),  # one short stall: no connection's worth of time
    ],
)  # fmt: skip
def test_what_is_not_so_is_not_said(latencies: Histogram, connections: int) -> None:
    assert said(result({us: n for us, n in latencies.items() if n}, connections)) == []


def test_the_sentence_is_true() -> None:
    """So many connections' worth of the window was spent in requests of that length or longer."""
    for connections in (2, 5, 16, 64, 256):
        for standing in range(1, min(connections, 40)):
            latencies = stalled(connections, standing, 250_000)
            row = result(latencies, connections).rows[0]
            if said(result(latencies, connections)):
                name = next(n for n in reversed(wrk.PERCENTILES)
                            if (1 - wrk.PERCENTILES[n]) * row.in_progress >= 1)  # fmt: skip
                spent = sum(us * n for us, n in latencies.items() if us >= row.by_time_us[name])
                claimed = int((1 - wrk.PERCENTILES[name]) * row.in_progress)
                assert claimed <= spent / (SECONDS * 1e6)


def test_older_runs_do_not_have_it() -> None:
    found = result(stalled(16, 2, 250_000), by_time=False)
    assert said(found) == []
    assert found.rows[0].by_time_us == {}


def test_the_tail_and_the_run_queue_stand_in_the_table() -> None:
    found = result(stalled(16, 2, 250_000), run_queue=40.0)
    chosen = columns.columns(found)
    cells = dict(zip([c.name for c in chosen], columns.row_cells(found.rows[0], chosen)[1:]))
    assert (cells["p99"], cells["longest"], cells["run queue"]) == ("100 µs", "250 ms", "40.0")
    shown = table.render_text(made.plan((found.cell,)), [found], 110)
    head = next(line for line in shown.splitlines() if line.startswith(table.NAME))
    assert len(head) <= 110 and {"p99", "p99.9", "longest", "run queue"} <= set(re.split(" {2,}", head))
    row = table.render_csv([found]).splitlines()
    values = dict(zip(row[0].split(","), row[1].split(",")))
    assert (values["queue"], values["max_us"], values["p90_by_time_us"]) == ("40", "250000", "250000")
