# SPDX-License-Identifier: MIT
"""What scripts/claims concludes from given measurements: every verdict, and where it is decided."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Sequence

import made
import pytest
from lab.machine.errors import LabError
from lab.ask import plan
from lab.measure import contexts
from lab.judge import analysis, claims, gates
from lab.judge.analysis import CellResult
from lab.judge.goals import Judged
from lab.judge.stats import Comparison
from lab.show import document
from lab.programs import budget, claims as program, options as choosing
from lab.programs.run import write

CORES = plan.Cores((0,), (1,))
BLOCKS = 6
EVERY = tuple(claims.CLAIMS)
SWITCHES = {"switch_process": 2000.0, "switch_thread": 1500.0, "pipe_calls": 500.0,
            "park_resume": 8.0, "switch": 2.0, "others_cores": 0.0}  # fmt: skip
MEMORY = {"process_idle": 80e3, "thread_idle": 30e3, "process": 90e3, "thread": 40e3,
          "coroutine": 16e3}  # fmt: skip
COMPUTED = {
    "prefork(1)": 1000.0, "prefork(2)": 1950.0, "threads(1)": 1000.0, "threads(2)": 1900.0,
    "threads(2)+gil": 980.0, "coro": 1000.0, "coro pinned": 1000.0, "coro(2)": 1950.0,
}  # fmt: skip


def results(
    figures: dict[str, dict[str, Any]], asked: Sequence[str] = EVERY, blocks: int = BLOCKS
) -> list[CellResult]:
    """figures: what samples have, by WORKLOAD/CONFIGURATION, else by CONFIGURATION."""
    found = []
    for cell in claims.cells(CORES, asked):
        samples = []
        for block in range(blocks):
            for configuration in cell.configurations:
                fields = dict(figures.get(configuration.label, {}))
                fields.update(figures.get(f"{cell.workload.name}/{configuration.label}", {}))
                # The machine drifts, but for all of a block alike.
                drift = 1 + 0.1 * (block % 3) if cell.workload == claims.COMPUTE else 1.0
                fields = {"threads": 1, **fields, "rps": fields.get("rps", 1000.0) * drift}
                samples.append(
                    made.sample(configuration, cell.workload.name, block,
                                connections=cell.connections, **fields)
                )  # fmt: skip
        found.append(analysis.analyse(cell, samples))
    return found


def measured(**fields: Any) -> claims.Measured:
    base: dict[str, Any] = dict(
        results=[], switches=[SWITCHES] * BLOCKS, memory=[MEMORY] * BLOCKS, why={}, cores=CORES
    )
    return claims.Measured(**{**base, **fields})


def with_rates(
    changed: dict[str, float] | None = None, sleep_rps: float = 3100.0, fanout_rps: float = 49.0,
    **fields: Any,
) -> list[CellResult]:  # fmt: skip
    """changed: of COMPUTED. fields: of what waits."""
    figures: dict[str, dict[str, Any]] = {
        f"cpu?n=1000/{label}": {"rps": rps} for label, rps in {**COMPUTED, **(changed or {})}.items()
    }
    figures["sleep?ms=20/coro"] = {"rps": sleep_rps, **fields}
    figures["fanout?n=10&ms=20/coro"] = {"rps": fanout_rps, **fields}
    return results(figures, ("1", "4", "5", "6", "7"))


def state(number: str, found: claims.Measured) -> str:
    (claim,) = claims.judge([number], found)
    assert claim.number == number
    return claim.state


def test_a_claim_fails_with_any_part_and_is_void_before_it_passes() -> None:
    good, bad, none = (
        Judged("x", found, 1.8, True, "")
        for found in (Comparison(2, 1.9, 2, 6), Comparison(1, 1, 1, 6), None)
    )
    assert claims.combine([good, good]) == "PASS"
    assert claims.combine([good, none]) == "VOID"
    assert claims.combine([none, bad]) == "FAIL"
    assert claims.combine([]) == "VOID"


@pytest.mark.parametrize("number", ["1", "4", "5", "7"])
def test_computing_as_claimed(number: str) -> None:
    assert state(number, measured(results=with_rates())) == "PASS"


@pytest.mark.parametrize(
    "number, label, rps",
    [
        ("1", "prefork(2)", 1500.0),
        ("4", "threads(2)+gil", 1500.0),
        ("4", "threads(2)", 1500.0),
        ("5", "coro pinned", 600.0),
        ("7", "coro(2)", 1100.0),
    ],
)
def test_computing_otherwise(number: str, label: str, rps: float) -> None:
    assert state(number, measured(results=with_rates({label: rps}))) == "FAIL"


def test_one_core_decides_nothing_about_several() -> None:
    lone = plan.Cores((0,), (0,))
    assert claims.cells(lone, ("1", "4", "7")) == []
    for number in ("1", "4", "7"):
        (claim,) = claims.judge([number], measured(cores=lone))
        assert claim.state == "VOID" and "it takes two cores" in str(claim.parts[0])


def test_cells_are_those_of_the_claims_asked_for_and_never_two_of_one_name() -> None:
    for n in (2, 4, 8):
        cores = plan.split_cores(range(n))
        found = claims.cells(cores, EVERY)
        assert len({cell.name for cell in found}) == len(found) == 7 + len(claims.NAMES)
        for cell in found:
            assert len({c.label for c in cell.configurations}) == len(cell.configurations)
        pool = claims.cells(cores, ("1",))[0].configurations[1]
        assert pool.workers == len(pool.server_cpus) == max(2, n // 2)
    labels = [c.label for c in claims.cells(CORES, ("1", "7"))[0].configurations]
    assert labels == ["prefork(1)", "prefork(2)", "coro", "coro(2)"]
    assert claims.cells(CORES, ("2", "3")) == []


def test_the_company_of_other_programs_voids_nothing() -> None:
    cell = claims.cells(CORES, ("1",))[0]
    run = document.Run(made.plan((cell,)), {}, "scripts/claims", "")
    for block in range(BLOCKS):
        for c in cell.configurations:
            rps = COMPUTED[c.label]
            sample = made.sample(c, cell.workload.name, block, rps, connections=cell.connections,
                                 others_cores=0.5, steal_s=1.0)  # fmt: skip
            sample.gates = gates.check(sample, cell.workload, c)
            run.samples.append(sample)
    assert state("1", measured(results=run.results())) == "PASS"


@pytest.mark.parametrize(
    "changed, wanted",
    [
        ({}, "PASS"),
        ({"switch_process": 1500.0}, "FAIL"),  # level is not more
        ({"switch_process": 1200.0}, "FAIL"),
        ({"switch_thread": 503.0}, "FAIL"),  # its calls taken off, cheaper than a coroutine's
        ({"switch_thread": 400.0, "pipe_calls": 300.0}, "PASS"),
    ],
)
def test_switches(changed: dict[str, float], wanted: str) -> None:
    rounds = [{**SWITCHES, **changed}] * BLOCKS
    assert state("2", measured(switches=rounds)) == wanted


def test_switches_that_vary_on_both_sides_decide_nothing() -> None:
    rounds = [{**SWITCHES, "switch_process": 1500.0 * f} for f in (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)]
    assert state("2", measured(switches=rounds)) == "VOID"


def test_rounds_beside_other_programs_count() -> None:
    rounds = [{**SWITCHES, "others_cores": each} for each in (0.0, 0.5, 0.9, 0.0, 1.0, 0.7)]
    (claim,) = claims.judge(["2"], measured(switches=rounds))
    assert claim.state == "PASS" and "6 blocks" in str(claim.parts[0])


def test_switches_that_could_not_be_measured() -> None:
    (claim,) = claims.judge(["2"], measured(switches=[], why={"2": "no compiler"}))
    assert claim.state == "VOID" and "no compiler" in claim.lines("there")[1]


@pytest.mark.parametrize(
    "changed, wanted",
    [
        ({}, "PASS"),
        ({"process_idle": 30e3}, "FAIL"),
        ({"process": 40e3}, "FAIL"),
        ({"coroutine": 50e3}, "FAIL"),
    ],
)
def test_memory(changed: dict[str, float], wanted: str) -> None:
    assert state("3", measured(memory=[{**MEMORY, **changed}] * BLOCKS)) == wanted
    lines = claims.judge(["3"], measured())[0].lines("there")
    assert "88 KB × 39 KB" in lines[2] and lines[-1].endswith("there/claims.json, memory")


@pytest.mark.parametrize(
    "ends, suspended",
    [
        ([1.5, 1.6, 2.2], True),
        ([1.5, 2.3], False),  # one began after the reading did
        ([0.79, 1.6], False),  # one ended before the reading did
    ],
)
def test_a_reading_is_of_suspended_requests_only(
    monkeypatch: pytest.MonkeyPatch, ends: list[float], suspended: bool
) -> None:
    """Requests of 1.5 s, sent at 0, and a reading from 0.75 to 0.8 s, by a clock of the test's."""
    now, left = 0.0, iter(ends)

    def pass_s(seconds: float) -> None:
        nonlocal now
        now += seconds

    def memory() -> tuple[int, int]:
        pass_s(0.05)
        return 60, 4

    class Stub:
        def __init__(self, *_: Any) -> None:
            self._end = next(left)

        def __enter__(self) -> "Stub":
            return self

        def __exit__(self, *_: Any) -> None:
            pass

        def send(self, target: str) -> None:
            assert target == "/sleep?ms=1500"

        def ended(self) -> bool:
            return now >= self._end

        def receive(self, target: str) -> Any:
            pass_s(max(0.0, self._end - now))
            return SimpleNamespace(status=200)

    monkeypatch.setattr(contexts, "Client", Stub)
    def readable(clients: list[Stub], *_: Any) -> Any:
        return [client for client in clients if client.ended()], [], []

    monkeypatch.setattr(contexts, "select", SimpleNamespace(select=readable))
    monkeypatch.setattr(contexts, "time", SimpleNamespace(monotonic=lambda: now, sleep=pass_s))
    server: Any = SimpleNamespace(port=1, memory=memory)
    assert contexts._hold(server, len(ends)) == (64 if suspended else None)


def waits(**fields: Any) -> claims.Measured:
    return measured(results=with_rates(**fields))


def test_waits_together() -> None:
    assert state("6", waits()) == "PASS"
    assert state("5", waits()) == "PASS"
    assert state("6", waits(sleep_rps=2500.0)) == "FAIL"  # 64 waits take 25.6 ms
    assert state("5", waits(sleep_rps=2500.0)) == "FAIL"  # 78 % of 64 are in progress
    assert state("6", waits(fanout_rps=5.0)) == "FAIL"  # ten waits after one another
    assert state("6", measured()) == "VOID"
    assert state("6", waits(gates=["3 read errors"])) == "VOID"


def test_concurrent_in_two_threads_proves_nothing() -> None:
    (claim,) = claims.judge(["5"], waits(threads=2))
    assert claim.state == "VOID" and "one thread" in str(claim.parts[0])


# --- claim 8 -------------------------------------------------------------------------------

LABELS = ("prefork(16)", "prefork(256)", "threads(16)", "threads(256)", "coro(2)")


def ranked(
    workload: str, figures: dict[str, dict[str, Any]], blocks: int = BLOCKS
) -> tuple[tuple[str, ...], str]:
    (result,) = [r for r in results(figures, ("8",), blocks) if r.cell.workload.name == workload]
    return claims.rank(result)


def rates(*values: float) -> dict[str, dict[str, Any]]:
    return {label: {"rps": value} for label, value in zip(LABELS, values)}


def test_each_model_enters_with_its_better_pool() -> None:
    tops, line = ranked("sleep", rates(800, 9000, 800, 12_000, 9000))
    assert tops == ("threads",)
    assert line.startswith("sleep          NOT best  threads(256) at 12,000 requests/s; ")
    assert "threads(256) 1.33 × prefork(256) [1.33, 1.33], 1.33 × coro(2) [1.33, 1.33]" in line


def test_ties_are_named() -> None:
    tops, line = ranked("sleep", rates(800, 9000, 800, 12_000, 11_950))
    assert tops == ("threads", "coro") and " level " in line
    assert "threads(256) and coro(2) at 12,000 requests/s (75.2 MB and 800 KB)" in line
    assert "× prefork(256)" in line and "equal to coro(2) within ±3 %" in line


def test_cpu_where_wrk_is_the_limit_and_less_of_it_is_better() -> None:
    figures = {label: {"cpu_us": cpu} for label, cpu in zip(LABELS, (12.0, 13.0, 11.0, 12.0, 8.0))}
    tops, line = ranked("hello", figures)
    assert tops == ("coro",) and " best " in line and "coro(2) at 8.0 µs CPU per request" in line
    assert "0.73 × threads(16) [0.73, 0.73]" in line


def test_the_percentile_beside_slow_requests() -> None:
    def slow(p99_ms: float | None) -> dict[str, Any]:
        p99 = None if p99_ms is None else p99_ms * 1e3
        return {"load_fields": {"percentiles_us": {"p50": 1.0, "p90": 1.0, "p99": p99, "p999": 1.0}}}

    good = dict(zip(LABELS, map(slow, (9, 5, 9, 6, 30))))
    tops, line = ranked("interference", good)
    assert tops == ("prefork",) and "prefork(256) at 5 ms p99" in line
    tops, line = ranked("interference", {**good, "coro(2)": slow(None)})
    assert tops == () and "void      coro: too few samples" in line


def crash(*lost: float, blocks: int = BLOCKS) -> tuple[str, ...]:
    tops, _ = ranked("crash", {label: {"extras": {"lost": n}} for label, n in zip(LABELS, lost)}, blocks)
    return tops


def test_requests_lost_to_a_crash() -> None:
    assert crash(1, 1, 16, 32, 16) == ("prefork",)
    assert crash(0, 1, 16, 32, 16) == ("prefork",)
    assert crash(0, 0, 0, 0, 0) == ("prefork", "threads", "coro")
    assert crash(1, 1, 1, 1, 0) == ("coro",)
    assert crash(1, 1, 1, 1, 0, blocks=2) == ()


def test_a_model_that_cannot_be_believed_leaves_its_workload_undecided() -> None:
    figures = rates(800, 9000, 800, 12_000, 9000)
    figures["prefork(16)"]["gates"] = figures["prefork(256)"]["gates"] = ["3 read errors"]
    tops, line = ranked("sleep", figures)
    assert tops == () and "void      prefork(16): 3 read errors" in line


def against_stealing(better: dict[str, float], gates_of: Sequence[str] = ()) -> claims.Claim:
    """By workload, how many times better stealing is; 1 where nothing is said."""
    figures: dict[str, dict[str, Any]] = {}
    for workload in (*claims.NAMES, *claims.UNEVEN):
        for label, times in (("coro(2)", 1.0), ("stealing(2)", better.get(workload, 1.0))):
            percentiles = {"p50": 1.0, "p90": 1.0, "p99": 2e3 / times, "p999": 1.0}
            figures[f"{workload}/{label}"] = {
                "rps": 1000 * times, "cpu_us": 20 / times, "extras": {"lost": 1000 / times},
                "load_fields": {"percentiles_us": percentiles},
                "gates": ["3 read errors"] if workload in gates_of else [],
            }  # fmt: skip
    (claim,) = claims.judge(["11"], measured(results=results(figures, ("8", "11"))))
    return claim


def test_loops_in_processes_against_threads_that_steal() -> None:
    claim = against_stealing({})
    assert claim.state == "PASS", "level with the other everywhere is as good"
    assert claim.table[-1] == "as good in 13 of the 13 workloads that decide it"
    assert "hello: coro(2) × stealing(2), CPU per request: 1.00 [1.00, 1.00]" in str(claim.parts[0])
    claim = against_stealing({"skew": 10.0, "hello": 1.05, "sleep": 0.5})
    assert claim.state == "PASS", "level or ahead in all but one"
    assert claim.table[-1] == "as good in 12 of the 13 workloads that decide it; behind in skew"
    half = dict.fromkeys(claims.NAMES[:7], 1.5)
    assert against_stealing(half).state == "FAIL" and "as good in 6 of the 13 " in against_stealing(half).table[-1]
    assert against_stealing({}, claims.NAMES[:6]).state == "PASS"
    claim = against_stealing({}, claims.NAMES[:7])
    assert claim.state == "VOID" and "not known in hello, cpu, " in claim.table[-1]
    assert "3 read errors" in str(claim.parts[0])
    assert claims.judge(["11"], measured())[0].state == "VOID"


def test_who_contends_in_other_claims_changes_nothing_in_claim_8() -> None:
    fast = {"stealing(2)": {"rps": 1e6, "cpu_us": 0.1}, "coro(2)": {"rps": 1500.0}}
    alone, beside = (claims.judge(["8"], measured(results=results(fast, asked))) for asked in (("8",), EVERY))
    assert alone == beside


# --- claims 9, 10 and 12 ---------------------------------------------------------------------


def rungs(changed: dict[str, float]) -> claims.Measured:
    """By WORKLOAD/CONFIGURATION, in the figure that is compared there."""
    values = {f"close/{m}(64)+none{d}": 90.0 for m in ("prefork", "threads") for d in ("", "+connection")}
    values |= {"idle:500/prefork(504)+none+connection": 3e5, "idle:500/threads(504)+none+connection": 4e4}
    values |= {"idle:500/coro+connection": 9e3, "skew/coro(2)": 15e3, "skew/stealing(2)": 1e3}
    values |= {"unequal/coro(2)": 3e3, "unequal/stealing(2)": 2e3, "hello/stealing(2)": 21.0}
    figures: dict[str, dict[str, Any]] = {}
    for place, value in {**values, **changed}.items():
        percentiles = {"p50": 1.0, "p90": 1.0, "p99": value, "p999": 1.0}
        if place.startswith("idle"):
            figures[place] = {"extras": {"bytes_a_connection": value}}
        elif place.startswith(claims.UNEVEN):
            figures[place] = {"load_fields": {"percentiles_us": percentiles}}
        else:
            figures[place] = {"cpu_us": value}
    return measured(results=results(figures, ("9", "10", "12")))


@pytest.mark.parametrize(
    "changed, failed",
    [
        ({}, ""),
        ({"close/threads(64)+none+connection": 20.0}, "9"),
        ({"idle:500/threads(504)+none+connection": 9e3}, "10"),
        ({"skew/stealing(2)": 9e3}, "12"),
        ({"unequal/stealing(2)": 3e3}, "12"),
        ({"cpu/stealing(2)": 23.0}, "12"),
    ],
)
def test_rungs_of_the_ladder(changed: dict[str, float], failed: str) -> None:
    found = rungs(changed)
    for number in ("9", "10", "12"):
        assert state(number, found) == ("FAIL" if number == failed else "PASS")
        assert state(number, measured()) == "VOID"


def eight(winners: dict[str, str], gates_of: Sequence[str] = (), blocks: int = BLOCKS) -> claims.Claim:
    """By workload: the model that is ahead of the others by half, or none, for a tie."""
    figures: dict[str, dict[str, Any]] = {}
    for workload in claims.NAMES:
        for label in LABELS:
            model = label.split("(")[0]
            ahead = winners.get(workload) == model
            p99 = 1e3 if ahead else 2e3
            figures[f"{workload}/{label}"] = {
                "rps": 1500.0 if ahead else 1000.0,
                "cpu_us": 10.0 if ahead else 20.0,
                "extras": {"lost": 1 if ahead else 2},
                "load_fields": {
                    "percentiles_us": {"p50": 1.0, "p90": 1.0, "p99": p99, "p999": 1.0}
                },
                "gates": ["3 read errors"] if workload in gates_of else [],
            }
    (claim,) = claims.judge(["8"], measured(results=results(figures, ("8",), blocks)))
    return claim


def test_usually_the_best() -> None:
    every = dict.fromkeys(claims.NAMES, "coro")
    assert eight(every).state == "PASS"
    assert "best in 11 of 11 workloads" in eight(every).table[-1]
    most = {**every, **dict.fromkeys(claims.NAMES[:5], "threads")}
    assert eight(most).state == "PASS"
    assert "best in 6 of 11 workloads, level with the best in 0, behind in 5" in eight(most).table[-1]


def test_not_usually_the_best() -> None:
    few = {**dict.fromkeys(claims.NAMES, "threads"), "sleep": "coro"}
    assert eight(few).state == "FAIL"
    third = {n: ("coro", "threads", "prefork")[at % 3] for at, n in enumerate(claims.NAMES)}
    assert eight(third | {claims.NAMES[1]: "coro"}).state == "FAIL"  # most often, but not in most
    assert eight({}).state == "FAIL"  # level with all others everywhere is not the best
    even = {name: ("coro", "threads")[at] for at, name in enumerate(claims.NAMES[:2])}
    assert eight(even).state == "FAIL"  # alone at the top no more often than threads


def test_too_few_workloads_decide_nothing() -> None:
    claim = eight(dict.fromkeys(claims.NAMES, "coro"), gates_of=claims.NAMES[:6])
    assert claim.state == "VOID" and "only 5 of 11" in claim.table[-1]
    assert eight(dict.fromkeys(claims.NAMES, "coro"), gates_of=claims.NAMES[:5]).state == "PASS"


@pytest.mark.parametrize("blocks", [1, 2])
def test_too_few_blocks_decide_nothing(blocks: int) -> None:
    claim = eight(dict.fromkeys(claims.NAMES, "coro"), blocks=blocks)
    assert claim.state == "VOID" and "only 0 of 11 workloads decide it" in claim.table[-1]
    assert claim.table[0] == "hello          void      undecided: it takes 3 blocks that can be believed"


# --- what is printed and written ------------------------------------------------------------


def test_the_document_holds_each_claim_with_its_figures(tmp_path: Path) -> None:
    cells = tuple(claims.cells(CORES, ("1",)))
    run = document.Run(made.plan(cells), {"kernel": "1"}, "scripts/claims", "2026-01-01T00:00:00Z")
    for block in range(BLOCKS):
        for c in cells[0].configurations:
            sample = made.sample(c, cells[0].workload.name, block, COMPUTED[c.label],
                                 connections=cells[0].connections)  # fmt: skip
            sample.gates = gates.check(sample, cells[0].workload, c)
            run.samples.append(sample)
    run.complete = True
    found = measured(results=run.results())
    said = program.conclude(run, found, ("1", "2", "3"), "there")
    folder = tmp_path / "x-claims"
    write(run, found.results, folder, said.files)
    written = json.loads((folder / "claims.json").read_text())
    assert [(c["number"], c["state"]) for c in written["claims"]] == [(1, "PASS"), (2, "PASS"), (3, "PASS")]
    first = written["claims"][0]["parts"][0]
    assert first["found"]["ratio"] == pytest.approx(1.95) and first["found"]["n"] == BLOCKS
    assert first["evidence"] == "run.json, cpu?n=1000, 8 connections" and first["goal"] == 1.8
    assert written["switches"][0]["thread_net"] == 1000.0
    assert written["switches"][0]["coroutine_used"] == 4.0
    assert (folder / "run.json").exists() and written["memory"] == [MEMORY] * BLOCKS
    assert said.text.endswith("\n3 PASS, 0 FAIL, 0 VOID\n") and said.status == 0


def test_a_claim_is_printed_with_figure_interval_and_place() -> None:
    found = measured(results=with_rates())
    lines = claims.judge(["1"], found)[0].lines("results/x-claims")
    assert lines[0] == "PASS 1 a process pool uses all cores"
    assert "1.95 [1.95, 1.95] (95 % of 6 blocks), goal ≥ 1.80" in lines[1]
    assert lines[2].strip() == "evidence: results/x-claims/run.json, cpu?n=1000, 8 connections"


def claims_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(made.ROOT / "scripts/claims"), *arguments], capture_output=True, text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False,
    )  # fmt: skip


def test_help_names_every_claim_and_bad_options_are_refused() -> None:
    told = claims_program("--help")
    assert told.returncode == 0
    words = " ".join(told.stdout.split())
    for number in claims.CLAIMS:
        assert f" {number} " in words
    assert claims_program("--nonsense").returncode == 64
    for wrong in (("--only", "13"), ("--blocks", "0"), ("--duration", "0"), ("--label", "a/b")):
        refused = claims_program(*wrong, "--list")
        assert refused.returncode == 64 and len(refused.stderr.splitlines()) == 1, wrong
    listed = claims_program("--only", "1", "--list")
    assert listed.returncode == 0 and "a process pool" in listed.stdout
    assert "8 " not in listed.stdout.splitlines()[0]


def test_all_claims_take_twenty_minutes_as_the_help_says() -> None:
    options = program._parser().parse_args([])
    found = choosing.plan_of(options, "claims", claims.cells(CORES, EVERY), CORES, 0.2)
    beside_s = BLOCKS * (program.SWITCH_S + program.MEMORY_S)
    assert options.blocks == BLOCKS and budget.seconds_planned(found) + beside_s < 20 * 60


@pytest.mark.parametrize(
    "rounds, states, status",
    [
        ([SWITCHES] * BLOCKS, ["PASS"], 0),
        ([{**SWITCHES, "switch_process": 1.0}] * BLOCKS, ["FAIL"], 0),  # a finding, no error
        (None, ["VOID"], 1),
    ],
)
def test_a_failed_claim_is_no_error_and_one_not_run_is(
    rounds: list[claims.Round] | None, states: list[str], status: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def build() -> None:
        if rounds is None:
            raise LabError("bench.c could not be built")

    left = iter(rounds or ())
    monkeypatch.setattr(contexts, "build", build)
    monkeypatch.setattr(contexts, "switches", lambda *_: next(left))
    monkeypatch.setattr("lab.programs.run.find_programs", lambda *_: None)
    arguments = ["--only", "2", "--results", str(tmp_path), "--label", "test", "--seed", "1"]
    assert program.main(arguments) == status
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    written = json.loads((folder / "claims.json").read_text())
    assert [claim["state"] for claim in written["claims"]] == states
    assert ("2" in written["not_run"]) == (rounds is None) and folder.name.endswith("-test")
    assert f"{states[0]} 2 a process switch" in capsys.readouterr().out
    assert json.loads((folder / "run.json").read_text())["conclusions"]["claims"] == {"2": states[0]}
    (folder / "table.md").unlink()
    subprocess.run([made.ROOT / "scripts/report", folder], check=True)
    assert f"{states[0]} 2 a process switch" in (folder / "table.md").read_text()
