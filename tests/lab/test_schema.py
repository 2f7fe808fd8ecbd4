# SPDX-License-Identifier: MIT
"""run.json is what it is said to be, and what is not is refused with the place of the fault."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import made
import pytest
from lab.machine.errors import LabError
from lab.measure.sample import Count
from lab.judge import gates
from lab.show import document, schema


def run_document() -> dict[str, Any]:
    cell = made.cell("sleep", made.THREADS, made.CORO, made.AGAIN)
    plan = made.plan((cell,))
    run = document.Run(plan, {"kernel": "1"}, "scripts/bench", "2026-01-01T00:00:00Z")
    for block in range(3):
        for configuration in cell.configurations:
            sample = made.sample(configuration, block=block, rps=3000.0 + block)
            sample.gates = gates.check(sample, cell.workload, configuration)
            run.samples.append(sample)
    run.counts.append(Count("sleep", 256, "coro", 100, {"recvfrom": 100, "sendto": 100}))
    run.complete = True
    made_json: dict[str, Any] = json.loads(json.dumps(document.to_json(run, run.results())))
    return made_json


def test_a_run_is_what_the_schema_says() -> None:
    found = run_document()
    assert schema.problems(found) == []
    (cell,) = found["cells"]
    assert cell["aa"]["configuration"] == "coro"
    assert [row["syscalls_per_request"] for row in cell["rows"]] == [None, 2.0, None]
    pairs = {(c["first"], c["second"]) for c in cell["comparisons"]}
    assert ("threads(64)", "coro") in pairs and len(pairs) == 3


def spoil(path: str, value: Any) -> dict[str, Any]:
    """The document with the field at a dotted path replaced; ... takes it away."""
    found = copy.deepcopy(run_document())
    at: Any = found
    *way, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for step in way:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return found


@pytest.mark.parametrize(
    "path, value, words",
    [
        ("schema", 1, "this lab reads 2 and 3"),
        ("samples", ..., "run.samples is missing"),
        ("plan.seed", "7", "plan.seed is str, not int"),
        ("complete", 1, "run.complete is int, not bool"),
        ("samples.0.derived.rps", None, r"samples\[0\].derived.rps is NoneType"),
        ("samples.2.gates", ..., r"samples\[2\].gates is missing"),
        ("cells.0.rows.1.limiter", "", "neither void nor with a limiter"),
        ("cells.0.rows.1.void", True, "void without a reason"),
        ("cells.0.comparisons.0.first", "nobody", "not between two rows"),
        ("cells.0.comparisons.0.rps.low", ..., "low is missing"),
        ("cells.0", [], r"cells\[0\] is not an object"),
    ],
)
def test_faults_are_named_with_their_place(path: str, value: Any, words: str) -> None:
    found = schema.problems(spoil(path, value))
    assert found and re.search(words, found[0])


def test_loading_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot read"):
        schema.load(tmp_path)
    file = tmp_path / "run.json"
    file.write_text("{")
    with pytest.raises(LabError, match="not JSON"):
        schema.load(tmp_path)
    file.write_text("{}")
    with pytest.raises(LabError, match="not a run this lab can read"):
        schema.load(file)
    file.write_text(json.dumps(run_document()))
    assert schema.load(tmp_path)["complete"]


def test_every_field_is_described() -> None:
    described = (made.ROOT / "results/SCHEMA.md").read_text()
    fields = [schema.DOCUMENT, schema.PLAN, schema.SAMPLE, schema.DERIVED, schema.CELL,
              schema.ROW, schema.RATIO]  # fmt: skip
    missing = [name for kinds in fields for name in kinds if f"`{name}`" not in described]
    assert missing == []
    assert f"schema {schema.SCHEMA}" in described


def test_the_command_is_kept_without_the_place_of_its_results() -> None:
    for place in (["--results", "/some/where"], ["--results=/some/where"]):
        argv = ["--full", *place, "--label", "a b", "--results"]
        assert document.command_line("scripts/bench", argv) == "scripts/bench --full --label 'a b'"
