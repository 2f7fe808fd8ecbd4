# SPDX-License-Identifier: MIT
"""From samples to the sentence and the table a reader sees."""

from dataclasses import replace
from typing import Any

import made
import pytest
from lab.ask.plan import Cell
from lab.ask.workloads import WORKLOADS, idle_files, with_query
from lab.judge import analysis, ceilings, gates, verdict, words
from lab.judge.ceilings import Measured
from lab.show import columns, overview, reading, table


def analysed(cell: Any, samples: Any) -> Any:
    by_label = {c.label: c for c in cell.configurations}
    for sample in samples:
        sample.gates = gates.check(sample, cell.workload, by_label[sample.configuration])
    return analysis.analyse(cell, samples)


def sleep_result(
    blocks: int = 3, coro_rps: tuple[float, ...] = (12_600, 12_610, 12_620), **threads: Any
) -> Any:
    cell = made.cell("sleep", made.PREFORK, made.THREADS, made.CORO)
    samples = []
    for block in range(blocks):
        samples += [
            made.sample(made.PREFORK, block=block, rps=3165 + 2 * block),
            made.sample(made.THREADS, block=block, rps=3168, **threads),
            made.sample(made.CORO, block=block, rps=coro_rps[block % len(coro_rps)]),
        ]
    return analysed(cell, samples)


def hello_result(blocks: Any = 3, floor_us: Any = 7.5) -> Any:
    configurations = (made.THREADS, made.CORO, made.SHARED, made.AGAIN, made.FLOOR)
    cell = made.cell("hello", *configurations, connections=64)
    costs = {made.THREADS: 10.0, made.CORO: 7.8, made.SHARED: 8.2, made.AGAIN: 7.7, made.FLOOR: floor_us}
    samples = [
        made.sample(
            configuration, "hello", block, rps=100_000, cpu_us=cost + 0.01 * block,
            connections=64, load_fields={"cpu_share": 0.99},
        )
        for block in range(blocks)
        for configuration, cost in costs.items()
    ]  # fmt: skip
    return analysed(cell, samples)


def test_the_sentence_compares_and_notes_name_the_ceilings() -> None:
    result = sleep_result()
    assert verdict.sentence(result) == (
        "sleep, 256 connections: requests/s (95 % of 3 blocks): "
        "coro 3.98 × threads(64) [3.97, 3.99], 3.98 × prefork(64) [3.98, 3.98]"
    )
    assert verdict.notes(result) == [
        "ceilings: 64/20 ms = 3,200/s (the pool) for prefork(64) and threads(64); "
        "256/20 ms = 12,800/s (the connections) for coro"
    ]


def test_where_wrk_was_the_limit_cpu_per_request_is_compared() -> None:
    sentence, notes = verdict.sentence(hello_result()), "; ".join(verdict.notes(hello_result()))
    assert "CPU per request (95 % of 3 blocks): coro 0.78 × threads(64)" in sentence
    assert (
        "× floor, 7.5 µs of CPU (95 % of 3 blocks): "
        "threads(64) 1.33 [1.33, 1.33], coro 1.04 [1.04, 1.04]; " in notes
    )
    assert "again" not in sentence + notes


def test_where_requests_only_compute_cpu_per_request_is_compared() -> None:
    """Other programs took up to a third of the core; what a request cost kept still."""
    taken = (0.0, 0.3, 0.1)

    def said(workload: str, other: Any) -> str:
        cell = made.cell(workload, made.THREADS, other, connections=16)
        return verdict.sentence(analysed(cell, [
            made.sample(c, workload, block, rps * (1 - share), cpu_us + block / 100, connections=16)
            for c, rps, cpu_us, shares in ((made.THREADS, 2000, 460, taken), (other, 2140, 430, taken[::-1]))
            for block, share in enumerate(shares)
        ]))  # fmt: skip

    assert said("cpu", made.CORO) == (
        "cpu, 16 connections: CPU per request (95 % of 3 blocks): coro 0.93 × threads(64) [0.93, 0.93]"
    )
    # Two cores with one, and one with the other: throughput is not CPU per request alone.
    two = replace(made.THREADS, model="prefork", server_cpus=(0, 2))
    assert ": requests/s (" in said("cpu", two)


def test_who_shared_cores_with_the_load_is_not_compared_with_who_did_not() -> None:
    """coro(2) did; where coro alone did not, that one enters, and where no other is, it is said."""
    result = hello_result()
    assert "coro(2)" not in verdict.sentence(result)
    (note,) = [note for note in verdict.notes(result) if "cores shared by one and not the other" in note]
    assert note.endswith("(95 % of 3 blocks): coro 0.95 × coro(2) [0.95, 0.95]"), note
    prefork = replace(made.THREADS, model="prefork")
    rows = tuple(
        replace(row, configuration=prefork) if row.label == "coro again" else row for row in result.rows
    )
    only = replace(result, rows=tuple(row for row in rows if row.label != "coro"))
    assert verdict.sentence(only).endswith("; not compared, as it shared cores with wrk: coro(2)")
    assert "× coro" not in verdict.sentence(only)
    assert overview.rows([only])[1][6] == "not compared"
    alone = replace(result, rows=tuple(row for row in result.rows if row.label == "coro(2)"))
    assert "CPU per request: coro(2) 8.2 µs" in verdict.sentence(alone)


def test_throughput_is_named_where_it_differs_by_more_than_cpu() -> None:
    """Few connections: two workers keep wrk busy, one loop sleeps between requests."""
    cell = made.cell("hello", made.THREADS, made.CORO, connections=4)
    samples = [
        made.sample(c, "hello", block, rps=rps, cpu_us=cpu + block / 100, connections=4)
        for block in range(6) for c, rps, cpu in ((made.THREADS, 150_000, 6.2), (made.CORO, 46_000, 9.9))
    ]  # fmt: skip
    assert verdict.sentence(analysed(cell, samples)) == (
        "hello, 4 connections: CPU per request (95 % of 6 blocks): "
        "threads(64) 0.63 × coro [0.63, 0.63]; "
        "requests/s 3.26 × coro [3.26, 3.26]"
    )


@pytest.mark.parametrize(
    "factors, ahead",
    [
        ((1.02, 1.04, 1.06), "coro 1.04 × threads(64) [0.99, 1.09], 1.04 × prefork(64) [0.99, 1.09] undecided"),
        ((1.01, 1.01, 1.01), "coro equal to threads(64) and prefork(64) within ±3 %"),
        ((1.06, 1.08, 1.10), "coro 1.08 × threads(64) [1.03, 1.13], "),
    ],
)  # fmt: skip
def test_three_states_in_words(factors: tuple[float, ...], ahead: str) -> None:
    result = sleep_result(coro_rps=tuple(3168 * factor for factor in factors))
    assert ahead in verdict.sentence(result), verdict.sentence(result)


def test_one_block_decides_nothing_and_says_how_many_do() -> None:
    text = verdict.sentence(sleep_result(blocks=1))
    assert "3.98 × threads(64) (of 1 block)" in text and "undecided (2 more blocks may tell)" in text
    assert overview.rows([sleep_result(blocks=1)])[1][1] == "undecided: coro, threads and prefork"


def test_the_equal_are_named_beside_the_undecided() -> None:
    cell = made.cell("sleep", made.CORO, made.THREADS, made.PREFORK)
    samples = [
        made.sample(each, block=block, rps=rps + more * (block % 2))
        for block in range(6)
        for each, rps, more in zip(cell.configurations, (3100, 3090, 2900), (0, 0, 300))
    ]  # fmt: skip
    (_, row) = overview.rows([analysis.analyse(cell, samples)])
    assert row[1] == "equal: coro and threads; undecided: prefork"


def with_pair(again_us: float, spoilt: bool = False) -> Any:
    """threads needs 5 % more than coro, which ran twice."""
    cell = made.cell("hello", made.THREADS, made.CORO, made.AGAIN, connections=64)
    costs = {made.THREADS: 10.5, made.CORO: 10.0, made.AGAIN: again_us}
    samples = [
        made.sample(c, "hello", block, 100_000, cost + block / 1000, 64, {"cpu_share": 0.99})
        for block in range(5) for c, cost in costs.items()
    ]  # fmt: skip
    result = analysed(cell, samples)
    for sample in samples:
        if spoilt and sample.configuration == made.AGAIN.label:
            sample.gates = ["spoilt"]
    return analysis.analyse(result.cell, samples)


def test_what_a_configuration_is_from_itself_decides_nothing_at_any_number_of_blocks() -> None:
    assert "coro 0.95 × threads(64)" in verdict.sentence(with_pair(10.1))
    far = with_pair(10.7)
    assert far.noise["CPU per request"] == pytest.approx(0.07, abs=0.001)
    assert "undecided (noise ±7 %)" in verdict.sentence(far)
    assert overview.rows([far])[1][1] == "undecided: coro and threads"


def test_a_void_pair_is_no_noise_of_nothing() -> None:
    assert with_pair(10.0, spoilt=True).noise["CPU per request"] == 0.03
    assert with_pair(10.0).noise["CPU per request"] == pytest.approx(0.0)


def test_the_noise_of_a_cell_without_a_pair_is_the_worst_of_the_others() -> None:
    pair = with_pair(10.4)
    here = made.cell("sleep", made.THREADS, made.CORO)
    every = [s for row in pair.rows for s in row.samples]
    every += [made.sample(c, block=b) for c in (made.THREADS, made.CORO) for b in range(3)]
    assert analysis.analyse(here, every).noise["CPU per request"] == pytest.approx(0.04, abs=0.001)


def test_a_sentence_fits_two_lines_of_a_terminal() -> None:
    """Of the recorded runs, in which every workload is."""
    for path in made.ROOT.glob("results/2*/run.json"):
        for result in reading.read(path).results():
            wrapped = table.wrap(verdict.sentence(result), "    ", table.WIDTH)
            assert len(wrapped) <= 2, wrapped


def test_a_void_configuration_is_left_out_of_the_comparison_and_named() -> None:
    result = sleep_result(pids_changed=True)
    sentence = verdict.sentence(result)
    assert sentence.endswith("void: threads")
    assert "× threads" not in sentence and "× prefork(64)" in sentence
    cells = columns.row_cells(result.row("threads(64)"), columns.columns(result))
    assert cells[1] == "!3,168" and cells[-1] == "void" and cells[-2] == "–"
    assert any("void: the server's worker processes changed" in n for n in table.footnotes(result))


def test_one_bad_block_of_three_is_left_out_and_said() -> None:
    cell = made.cell("sleep", made.CORO)
    samples = [made.sample(made.CORO, block=b, rps=12_000 + b) for b in range(3)]
    samples[1].pids_changed = True
    result = analysed(cell, samples)
    row = result.row("coro")
    assert not row.void
    assert row.rps == pytest.approx(12_001)
    assert [s.block for s in row.valid] == [0, 2]
    assert "1 of 3 blocks left out" in " ".join(table.footnotes(result))


def test_nothing_believable_is_said_so() -> None:
    cell = made.cell("sleep", made.CORO)
    result = analysed(cell, [made.sample(made.CORO, load=None)])
    assert "no configuration gave a result" in verdict.sentence(result)
    assert columns.row_cells(result.row("coro"), columns.columns(result))[1] == "void"


def test_ratios_use_only_blocks_in_which_both_count() -> None:
    cell = made.cell("sleep", made.THREADS, made.CORO)
    samples = []
    for block in range(4):
        samples += [
            made.sample(made.THREADS, block=block, rps=3000),
            made.sample(made.CORO, block=block, rps=9000 if block != 2 else 3000),
        ]
    samples[4].pids_changed = True  # threads in block 2
    result = analysed(cell, samples)
    found = result.compare(result.row("coro"), result.row("threads(64)"), analysis.RPS)
    assert found is not None and found.n == 3
    assert found.low == pytest.approx(3.0, rel=1e-3) == found.high


CEILINGS = [
    # workload, connections, configuration, compute, floor -> rps, kind
    ("sleep", 256, made.THREADS, None, None, 3200, "pool"),
    ("sleep", 16, made.THREADS, None, None, 800, "connections"),
    ("sleep", 256, made.CORO, None, None, 12_800, "connections"),
    ("cpu", 16, made.CORO, 500.0, None, 2000, "cores"),
    ("cpu", 16, made.SHARED, 500.0, None, 4000, "cores"),
    ("hello", 64, made.CORO, None, 8.0, 125_000, "floor"),
    ("mix", 256, made.THREADS, 125.0, None, 64 / 0.020125, "pool"),
    ("mix", 256, made.CORO, 125.0, None, 8000, "cores"),
    ("block", 64, made.CORO, None, None, 200, "loop"),
    ("block", 64, made.THREADS, None, None, 64 / 0.005, "connections"),
    ("block-offload", 64, made.CORO, None, None, 800, "helpers"),
    ("fanout", 64, made.CORO, None, None, 64 / 0.005, "connections"),
    ("fanout", 64, made.THREADS, None, None, 64 / 0.05, "connections"),
    ("stream", 64, made.CORO, None, None, 64 / 0.020, "connections"),
    ("files-1k", 64, made.CORO, 12.5, None, 80_000, "best"),
    ("json", 64, made.CORO, None, 8.0, 125_000, "floor"),
]


@pytest.mark.parametrize("workload, connections, configuration, compute, floor, rps, kind", CEILINGS)
def test_the_lowest_ceiling_counts(
    workload: str, connections: int, configuration: Any, compute: Any, floor: Any, rps: Any, kind: str
) -> None:
    found, *_ = ceilings.for_configuration(
        WORKLOADS[workload], connections, configuration, Measured(compute, floor)
    )
    assert found.rps == pytest.approx(rps)
    assert found.kind == kind
    assert f"{rps:,.0f}/s" in found.formula


def test_no_waits_at_all_are_no_ceiling() -> None:
    found = ceilings.of_waits(with_query(WORKLOADS["fanout"], "n=0&ms=5"), 64, made.THREADS)
    assert found == []


@pytest.mark.parametrize(
    "rps, seconds, connecting_s", [(64 * 49.5, 1.0, 0.0), (64 * 49.5 / 1.3, 1.3, 0.3)]
)
def test_the_share_counts_what_a_window_can_show(rps: float, seconds: float, connecting_s: float) -> None:
    """64 workers that answer every 20 ms: in a second 49 or 50 answers of each, 49.5 at an average."""
    load = {"seconds": seconds, "connecting_s": connecting_s}
    sample = made.sample(made.THREADS, rps=rps, load_fields=load)
    row = analysis.analyse(made.cell("sleep", made.THREADS), [sample]).rows[0]
    assert row.ceiling.rps == pytest.approx(3200) and row.share == pytest.approx(1.0)
    assert ceilings.in_window(20, 1.3, 1.29) == 1.0  # no window to speak of


def test_a_window_shows_all_of_what_cores_allow() -> None:
    load = {"seconds": 1.0, "connecting_s": 0.0}
    sample = made.sample(made.CORO, "mix", rps=8000.0, load_fields=load, single_cpu_us=125.0)
    row = analysis.analyse(made.cell("mix", made.CORO), [sample]).rows[0]
    assert row.ceiling.kind == "cores" and row.share == pytest.approx(1.0)


def files_result(alone_us: float, workload: str = "files-1k", coro_us: float = 15.0) -> Any:
    """Full cores: coro answers 66,667/s at 15 µs each, threads 50,000/s at 20 µs."""
    cell = made.cell(workload, made.THREADS, made.CORO, connections=64)
    samples = [
        made.sample(
            each, workload, block, 1e6 / cost, cost, 64, {"cpu_share": 0.99}, single_cpu_us=alone_us
        )
        for block in range(3)
        for each, cost in ((made.THREADS, 20.0), (made.CORO, coro_us))
    ]
    return analysed(cell, samples)


@pytest.mark.parametrize("alone_us, coro, formula", [
    (48.4, 1.0, "1 core/15 µs at best = 66,667/s"),  # alone it is mostly waking up
    (12.0, 0.8, "1 core/12 µs at best = 83,333/s"),
])  # fmt: skip
def test_what_a_file_costs_at_best_is_the_ceiling_of_files(
    alone_us: float, coro: float, formula: str
) -> None:
    result = files_result(alone_us)
    row = result.row("coro")
    assert row.share == pytest.approx(coro) and row.ceiling.formula == formula
    assert result.row("threads(64)").share == pytest.approx(coro * 15 / 20)
    assert not any("ceiling is wrong" in note for note in verdict.notes(result))


def test_a_ceiling_that_is_exceeded_is_said_to_be_wrong() -> None:
    """Computing has no such escape: 0.6 ms alone, and 2,000/s on one core, cannot both be."""
    notes = verdict.notes(files_result(600.0, "cpu", 500.0))
    assert "the ceiling is wrong, as it was exceeded: threads(64) 3000 %, coro 120 %" in notes


def test_without_a_floor_hello_has_no_ceiling() -> None:
    assert ceilings.for_configuration(WORKLOADS["hello"], 64, made.CORO, Measured()) == []
    row = analysis.analyse(made.cell("hello", made.CORO), [made.sample(made.CORO, "hello")]).rows[0]
    assert row.share is None and row.ceiling.rps is None


LIMITERS = [
    # configuration, ceiling kind, per mille of it, server cores, wrk's share -> limiter
    (made.CORO, "floor", 500, 0.80, 0.97, "wrk"),
    (made.THREADS, "pool", 980, 0.10, 0.20, "pool size"),
    (made.CORO, "connections", 970, 0.40, 0.20, "connections"),
    (made.CORO, "connections", 600, 0.99, 0.20, "one loop's core"),
    (made.THREADS, "cores", 990, 0.99, 0.20, "server CPU"),
    (made.SHARED, "cores", 900, 1.50, 0.20, "CPU shared with wrk"),
    (made.SHARED, "connections", 990, 0.50, 0.20, "connections"),
    (made.CORO, "connections", 600, 0.50, 0.20, "round trips"),
    (made.CORO, "loop", 980, 0.10, 0.20, "the loop is held"),
    (made.CORO, "helpers", 980, 0.10, 0.20, "helper threads"),
]


@pytest.mark.parametrize("configuration, kind, rps, cores, wrk_share, expected", LIMITERS)
def test_the_limiter_is_what_was_used_up(
    configuration: Any, kind: str, rps: float, cores: float, wrk_share: float, expected: str
) -> None:
    ceiling = ceilings.Ceiling(1000.0, kind, "")
    found = ceilings.limiter(
        WORKLOADS["sleep"], configuration, ceiling, rps / 1000, cores, wrk_share,
        load_cores=wrk_share * len(configuration.load_cpus),
    )  # fmt: skip
    assert found == expected


def test_windows_of_different_lengths_do_not_decide() -> None:
    """Both answer 3,200/s once all wait; in a short window the beginning weighs more."""
    samples = []
    for block in range(10):
        for configuration, seconds in ((made.THREADS, 2.0), (made.CORO, 1.0)):
            rate = 3200 * (seconds - 0.02 - 0.01) / seconds
            load = {"seconds": seconds, "connecting_s": 0.02}
            samples.append(made.sample(
                configuration, block=block, rps=rate, connections=64, load_fields=load
            ))  # fmt: skip
    result = analysed(made.cell("sleep", made.THREADS, made.CORO, connections=64), samples)
    assert [row.void_reasons for row in result.rows] == [(), ()]
    found = result.compare(result.row("coro"), result.row("threads(64)"), analysis.RPS)
    assert found is not None and found.ratio == pytest.approx(1.0)


def test_a_note_says_how_much_of_a_core_other_programs_took() -> None:
    samples = []
    for block in range(10):
        samples.append(made.sample(made.THREADS, block=block, rps=3100.0, others_cores=0.01))
        samples.append(made.sample(made.PREFORK, block=block, rps=2900.0, others_cores=0.09))
    result = analysed(made.cell("sleep", made.THREADS, made.PREFORK), samples)
    assert "other programs had of a core, in the median: beside prefork(64) 9 %" in verdict.notes(result)


def test_the_terminal_table_lines_up_and_fits() -> None:
    results = [hello_result(), sleep_result()]
    plan = made.plan(tuple(r.cell for r in results))
    wide = table.render_text(plan, results)
    assert "coro(2)*" in wide and "share cores 0 and 1" in wide
    assert "noise: coro against itself (hello, CPU per request): 0.99" in wide
    for width in (110, 80):
        for line in table.render_text(plan, results, width).splitlines():
            assert len(line) <= width, line
    narrow = table.render_text(plan, results, 80)
    assert "memory  " not in narrow and "CPU µs" in narrow


def test_markdown_has_every_column_and_row() -> None:
    results = [sleep_result()]
    text = table.render_markdown(made.plan((results[0].cell,)), results, "Run x", "how")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert {line.count("|") for line in rows} == {len(columns.columns(results[0])) + 2}
    assert "**sleep, 256 connections: requests/s (95 % of 3 blocks): coro 3.98 × threads(64)" in text


@pytest.mark.parametrize(
    "us, text", [(None, "–"), (245.4, "245 µs"), (20_100, "20.1 ms"), (1_500_000, "1.5 s")]
)
def test_durations_are_readable(us: Any, text: str) -> None:
    assert words.duration_text(us) == text


def test_the_line_below_a_table_says_how_sure_its_ratios_are() -> None:
    assert "none is decided" in table.interval_line(1) and "2 blocks:" in table.interval_line(2)
    assert "n = 3 blocks" in table.interval_line(3) and "95 % intervals" in table.interval_line(10)
    assert "of 20 pairs of equals one" in table.interval_line(10)


def test_steps_of_one_comparison_are_no_rows_of_the_overview() -> None:
    cell = Cell(idle_files(16), 4, (made.CORO,))
    samples = [made.sample(made.CORO, cell.workload.name, connections=4)]
    limited = analysis.analyse(cell, samples)
    shown = [row[0] for row in overview.rows([sleep_result(), limited])[1:]]
    assert shown == ["sleep"]


def floor_cell(connections: int, floor_us: float, floor_rps: float) -> tuple[Any, list[Any]]:
    cell = made.cell("hello", made.CORO, made.FLOOR, connections=connections)
    samples = [
        made.sample(c, "hello", rps=rps, cpu_us=us, connections=connections)
        for c, rps, us in ((made.CORO, 100_000.0, 6.0), (made.FLOOR, floor_rps, floor_us))
    ]
    return cell, samples


def test_a_floor_that_sleeps_between_requests_is_no_ceiling() -> None:
    few, few_samples = floor_cell(4, 9.5, 46_000.0)  # 44 % of a core
    many, many_samples = floor_cell(64, 4.0, 190_000.0)
    every = few_samples + many_samples
    for cell in (few, many):
        row = analysis.analyse(cell, every).row("coro")
        assert row and row.ceiling.rps == pytest.approx(250_000)
    alone = analysis.analyse(few, few_samples).row("coro")  # nothing better is known
    assert alone and alone.ceiling.rps == pytest.approx(1e6 / 9.5)
    costly, costly_samples = floor_cell(4096, 5.2, 150_000.0)  # busy: its own cell's
    row = analysis.analyse(costly, every + costly_samples).row("coro")
    assert row and row.ceiling.rps == pytest.approx(1e6 / 5.2)
