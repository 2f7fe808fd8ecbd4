# SPDX-License-Identifier: MIT
"""The ladder: what its preset runs, its table, and the page that shows it."""

import json
import re
from pathlib import Path
from typing import Sequence

import made
import made_run
import pytest
from lab.ask import plan, presets
from lab.ask.plan import PEERS, Cell
from lab.ask.presets import Maker
from lab.ask.workloads import WORKLOADS
from lab.server import peers
from lab.judge import claims, conclusions, ladder
from lab.judge.analysis import CellResult
from lab.show import reading
from lab.programs import results as pages

TWO = plan.Cores((0,), (1,))


def cells(names: Sequence[str] = (), cores: plan.Cores = TWO) -> list[Cell]:
    found = presets.ladder(Maker(cores, peers.configurations(names, cores))).cells
    assert len({cell.name for cell in found}) == len(found)
    return list(found)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_every_rung_is_in_every_cell_with_as_many_workers_as_connections(cores: int) -> None:
    found = {cell.workload.name: cell for cell in cells(cores=plan.split_cores(range(cores)))}
    names = {name for name, _ in ladder.COLUMNS}
    assert set(found) == names
    for name in names - {"skew", "unequal", "idle"}:
        cell = found[name]
        models = [c for c in cell.configurations if not c.floor]
        assert [claims.rung(c) for c in models] == list(presets.LADDER)
        assert {c.server_cpus for c in models} == {plan.split_cores(range(cores)).server}
        needed = cell.connections + cell.workload.slow_connections + cell.workload.parked
        assert all(c.workers == needed for c in models if c.pooled)
    for name in ("skew", "unequal"):  # two workers, on as many cores as there are
        assert {c.workers for c in found[name].configurations} == {2}
        assert {len(c.server_cpus) for c in found[name].configurations} == {min(cores, max(2, cores // 2))}


def drawn(names: Sequence[str] = ()) -> list[CellResult]:
    return made_run.run(cells(names), preset="ladder").results()


def test_the_table_has_a_row_for_each_rung_and_who_is_built_so_below_it() -> None:
    head, *rows = ladder.table(drawn(PEERS))
    assert len(head) == 2 + len(ladder.COLUMNS)
    named = [row[1] for row in rows]
    assert [name for name in named if name in presets.LADDER] == list(presets.LADDER)
    assert set(named) == {*presets.LADDER, *presets.LADDER_PEERS}
    for peer, rung in presets.LADDER_PEERS.items():
        at = named.index(peer)
        assert rows[at][0] == rows[named.index(rung)][0] and named.index(rung) < at
    assert rows[1][0] == "a process, made anew, for a connection"
    assert rows[named.index("coro:N")][0] == "a coroutine, made before, for a request, N loops in processes"


def test_a_column_says_who_is_best_who_is_equal_and_what_is_undecided() -> None:
    figures: made.Figures = {}
    for label, cpu in (("prefork:2", 30.0), ("threads:2", 10.0), ("coro", 10.1), ("coro+connection", 20.0)):
        (configuration,) = plan.parse_models(label, [2], TWO)
        figures[configuration] = {"cpu_us": cpu}
    figures[plan.parse_models("threads:2+none", [2], TWO)[0]] = {"cpu_us": 10.0, "pids_changed": True}
    found = made.result(WORKLOADS["hello"], 256, figures)
    assert dict(row[1:] for row in ladder.table([found])[1:]) == {
        "prefork": "30.0 µs", "threads": "10.0 µs best", "coro": "10.1 µs =", "coro+connection": "20.0 µs",
        "threads+none": "void",
    }  # fmt: skip
    few = made.result(WORKLOADS["hello"], 256, figures, blocks=2)
    assert ["prefork", "30.0 µs ?"] in [row[1:] for row in ladder.table([few])]


def test_its_claims_are_drawn_and_read_back() -> None:
    run = made_run.run(cells(), preset="ladder")
    data, lines = conclusions.draw(run.plan, run.results())
    assert set(data["claims"]) == set(ladder.CLAIMS)
    assert not any("not measured" in line for line in lines)
    again = reading.from_json(json.loads(json.dumps(made_run.as_json(run))))
    assert again.conclusion_lines == lines and again.results() == run.results()


def test_the_page_shows_the_newest_such_run(tmp_path: Path) -> None:
    page = tmp_path / pages.LADDER
    page.write_text(f"text\n{pages.BEGIN}\n{pages.END}\n")
    assert "scripts/bench --ladder" in pages.generated(tmp_path)[page]
    run = made_run.run(cells(["apache-worker"]), preset="ladder")
    folder = tmp_path / f"20260101T000000Z-{pages.LADDER_REFERENCE}"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(made_run.as_json(run)))
    text = pages.generated(tmp_path)[page]
    assert "| a thread, made before, for a connection | apache-worker | " in text
    assert f"]({folder.name}/report.html)" in text
    assert re.search(r"^- (PASS|FAIL|VOID) 9 workers made before", text, re.MULTILINE)
