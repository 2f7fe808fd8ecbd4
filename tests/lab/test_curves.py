# SPDX-License-Identifier: MIT
"""Latency against offered load: which rates, what is made of the samples, what is shown and said."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import made_run
import pytest
from lab.machine.errors import LabError
from lab.ask import plan as planning, presets
from lab.ask.kinds import Kind
from lab.ask.plan import Configuration, Step
from lab.measure import histogram, load, offered
from lab.measure.wrk import percentile
from lab.judge import analysis, ceilings, curves, gates
from lab.judge.analysis import CellResult
from lab.judge.curves import Curve, Point
from lab.show import charts, columns, document, overview, reading, schema, table
from lab.programs import bench, options

MIX = made_run.opened("mix", made.THREADS, made.CORO)


def planned(*arguments: str) -> planning.Plan:
    given = options.parser().parse_args(["--load", *arguments, "--seed=1"])
    return options.make_plan(given, [])


@pytest.fixture(scope="module")
def result() -> CellResult:
    (found,) = made_run.run([MIX], preset="load").results()
    return found


def curve(result: CellResult, label: str) -> Curve:
    return next(each for each in curves.of(result) if each.configuration.label == label)


# --- histograms ------------------------------------------------------------------------------------

# Of the tests of HdrHistogram in JavaScript and in Go, and of a log that its Java original wrote,
# with the longest in ms.
FORTY_TWO = "HISTFAAAAB542pNpmSzMwMDAxAABzFCaEUoz2X+AMIKZAEARAtM="
LOGGED = [
    ("HISTFAAAADR42pNpmSzMwMAgygABTFCaEUz8///f/gNE4LYcUyszkzaTJVMxkzUTNxMTO1MuEwD7aAiy", 26.083),
    ("HISTFAAAADF42pNpmSzMwMAgxAABTFCaEUz8///f/gNEYLcCkybTYUYmaSZLlmgWSSZuJgDfkAg4", 17.957),
    ("HISTFAAAADN42pNpmSzMwMAgwgABTFCaEUz8///f/gNEYKs402cOJlsmS6ZkJlkmJkmmzYwsAPfkCSk=", 17.039),
]


def test_histograms_of_other_programs_are_read() -> None:
    assert histogram.decode(FORTY_TWO) == {42: 1}
    for text, longest_ms in LOGGED:
        assert max(histogram.decode(text)) / 1e6 == pytest.approx(longest_ms, abs=0.0005)


def test_a_histogram_has_three_digits_and_loses_no_sample() -> None:
    rng = random.Random(3)
    values = [round(10 ** rng.uniform(0, 12)) for _ in range(5000)]
    found = histogram.decode(made.hdr(values))
    assert sum(found.values()) == len(values)
    for value, seen in zip(sorted(values), sorted(Counter(found).elements())):
        assert value <= seen <= value * 1.001


@pytest.mark.parametrize(
    "text", ["", "HIST", "!", "HISTFAAA", "HISTFAAAAB542pNpmQ==", made.hdr([5])[:-8], "HISTIgAAAFd42pNpmazI"]
)
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no HDR V2 histogram"):
        histogram.decode(text)


def test_percentiles_are_of_all_blocks_in_one(result: CellResult) -> None:
    """Two blocks of which one is slow: a mean of their percentiles would be of neither."""
    fast, slow = [100.0] * 2000, [100.0] * 1900 + [9000.0] * 100
    both = percentile(histogram.merged([made.hdr(round(us * 1e3) for us in each) for each in (fast, slow)]), 0.975)
    assert both == pytest.approx(100e3, rel=1e-3)
    point = curve(result, "coro").at(0.5)
    assert point is not None
    every = sorted(us for s in point.row.valid if s.open for us in Counter(histogram.decode(s.open.latency.hdr)).elements())
    assert point.latency_us("p999") == every[int(0.999 * len(every)) - 1] / 1e3
    assert point.row.valid[0].open is not None
    assert point.row.valid[0].open.latency.percentiles_us["p999"] is None  # of one block too few
    band = point.band_us("p99")
    assert band is not None and band[0] <= (point.latency_us("p99") or 0.0) <= band[1] and point.band_us("p999") is None


# --- the plan --------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def usual_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.programs.options.os.sched_getaffinity", lambda pid: {0, 1})


def test_every_model_meets_every_share_in_a_random_order_after_the_closed_loops() -> None:
    found = planned("--workloads=mix")
    (cell,) = found.cells
    assert cell.workload.kind is Kind.OPEN and cell.connections == 1000 and found.blocks == 3
    assert {c.offered for c in cell.configurations} == {None, *presets.LOAD_SHARES}
    closed = [step.configuration.offered is None for step in found.steps]
    assert closed == sorted(closed, reverse=True) and sum(closed) == 3 * 3  # of all blocks first
    orders = []
    for block in range(3):
        steps = [s.configuration for s in found.steps if s.block == block and s.configuration.offered]
        assert len(steps) == 3 * len(presets.LOAD_SHARES)
        orders.append([c.label for c in steps])
        models = [c.model for c in steps]
        assert models != sorted(models)  # no model's points stand together
    assert orders[0] != orders[1]


def test_rates_follow_from_the_most_that_a_closed_loop_reached() -> None:
    found = planned("--workloads=mix", "--models=coro")
    closed, half = (next(s for s in found.steps if s.configuration.offered == share) for share in (None, 0.5))
    assert found.rate_of(half) is None and found.rate_of(closed) is None
    known = planning.with_capacity(found, closed, 9000.0)
    known = planning.with_capacity(known, closed, 1.0)  # the machine had other things to do
    assert known.rate_of(half) == 4500.0 and known.rate_of(closed) is None
    assert planning.with_capacity(known, closed, 9200.0).rate_of(half) == 4600.0
    usual = next(s for s in made_run.run([made.cell()]).plan.steps)
    assert planning.with_capacity(found, usual, 1.0) is found  # only open loads need one


def test_an_unknown_capacity_leaves_a_void_sample_with_its_reason() -> None:
    cell = made_run.opened("mix", made.CORO)
    step = Step(0, cell, cell.configurations[3])
    bench: Any = type("Bench", (), {"plan": made.plan((cell,))})
    sample = offered.sample(bench, step, 7)
    assert gates.check(sample, cell.workload, step.configuration) == [offered.NO_CAPACITY]


@made.needs_wrk
def test_a_run_measures_capacities_and_then_shares_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """scripts/bench --load with a stand-in for the server, and one for the generator, of 5,000/s."""
    generator = str(Path(__file__).with_name("fake_load.py"))
    monkeypatch.undo()  # this machine's cores
    monkeypatch.setattr(load, "PROGRAM", generator)
    monkeypatch.setattr("lab.programs.run.LOAD", generator)
    monkeypatch.setattr(presets, "LOAD_CONNECTIONS", 16)
    monkeypatch.setattr(gates, "check", lambda *_: [])  # whatever else this machine does
    asked = ["--load", "--workloads=mix", "--models=coro", "--offered=50,120", "--blocks=2", "--duration=0.5",
             "--warmup=0.1", "--nice=0", "--label=made", f"--server={made.FAKE}", f"--results={tmp_path}"]  # fmt: skip
    assert bench.main(asked) == 0
    (folder,) = tmp_path.iterdir()
    run = reading.read(folder)
    capacity = run.plan.capacities["mix, 16 connections"]["coro"]
    assert capacity == max(s.rps for s in run.samples if s.load) > 0
    assert [bool(s.load) for s in run.samples] == [True, True, False, False, False, False]
    rates = {s.configuration: s.open.rate_asked for s in run.samples if s.open}
    assert rates == pytest.approx({"coro at 50 %": capacity / 2, "coro at 120 %": capacity * 1.2})
    assert "p99 at 50 % of its capacity" in capsys.readouterr().out
    assert (folder / "plots/mix-load.svg").exists()


def test_shares_can_be_chosen() -> None:
    found = planned("--workloads=mix", "--models=coro,threads", "--offered=50,90")
    labels = [c.label for c in found.cells[0].configurations]
    assert labels == ["threads(64)", "threads(64) at 50 %", "threads(64) at 90 %", "coro", "coro at 50 %", "coro at 90 %"]
    with pytest.raises(LabError, match="--offered 55: there are 10, 30, 50"):
        planned("--offered=55")
    with pytest.raises(LabError, match="--load only"):
        options.make_plan(options.parser().parse_args(["--offered=50"]), [])


# --- samples and rows ------------------------------------------------------------------------------


def sample(share: float = 0.5, **fields: Any) -> tuple[Any, Configuration]:
    configuration = replace(made.CORO, offered=share)
    found = made.sample(configuration, "mix", connections=1000)
    found.load, found.open = None, made.open_load(1000.0, [1000.0] * 3000, **fields)
    return found, configuration


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"void": ("late",)}, "late"),
        ({"errors": {"connect": 0, "reset": 3, "timeout": 2}}, "3 reset errors"),
        ({"statuses": {"200": 5, "503": 4, "500": 1}}, "5 statuses over 399"),
        ({"requests": 0}, gates.NOT_OFFERED),
    ],
)
def test_gates_of_an_open_load(fields: dict[str, Any], reason: str) -> None:
    found, configuration = sample(**fields)
    assert gates.check(found, MIX.workload, configuration) == [reason]
    found.answer_problem = "it ended"
    assert gates.check(found, MIX.workload, configuration) == ["it ended", reason]


def test_overload_is_no_fault_of_a_sample() -> None:
    found, configuration = sample(stopped="give-up", errors={"timeout": 7, "unfinished": 9})
    assert gates.check(found, MIX.workload, configuration) == []


@pytest.mark.parametrize(
    "each, expected",
    [
        ([{}, {}, {}], False),
        ([{"stopped": "give-up"}] * 3, True),
        ([{"stopped": "SIGINT"}] * 3, False),
        ([{"backlog": ((1.0, 9e5), (2.0, 5e3))}] * 3, False),  # a stall that was over again
        ([{"backlog": ((1.0, 9e3), (2.0, 2e5))}, {}, {"backlog": ((2.0, 2e5),)}], True),
        ([{"backlog": ((2.0, 2e5),)}, {}, {}], False),
        ([{"backlog": ((2.0, 2e5),)}, {}], False),  # one stalled at its end, the third is void
        ([], False),
    ],
)
def test_a_backlog_that_grows_in_most_blocks_is_overload(each: list[dict[str, Any]], expected: bool) -> None:
    assert analysis.overloaded([sample(**fields)[0] for fields in each]) is expected


def test_overload_has_no_percentiles_and_says_so(result: CellResult) -> None:
    row = result.row("coro at 120 %")
    assert row is not None and not row.void and row.limiter == ceilings.OVERLOAD
    assert set(row.percentiles_us.values()) == {None}
    cells = columns.row_cells(row, columns.columns(result))
    assert cells[-1] == "overload" and "–" in cells
    found = curve(result, "coro")
    assert found.overload is not None and found.overload.share == 1.1
    assert any("overloaded from: threads(64) 110 %, coro 110 %" in note for note in table.footnotes(result))


def test_only_the_same_share_is_compared(result: CellResult) -> None:
    shares = {(a.configuration.offered, b.configuration.offered) for a, b in analysis.matches(result)}
    assert shares == {(share, share) for share in (None, *presets.LOAD_SHARES)}


# --- what is made of them --------------------------------------------------------------------------


def points(latency_of: Any, shares: Any = presets.LOAD_SHARES[:6]) -> Curve:
    """Of a server of 1000/s whose p99 is as given."""
    (found,) = made_run.run([made_run.opened("mix", made.CORO)]).results()
    rows = {share: found.row(f"coro at {share * 100:g} %") for share in shares}
    made_points = tuple(
        Point(share, share * 1000, replace(row, percentiles_us={**row.percentiles_us, "p99": latency_of(share)}))
        for share, row in rows.items() if row
    )  # fmt: skip
    return Curve(found.rows[0], made_points, 1)


def test_the_knee_is_where_power_is_largest() -> None:
    mm1 = points(lambda share: 1.0 / (1.0 - share))  # Kleinrock: at half of the capacity
    assert mm1.knee is not None and mm1.knee.share == 0.5
    flat = points(lambda share: 20.0 if share < 0.9 else 90.0)  # as a pool that waits
    assert flat.knee is not None and flat.knee.share == 0.8
    assert points(lambda share: None).knee is None
    assert points(lambda share: 1.0, presets.LOAD_SHARES[:2]).knee is None  # of two points none


def test_theory_begins_at_the_median_and_rises_beyond_every_bound(result: CellResult) -> None:
    found = points(lambda share: 1000.0)
    theory = found.theory("p99")
    alone = found.points[0].latency_us("p50")
    assert alone is not None and theory[0][1] >= alone and theory[-1][1] > alone + 20e3  # of 1 ms each
    assert [us for _, us in theory] == sorted(us for _, us in theory)
    assert theory[-1][0] == pytest.approx(0.95 * found.capacity)
    assert replace(found, servers=0).theory("p99") == []


@pytest.mark.parametrize(
    "limit, configuration, expected",
    [
        ("pool size", made.THREADS, 64), ("one loop's core", made.CORO, 1), ("server CPU", made.SHARED, 2),
        ("wrk", made.CORO, 0), ("round trips", made.THREADS, 0), ("connections", made.CORO, 0),
    ],
)  # fmt: skip
def test_theory_holds_where_the_servers_own_queue_limits(limit: str, configuration: Configuration, expected: int) -> None:
    assert ceilings.servers(limit, MIX.workload, 1000, configuration) == expected


def test_the_sentence_says_what_a_user_of_each_feels(result: CellResult) -> None:
    said = curves.sentence(result)
    number = r"[\d.]+ ms of [\d,]+/s, knee at \d+ %"
    assert re.fullmatch(
        rf"mix, 1000 connections: p99 at 50 % of its capacity: threads\(64\) {number}; coro {number}", said
    )
    assert len(said) <= 2 * table.WIDTH
    head, row = overview.rows([result])
    assert row[:2] == ["mix", "–"] and row[3] == curves.FELT
    assert row[head.index("prefork")] == "not compared" and row[head.index("threads")].endswith("ms (64)")


def test_what_is_void_or_overloaded_at_half_is_said_instead(result: CellResult) -> None:
    for field, value, word in (("gates", ["made up"], "void"), ("open", None, "overload")):
        run = made_run.run([MIX], preset="load")
        for one in run.samples:
            if one.configuration == "coro at 50 %":
                if field == "gates":
                    one.gates = ["made up"]
                elif one.open:
                    one.open = replace(one.open, stopped="give-up")
        assert re.search(rf"coro {word}( of .*)?$", curves.sentence(run.results()[0]))


# --- the document and the plot ---------------------------------------------------------------------


def test_a_run_is_read_back_as_it_was() -> None:
    run = made_run.run([MIX], preset="load")
    written = made_run.as_json(run)
    assert schema.problems(written) == []
    again = reading.from_json(written)
    assert again.plan == run.plan and again.samples == run.samples
    assert set(written["plan"]["capacities"]) == {"mix, 1000 connections"}
    assert json.loads(json.dumps(document.to_json(again, again.results())))["cells"] == written["cells"]


def test_runs_from_before_there_was_an_open_load_are_read() -> None:
    written = made_run.as_json(made_run.run([made.cell()]))
    for one in written["samples"]:
        del one["open"]
    del written["plan"]["capacities"]
    again = reading.from_json(written)
    assert again.samples[0].open is None and again.plan.capacities == {}


def test_a_plot_for_each_cell_marks_what_is_no_figure(result: CellResult) -> None:
    (plot,) = charts.draw([result], {})
    assert plot.name == "mix-load" and plot.workload == "mix"
    for words in ("p50, ms", "p99, ms", "p99.9, ms", "requests/s offered", "threads(64)", "coro", "knee"):
        assert words in plot.svg
    assert "coro p99" in plot.about and "– at" in plot.about
    run = made_run.run([MIX], preset="load", spoilt="coro at 30 %")
    (spoilt,) = charts.draw(run.results(), {})
    cross = re.compile(r'd="M -2 2\s+L 2 -2\s+M -2 -2\s+L 2 2')
    assert cross.search(spoilt.svg) and not cross.search(plot.svg)
