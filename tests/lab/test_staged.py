# SPDX-License-Identifier: MIT
"""Whole results from staged samples: what is equal is not told apart, what differs is found."""

import random
from dataclasses import replace
from typing import Any

import made
import pytest
from lab.ask.plan import AGAIN, Configuration
from lab.ask.workloads import WORKLOADS
from lab.judge import analysis, gates, verdict
from lab.judge.analysis import CellResult
from lab.show import columns, table

NOISE = 0.02  # of one run, one standard deviation; two thirds of it common to a block


def staged(factors: dict[Configuration, float], blocks: int, seed: int) -> CellResult:
    """Each configuration's throughput: the block's mood, its factor, and noise of its own."""
    dice = random.Random(seed)
    cell = made.cell("sleep", *factors, connections=16)
    samples = []
    for block in range(blocks):
        mood = dice.gauss(1.0, 3 * NOISE)  # what pairing within blocks takes out
        for configuration, factor in factors.items():
            rps = 700 * mood * factor * dice.gauss(1.0, NOISE / 2)
            sample = made.sample(configuration, block=block, rps=rps, connections=16,
                                 cpu_us=20.0 / factor)  # fmt: skip
            sample.gates = gates.check(sample, WORKLOADS["sleep"], configuration)
            samples.append(sample)
    return analysis.analyse(cell, samples)


SAME = {made.PREFORK: 1.0, made.THREADS: 1.0, made.CORO: 1.0, replace(made.CORO, suffix=AGAIN): 1.0}


def ratio(result: CellResult, first: str, second: str) -> Any:
    one, other = result.row(first), result.row(second)
    assert one is not None and other is not None
    return result.compare(one, other, analysis.RPS)


def test_an_aa_run_ends_in_ties() -> None:
    """A 95 % interval is wrong one time in twenty; of sixty runs of equals, then, a few."""
    wrong = 0
    for seed in range(60):
        result = staged(SAME, 10, seed)
        found = result.aa_pair(analysis.RPS)
        assert found is not None
        wrong += not found.low <= 1 <= found.high
    assert wrong <= 9


def test_the_sentence_of_an_aa_run_decides_nothing() -> None:
    equal = 0
    for seed in range(12):
        sentence = verdict.sentence(staged(SAME, 10, seed))
        equal += "equal to" in sentence and sentence.count("×") == sentence.count("undecided")
    assert equal >= 9


@pytest.mark.parametrize("blocks", [6, 10])
def test_a_handicap_of_five_percent_is_found(blocks: int) -> None:
    found = 0
    for seed in range(40):
        result = staged({made.THREADS: 1.0, made.CORO: 0.95}, blocks, seed)
        value = ratio(result, "coro", "threads(64)")
        assert value.ratio == pytest.approx(0.95, abs=0.03)
        found += value.state == "less"
    assert found >= 38


def test_pairing_finds_what_the_medians_alone_would_not() -> None:
    """The mood of the blocks is wider than the handicap."""
    result = staged({made.THREADS: 1.0, made.CORO: 0.95}, 10, 3)
    rows = [result.row(label) for label in ("coro", "threads(64)")]
    values = [[s.rps for s in row.valid] for row in rows if row]
    assert max(values[0]) > min(values[1])  # the two overlap
    assert ratio(result, "coro", "threads(64)").state == "less"


def test_every_row_has_a_limiter_or_is_void_with_a_reason() -> None:
    result = staged({made.THREADS: 1.0, made.CORO: 1.0}, 6, 1)
    for row in result.rows:
        assert row.void and row.void_reasons or row.limiter


def test_a_restless_configuration_is_named() -> None:
    cell = made.cell("sleep", made.THREADS)
    result = analysis.analyse(cell, [made.sample(made.THREADS, steady=False)])
    assert any("not steady" in note and "threads(64)" in note for note in table.footnotes(result))
    assert not result.rows[0].steady


def crash(lost: list[float]) -> CellResult:
    cell = made.cell("crash", made.CORO, connections=32)
    extras = {"answered": 900.0, "answered_before": 400.0, "refused": 0.0, "still_cut": 0.0,
              "errors": 0.0, "workers_back_ms": 12.0, "served_again_ms": 15.0, "rps": 1000.0}  # fmt: skip
    samples = []
    for block, count in enumerate(lost):
        sample = made.sample(made.CORO, "crash", block, connections=32, load=None,
                             extras={**extras, "lost": count}, pids_changed=False)  # fmt: skip
        sample.gates = gates.check(sample, cell.workload, made.CORO)
        samples.append(sample)
    return analysis.analyse(cell, samples)


def test_lost_requests_are_those_of_the_worst_block() -> None:
    result = crash([0.0, 0.0, 7.0])
    row = result.row("coro")
    assert row is not None and not row.void and row.extras["lost"] == 7
    assert verdict.sentence(result) == "crash, 32 connections: requests lost: coro 7"
    chosen = columns.columns(result)
    assert columns.row_cells(row, chosen)[[c.name for c in chosen].index("lost") + 1] == "7"


def test_nothing_lost_is_said() -> None:
    assert "requests lost: coro 0" in verdict.sentence(crash([0.0]))
