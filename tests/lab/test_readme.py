# SPDX-License-Identifier: MIT
"""The results in README.md and results/README.md: generated, and committed as generated."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import made
import made_run
import pytest
from lab.machine.errors import LabError
from lab.show import reading
from lab.programs import report, results as readme, run as lab_run

README = f"# Title\n\nbefore\n\n{readme.BEGIN}\nthe last text\n{readme.END}\n\nafter\n"
SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


def repository(root: Path, *labels: str, text: str = README) -> Path:
    """A repository of a README.md and of runs, the first label the oldest."""
    (root / "README.md").write_text(text)
    (root / "results").mkdir()
    (root / "results/README.md").write_text(README)
    for at, label in enumerate(labels):
        folder = root / f"results/2026010{at + 1}T000000Z-{label}"
        (folder / "plots").mkdir(parents=True)
        (folder / "plots/sleep-throughput.svg").write_text("<svg/>")
        run = made_run.run([made.cell("sleep"), made.cell("hello", connections=64)], label=label)
        (folder / "run.json").write_text(json.dumps(made_run.as_json(run)))
    return root


def test_the_newest_reference_run_is_taken(tmp_path: Path) -> None:
    root = repository(tmp_path, "reference", "reference-2", "full", "no-reference")
    found = readme.newest(root / "results")
    assert found is not None and found.name == "20260102T000000Z-reference-2"


@pytest.mark.parametrize("newest, label", [(readme.newest, "reference"), (readme.newest_ladder, "ladder-reference")])
def test_a_run_that_was_cut_short_is_no_reference(newest: Any, label: str, tmp_path: Path) -> None:
    root = repository(tmp_path, label, label)
    for expected in ("20260102", "20260101"):
        folder = newest(root / "results")
        assert folder.name.startswith(expected)
        document = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps({**document, "complete": False}))
    assert newest(root / "results") is None


def test_both_files_follow_from_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = repository(tmp_path, "reference")
    assert readme.main(["--check"], root) == 1
    assert (root / "README.md").read_text() == README
    assert readme.main([], root) == 0
    assert readme.main(["--check"], root) == 0
    text, results = (root / "README.md").read_text(), (root / "results/README.md").read_text()
    head, tail = README.split(f"{readme.BEGIN}\nthe last text\n{readme.END}")
    assert text.startswith(head) and text.endswith(tail) and "the last text" not in text
    folder = "20260101T000000Z-reference"
    assert f"![sleep-throughput](results/{folder}/plots/sleep-throughput.svg)" in text
    assert f"![sleep-throughput]({folder}/plots/sleep-throughput.svg)" in results
    assert results.startswith(head) and results.endswith(tail)
    row = next(line for line in text.splitlines() if line.startswith("| sleep | coro, 4."))
    assert re.search(r"\| 256 \| requests/s \| 3,\d+ \(64\) \| 3,\d+ \(64\) \| 12,\d+ \|$", row)
    assert row in results and "sleep, 256 connections: " in results
    assert "README.md is not what" in capsys.readouterr().err


def carried(workload: str, server: str, rate: float | None, **other: Any) -> dict[str, Any]:
    known = {"decided": True, "at_least": None, "less_than": None, "problem": None, **other}
    found = {"low": rate * 0.98, "rate": rate, "high": rate * 1.02} if rate else None
    return {"workload": workload, "server": server, "carries": found, **known}


def test_what_the_models_carry_is_of_the_newest_reference_run_that_has_the_workload(tmp_path: Path) -> None:
    root = repository(tmp_path, "reference")
    kept, mine = "capacity-reference", "capacity"
    hello = [
        carried("hello", "threads(16)", None), carried("hello", "coro", None, problem="no answer"),
        carried("hello", "floor", 99.0),
    ]  # fmt: skip
    runs: list[tuple[int, str, int, float, list[dict[str, Any]]]] = [
        (1, kept, 10, 1.0, [carried("hello", "prefork(16)", 5.0)]),
        (2, kept, 50, 1.0, hello),
        (3, kept, 50, 3049.6, []),
        (4, mine, 50, 2.0, hello),
    ]
    for day, label, limit_ms, rate, others in runs:
        servers = [
            carried("sleep", "prefork(16)", rate), carried("sleep", "prefork(64)", 7.0),
            carried("sleep", "threads(64)", 3000.0, decided=False), carried("sleep", "coro", None, at_least=12_345.0),
        ]  # fmt: skip
        folder = root / f"results/2026020{day}T000000Z-{label}"
        folder.mkdir()
        promise = {"percentile": "p99", "limit_us": limit_ms * 1000.0}
        document = {"schema": 1, "command": f"run {day}", "promise": promise, "servers": [*servers, *others]}
        (folder / "capacity.json").write_text(json.dumps(document))
    assert readme.main([], root) == 0
    text = (root / "README.md").read_text()
    head, _, *rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert head.endswith(" | carries at p99 ≤ 50 ms |")
    assert rows[0].startswith("| sleep ") and rows[0].endswith("| 3,050 / ~ 3,000 / ≥ 12,345 |")
    assert rows[1].startswith("| hello ") and rows[1].endswith("| – / nothing / void |")
    for day, workload, who in (2, "hello", "prefork / threads(16) / coro"), (3, "sleep", "prefork(16) / threads(64) / coro"):
        line = next(line for line in text.splitlines() if line.startswith(f"Carries, of {workload}: "))
        assert f" {who}, at which" in line and f"`run {day}`" in line
        assert f"(results/2026020{day}T000000Z-capacity-reference/table.txt)" in line


@pytest.mark.parametrize("label, renewed", [("reference", True), ("reference-2", True), ("full", False)])
def test_a_reference_run_alone_renews_the_readme(tmp_path: Path, label: str, renewed: bool) -> None:
    root = repository(tmp_path)
    made_now = made_run.run([made.cell("sleep")], label=label)
    folder = root / f"results/20260101T000000Z-{label}"
    lab_run.write(made_now, made_now.results(), folder)
    text = (root / "README.md").read_text()
    assert (f"results/{folder.name}/report.html" in text) is renewed
    assert renewed or text == README
    assert not renewed or readme.main(["--check"], root) == 0


def test_results_elsewhere_touch_no_readme_without_markers(tmp_path: Path) -> None:
    root = repository(tmp_path, text="mine\n")
    made_now = made_run.run([made.cell("sleep")], label="reference")
    lab_run.write(made_now, made_now.results(), root / "results/20260101T000000Z-reference")
    assert (root / "README.md").read_text() == "mine\n"


def test_without_a_reference_run_that_is_said(tmp_path: Path) -> None:
    root = repository(tmp_path, "full")
    assert readme.main([], root) == 0
    assert readme.NOTHING in (root / "README.md").read_text()
    assert readme.NOTHING in (root / "results/README.md").read_text()


@pytest.mark.parametrize("text", ["none", readme.BEGIN, f"{readme.END}\n{readme.BEGIN}\n"])
def test_a_readme_without_its_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    root = repository(tmp_path, text=text)
    with pytest.raises(LabError, match="README.md"):
        readme.main([], root)
    assert (root / "README.md").read_text() == text
    with pytest.raises(LabError, match="README.md"):
        readme.replaced(text, "x")


def test_what_is_committed_is_what_is_generated() -> None:
    made_now = readme.generated(made.ROOT / "results")
    assert len(made_now) == 4
    for path, text in made_now.items():
        assert path.read_text() == text, f"{path.name} differs: run scripts/results"


@pytest.mark.parametrize("newest", [readme.newest, readme.newest_ladder])
def test_the_reference_run_is_what_its_run_json_makes(newest: Any) -> None:
    """Plots are left out: another matplotlib draws them a little differently."""
    folder = newest(made.ROOT / "results")
    if folder is None:
        pytest.skip("no reference run is committed yet")
    run = reading.read(folder)
    expected = report.files(run, run.results(), folder.name)
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert present == {"run.json", *expected}
    for path, text in expected.items():
        if not path.endswith(".svg"):
            assert SVG.sub("", (folder / path).read_text()) == SVG.sub("", text), path
