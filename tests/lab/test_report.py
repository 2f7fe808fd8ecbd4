# SPDX-License-Identifier: MIT
"""The outputs of a run: made from run.json alone, the same each time, complete, and safe to open."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import made
import made_run
import pytest
from lab.machine.errors import LabError
from lab.ask.plan import Cell, Configuration
from lab.ask.workloads import WORKLOADS
from lab.judge import analysis, stats
from lab.show import charts, columns, document, forest, overview, page, reading, schema, series
from lab.show.document import Run
from lab.programs import report, run as running
from markupsafe import escape

REPORT = str(made.ROOT / "scripts/report")
EMPTY = {"meta", "br"}  # elements of HTML that have no end


class Reader(HTMLParser):
    """Checks that elements nest and close; keeps the text of tables, ids and what is linked."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.scripts = 0
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        assert not [name for name in names if name.startswith("on")], f"<{tag}> runs something"
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href", "action", "data", "srcset"):
                self.links.append(value or "")
        self.scripts += tag == "script"
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> does not end itself in HTML"
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.rows and ("td" in self.open or "th" in self.open):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def run() -> Run:
    return made_run.run(made_run.everything(), spoilt="threads(16)", reason="one answer was 500")


@pytest.fixture(scope="module")
def files(run: Run) -> dict[str, str]:
    return report.files(run, run.results(), "a-run")


def test_a_run_read_back_is_the_run(run: Run) -> None:
    before = made_run.as_json(run)
    after = made_run.as_json(reading.from_json(before))
    for found in (before, after):
        found.pop("ended")
    assert after == before


def test_the_same_files_come_from_run_json_alone(run: Run, files: dict[str, str]) -> None:
    again = reading.from_json(made_run.as_json(run))
    assert report.files(again, again.results(), "a-run") == files


def test_the_page_is_well_formed_and_fetches_nothing(files: dict[str, str]) -> None:
    text = files["report.html"]
    reader = Reader(text)
    assert len(reader.ids) == len(set(reader.ids))
    local = {f"#{name}" for name in reader.ids}
    assert reader.links and set(reader.links) <= local
    assert set(re.findall(r"url\((.*?)\)", text)) <= local
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert reader.scripts == 1 and 'name="viewport"' in text
    assert "prefers-color-scheme:dark" in text


def test_every_row_of_every_cell_is_in_the_page_and_the_csv(
    run: Run, files: dict[str, str]
) -> None:
    rows = Reader(files["report.html"]).rows
    lines = list(csv.DictReader(io.StringIO(files["table.csv"])))
    for result in run.results():
        chosen = columns.columns(result)
        for row in result.rows:
            assert columns.row_cells(row, chosen) in rows, (result.cell.name, row.label)
            (line,) = [
                line for line in lines
                if (line["workload"], int(line["connections"]), line["configuration"])
                == (result.cell.workload.name, result.cell.connections, row.label)
            ]  # fmt: skip
            assert (line["void"] == "yes") == row.void
    assert json.loads(files["environment.json"])["kernel"] == "6.1.0"


def test_void_rows_say_why_and_ceilings_their_formula(files: dict[str, str]) -> None:
    text = files["report.html"]
    assert re.search(r'<li class="reason">! threads\(16\): void: one answer was 500', text)
    assert "64/20 ms = 3,200/s" in text
    assert "a note of the run" in text and "coro again" in text


def test_what_columns_mean_is_said_for_each(run: Run, files: dict[str, str]) -> None:
    for result in run.results():
        for column in columns.columns(result):
            assert f"<dt>{escape(column.name)}</dt><dd>{escape(column.meaning)}</dd>" in (
                files["report.html"]
            )


def test_plots_there_are(files: dict[str, str]) -> None:
    plots = {path for path in files if path.startswith("plots/")}
    for name in ("hello-throughput", "hello-p50", "hello-p99", "sleep-throughput",
                 "sleep-256-throughput", "cpu-16-throughput"):  # fmt: skip
        assert f"plots/{name}.svg" in plots
    assert not [path for path in plots if "crash" in path or "drain" in path]
    for path in plots:
        text = files[path]
        xml.fromstring(text)
        assert "prefers-color-scheme:dark" in text and "var(--ink)" in text
        assert "#0102" not in text and "<dc:date" not in text
        assert not re.findall(r'(?:href|src)="(?!#)', text)


def test_a_plot_has_the_figures_of_the_rows(run: Run) -> None:
    cells = [r for r in run.results() if r.cell.workload.name == "hello"]
    drawn = {s.label: s for s in series.lines(cells, series.THROUGHPUT)}
    assert set(drawn) == {"prefork(64)", "threads(64)", "coro", "coro again", "floor"}
    for point, cell in zip(drawn["coro"].points, cells):
        row = cell.row("coro")
        assert row is not None and point.at == cell.cell.connections
        assert point.median == row.rps
        assert point.low == min(s.rps for s in row.samples) < point.median < point.high


def test_what_is_not_drawn_is_said_in_its_place(run: Run) -> None:
    (cell,) = [r for r in run.results() if r.row("threads(16)")]
    drawn = series.dots(cell, series.THROUGHPUT)
    assert [s.label for s in drawn] == [row.label for row in cell.rows]
    assert [s.label for s in drawn if not s.points] == ["threads(16)"]
    assert [s.missing for s in drawn if s.missing] == ["void at 256"]
    sleeping = [r for r in run.results() if r.cell.workload.name == "sleep"]
    for panels in (forest.of_configurations(sleeping), forest.of_configurations([cell])):
        lines = [line for lines in panels.values() for line in lines]
        assert [line.said for line in lines if not line.ratios and not line.heading] == ["void"]


def test_a_forest_has_the_ratios_that_decide(run: Run) -> None:
    cells = [r for r in run.results() if r.cell.workload.name == "hello"]
    ((figure, lines),) = forest.of_configurations(cells).items()
    assert figure is analysis.CPU and [line.heading for line in lines] == [True, *[False] * 4] * 2
    for cell, (head, *rest) in zip(cells, (lines[:5], lines[5:])):
        assert head.name == f"{cell.cell.connections} connections: prefork(64) ÷"
        assert [line.name for line in rest] == [row.label for row in cell.rows if row.label != "prefork(64)"]
        for line in rest:
            (ratio,) = line.ratios
            assert ratio.found == cell.compare(cell.row("prefork(64)"), cell.row(line.name), figure)
            assert len(ratio.blocks) == ratio.found.n == 3


@pytest.mark.parametrize("configurations", [(made.CORO,), (made.CORO, made.AGAIN), (made.CORO, made.FLOOR)])
@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("spoilt", ["", "coro"])
def test_a_run_with_little_to_compare_is_drawn(configurations: Any, blocks: int, spoilt: str) -> None:
    built = made_run.run([made.cell("sleep", *configurations)], blocks, spoilt=spoilt)
    plots = {path for path in report.files(built, built.results(), "a-run") if path.startswith("plots/")}
    assert ("plots/sleep-ratios.svg" in plots) is (len(configurations) > 1)


def test_the_first_plot_has_a_line_for_each_workload_that_is_compared(run: Run, files: dict[str, str]) -> None:
    panels = forest.of_workloads(run.results())
    lines = {line.name: line for lines in panels.values() for line in lines}
    assert set(lines) == {"hello", "sleep", "cpu"}
    rows = {name: row for name, row, *_ in overview.rows(run.results())[1:]}
    for name, line in lines.items():
        assert line.said == re.sub(r" \[.*?\]|, n = \d+", "", rows[name])
    assert [ratio.model for ratio in lines["hello"].ratios] == ["threads", "coro"]
    text = files["report.html"]
    assert text.index("<figure") < text.index("<table")


def test_the_interval_of_a_median_is_that_of_the_sign_test() -> None:
    assert stats.median_interval([3.0]) == (3.0, 3.0)
    assert stats.median_interval([5.0, 1.0, 3.0]) == (1.0, 5.0)
    # 2 * (1 + 10) / 2**10 is 2.1 %; one more on each side would be 10.9 %.
    assert stats.median_interval([float(n) for n in range(10)]) == (1.0, 8.0)
    assert stats.median_interval([float(n) for n in range(20)]) == (5.0, 14.0)


def test_the_crossover_map_shows_winners_and_ties() -> None:
    run = made_run.run(made_run.crossover(), preset="crossover")
    made_files = report.files(run, run.results(), "a-run")
    winners = {cell["winner"] for cell in run.conclusions["crossover"]}
    assert winners == {"coro", None}
    svg = made_files["plots/crossover.svg"]
    assert "var(--coro)" in svg and ">all tie<" in svg and "×" in svg
    Reader(made_files["report.html"])
    assert "Which model wins where" in made_files["report.html"]


def test_nothing_hostile_gets_into_the_page() -> None:
    bad = made_run.HOSTILE
    hostile = Configuration(bad, 1, *made.OWN)
    cells = [Cell(WORKLOADS["hello"], count, (made.CORO, hostile)) for count in (4, 16)]
    run = made_run.run(cells, spoilt="coro", reason=bad, label=bad)
    run.notes, run.command, run.stopped_by, run.complete = [bad], f"`{bad}`", bad, False
    run.environment[bad] = {bad: bad}
    run.conclusion_lines = [bad]
    made_files = report.files(run, run.results(), bad)
    assert "<script>alert" not in "".join(made_files[p] for p in made_files if p != "table.md"
                                          and not p.endswith((".csv", ".json")))  # fmt: skip
    reader = Reader(made_files["report.html"])
    assert reader.scripts == 1
    for path, text in made_files.items():
        if path.endswith(".svg"):
            xml.fromstring(text)


@pytest.mark.parametrize(
    "text, value",
    [("3,168", 3168.0), ("!71,429", 71429.0), ("44 µs", 44.0), ("1.5 ms", 1500.0),
     ("2 s", 2e6), ("512 KB", 524288.0), ("99 %", 99.0), ("–", None), ("round trips", None),
     ("1e+03 ms", 1e6), ("void", None)],
)  # fmt: skip
def test_values_to_sort_by(text: str, value: float | None) -> None:
    assert page.sort_value(text) == value


def run_report(*arguments: Any) -> Any:
    return subprocess.run([sys.executable, REPORT, *arguments], capture_output=True, text=True)


def test_scripts_report_makes_the_files_again(tmp_path: Path) -> None:
    run = made_run.run([made.cell("sleep", made.THREADS, made.CORO)])
    folder = tmp_path / "a-run"
    (folder / "plots").mkdir(parents=True)
    (folder / "plots/no-longer-made.svg").write_text("old")
    text = json.dumps(made_run.as_json(run))
    (folder / "run.json").write_text(text)
    done = run_report(folder)
    assert done.returncode == 0 and done.stderr == ""
    expected = report.files(run, run.results(), "a-run")
    found = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    assert found.pop("run.json") == text
    assert found == expected


def test_what_cannot_be_read_is_said_in_a_line(tmp_path: Path) -> None:
    done = run_report(tmp_path)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert run_report("--nonsense", tmp_path).returncode == 64
    broken = made_run.as_json(made_run.run([made.cell()]))
    broken["cells"][0]["workload"]["kind"] = "unheard of"
    with pytest.raises(LabError, match="unheard of"):
        reading.from_json(broken)


def test_a_full_disk_loses_no_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.write(tmp_path, {"plots/a.svg": "first", "run.json": "first"})

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(LabError, match="cannot write to .*: No space left on device"):
        report.write(tmp_path, {"run.json": "second"})
    assert (tmp_path / "run.json").read_text() == (tmp_path / "plots/a.svg").read_text() == "first"


def test_without_matplotlib_all_but_the_plots_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> list[charts.Chart]:
        raise ImportError("matplotlib")

    monkeypatch.setattr(charts, "draw", missing)
    run = made_run.run([made.cell()])
    made_files = report.files(run, run.results(), "a-run")
    assert not [path for path in made_files if path.endswith(".svg")]
    assert report.NO_PLOTS in made_files["report.html"]


def test_a_run_cut_short_says_so() -> None:
    run = made_run.run([made.cell()], blocks=10)
    run.complete, run.stopped_by = False, "SIGINT"
    del run.samples[4 * 3 + 1 :]
    again = reading.from_json(json.loads(json.dumps(document.to_json(run, run.results()))))
    text = report.files(again, again.results(), "a-run")["report.html"]
    assert "Incomplete: stopped by SIGINT" in text
    assert text.count("n = 5 blocks, less") == 2 and "n = 10 blocks" not in text


def test_cells_that_were_not_reached_stay_in_the_plan_and_out_of_sight(tmp_path: Path) -> None:
    run = made_run.run(made_run.everything())
    run.complete, run.stopped_by = False, "SIGINT"
    del run.samples[1:]
    document = made_run.as_json(run)
    assert schema.problems(document) == []
    (tmp_path / "run.json").write_text(json.dumps(document))
    for again in (reading.read(tmp_path), report.judged_again(tmp_path), reading.read(tmp_path)):
        assert made_run.as_json(again)["plan"] == document["plan"]
        assert [*running.steps(again)] == [*run.plan.steps[1:]]
    (result,) = again.results()
    made_files = report.files(again, [result], "a-run")
    assert len(made_files["table.csv"].splitlines()) == 1 + len(result.rows)
    assert made_files["table.md"].count("\n## ") == 2
    assert "interference" not in "".join(made_files.values())


@pytest.mark.parametrize("program, kept", [("scripts/bench", True), ("scripts/advise", False)])
def test_of_a_first_block_cut_off_what_can_be_resumed_is_kept(
    program: str, kept: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sample is no ground for advice."""
    run = made_run.run([made.cell()])
    run.command, run.complete, run.stopped_by = program, False, "SIGINT"
    del run.samples[1:]
    asked: list[str] = []

    def conclude(_run: Run, _results: Any, where: str) -> running.Said:
        asked.append(where)
        return running.Said("what was found\n")

    assert running.finish(run, tmp_path, conclude) == 130
    assert bool(asked) == bool(list(tmp_path.iterdir())) == kept
    assert ("nothing was written" in capsys.readouterr().err) != kept


def test_samples_are_judged_again_only_when_asked(run: Run, tmp_path: Path) -> None:
    document = made_run.as_json(run)
    document["samples"][0]["gates"] = ["a gate that there is no more"]
    document["samples"][0]["derived"]["void"] = True
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    done = subprocess.run([REPORT, tmp_path], capture_output=True, text=True, check=True)
    assert json.loads(path.read_text()) == document, done.stderr
    subprocess.run([REPORT, "--judge", tmp_path], capture_output=True, check=True)
    again = json.loads(path.read_text())
    assert again["samples"][0]["gates"] == [] and again["ended"] == document["ended"]
    assert report.JUDGED_AGAIN in again["notes"]
    assert report.JUDGED_AGAIN in (tmp_path / "table.md").read_text()
    once = path.read_text()
    subprocess.run([REPORT, "--judge", tmp_path], capture_output=True, check=True)
    assert path.read_text() == once


def test_claims_are_not_judged_by_gates_alone(run: Run, tmp_path: Path) -> None:
    document = made_run.as_json(run)
    document["plan"]["preset"] = "claims"
    (tmp_path / "run.json").write_text(json.dumps(document))
    done = subprocess.run([REPORT, "--judge", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "judged by more than gates" in done.stderr
