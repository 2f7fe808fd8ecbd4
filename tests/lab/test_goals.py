# SPDX-License-Identifier: MIT
"""Figures are judged by their whole interval, and the speed goals are those that a document lists."""

import re
from dataclasses import replace
from typing import Any

import made
import pytest
from lab.ask.plan import Configuration
from lab.ask.workloads import WORKLOADS
from lab.judge import goals
from lab.judge.analysis import CellResult
from lab.judge.goals import Judged
from lab.judge.stats import Comparison

NGINX = Configuration("nginx", 1, *made.OWN)
APACHE = Configuration("apache-prefork", 64, *made.OWN)


def state(low: float, high: float, goal: float, at_least: bool) -> str:
    middle = (low + high) / 2
    return Judged("x", Comparison(middle, low, high, 6), goal, at_least, "here").state


@pytest.mark.parametrize(
    "low, high, at_least, wanted",
    [
        (1.8, 1.9, True, "PASS"),
        (1.79, 1.9, True, "VOID"),
        (1.6, 1.79, True, "FAIL"),
        (1.7, 1.8, False, "PASS"),
        (1.7, 1.81, False, "VOID"),
        (1.81, 1.9, False, "FAIL"),
    ],
)
def test_the_whole_interval_decides(low: float, high: float, at_least: bool, wanted: str) -> None:
    assert state(low, high, 1.8, at_least) == wanted


def test_an_undecided_figure_says_so_and_one_without_a_figure_why() -> None:
    open_one = Judged("x", Comparison(1.8, 1.7, 1.9, 6), 1.8, True, "here")
    assert "undecided" in str(open_one) and "(95 % of 6 blocks)" in str(open_one)
    lone = replace(open_one, found=Comparison(2, 0, float("inf"), 1))
    assert lone.state == "VOID" and "2.00 (of 1 block)" in str(lone) and "it takes 3 blocks" in str(lone)
    assert "no strace" in str(Judged("x", None, 1.0, True, "", "no strace"))


def hello(coro_us: float, **apache: Any) -> CellResult:
    return made.result(WORKLOADS["hello"], 64, {
        made.CORO: {"cpu_us": coro_us},
        made.PREFORK: {"cpu_us": 9.0, "rps": 13_000.0},
        NGINX: {"cpu_us": 10.5},
        APACHE: {"cpu_us": 77.0, **apache},
        made.FLOOR: {"cpu_us": 7.5},
    })  # fmt: skip


def judged(found: CellResult, words: str) -> Judged:
    (line,) = [each for each in goals.judge([found]) if f"{words}:" in each.text + ":"]
    return line


@pytest.mark.parametrize("coro_us, wanted", [(7.6, "PASS"), (9.0, "FAIL")])
def test_goals_are_judged_in_the_same_run(coro_us: float, wanted: str) -> None:
    found = hello(coro_us)
    assert judged(found, "coro ÷ floor").state == wanted
    assert judged(found, "coro ÷ nginx").state == wanted
    assert judged(found, "prefork(64) ÷ floor").state == "PASS"
    assert judged(found, "prefork(64) ÷ apache-prefork(64)").state == "PASS"


def test_a_goal_without_its_other_server_is_void_and_says_so() -> None:
    assert "prefork(4) did not run" in str(judged(hello(7.6), "prefork(4) ÷ floor"))
    starved = hello(7.6, load_fields={"unanswered": 3})
    line = judged(starved, "prefork(64) ÷ apache-prefork(64)")
    assert line.state == "VOID" and "apache-prefork(64): 3 connections never" in str(line)


def test_the_company_of_other_programs_makes_no_goal_void() -> None:
    found = hello(7.6)
    found = replace(found, rows=tuple(
        replace(row, samples=tuple(replace(s, others_cores=0.9) for s in row.samples))
        for row in found.rows
    ))  # fmt: skip
    assert judged(found, "prefork(64) ÷ apache-prefork(64)").state == "PASS"
    assert judged(found, "coro ÷ floor").state == "PASS"


@pytest.mark.parametrize("unanswered, wanted", [(0, "PASS"), (9, "FAIL")])
def test_a_starved_pool_of_ours_fails(unanswered: int, wanted: str) -> None:
    cell = made.result(WORKLOADS["hello"], 256, {
        made.PREFORK: {"load_fields": {"unanswered": unanswered}}, made.FLOOR: {},
    })  # fmt: skip
    assert judged(cell, f"{goals.STARVED}, prefork(64)").state == wanted


@pytest.mark.parametrize("each, total, wanted", [(147.0, 5 << 20, "PASS"), (600.0, 99 << 20, "FAIL")])
def test_idle_goals(each: float, total: int, wanted: str) -> None:
    def extras(each: float, whole: float) -> dict[str, Any]:
        return {"rps": 500.0, "extras": {
            "parked_asked": 10_000.0, "parked_answered": 10_000.0,
            "bytes_a_connection": each, "memory_total_bytes": whole,
        }}  # fmt: skip

    cell = made.result(WORKLOADS["idle"], 4, {
        made.CORO: extras(each, total), NGINX: extras(494.0, 17 << 20),
    })  # fmt: skip
    assert judged(cell, f"{goals.BYTES}, coro").state == wanted
    assert judged(cell, f"{goals.MEMORY.name}, coro ÷ nginx").state == wanted


@pytest.mark.parametrize("rps, wanted", [(3103.0, "PASS"), (3100.0, "FAIL")])
def test_the_share_of_waiting_is_of_what_a_window_shows(rps: float, wanted: str) -> None:
    cell = made.result(WORKLOADS["sleep"], 256, {made.THREADS: {"rps": rps}})
    assert judged(cell, f"{goals.SHARE}, threads(64)").state == wanted


def test_the_floor_presets_text_counts_its_goals() -> None:
    data, text = goals.draw([hello(7.6)])
    assert {goal["state"] for goal in data["goals"]} == {"PASS", "VOID"}
    (line,) = [line for line in text if "coro ÷ floor" in line]
    assert line.startswith("PASS hello, 64 connections: CPU per request, ")
    assert "1.01 [1.01, 1.01] (95 % of 6 blocks), goal ≤ 1.05" in line
    assert text[-1] == "5 passed, 0 failed, 6 void"


def test_the_document_lists_the_goals() -> None:
    """scripts/lab/README.md, a row each."""
    text = (made.ROOT / "scripts/lab/README.md").read_text()
    table = text.partition("## The speed goals\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*$", table, re.M)]
    assert rows[2:] == [
        [
            goal.workload, ", ".join(map(str, goal.connections)), goal.figure, ", ".join(goal.ours),
            goal.other, goals.bound(goal.value, goal.at_least),
        ]
        for goal in goals.GOALS
    ]  # fmt: skip
