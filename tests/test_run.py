# SPDX-License-Identifier: MIT
"""That tests/run cannot overlook a failure."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load_runner() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(
        "tests_run", str(Path(__file__).resolve().parent / "run")
    )
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


ROOT = Path(__file__).resolve().parent.parent
RUNNER = load_runner()

# What a program does, the counts (passed, failed, skipped) and a part of the problem.
PROGRAMS = [
    ("echo 1..2; echo ok 1 - a; echo ok 2 - b", (2, 0, 0), None),
    ("echo 1..1; echo ok 1 - a; echo 1..1; echo ok 1 - b", (2, 0, 0), None),
    ("echo 1..2; echo 'not ok 1 # SKIP a'; echo ok 2 - b", (1, 0, 1), None),
    ("echo 1..2; echo not ok 1 - a; echo ok 2 - b; exit 1", (1, 1, 0), "failed: a"),
    ("echo 1..1; echo 'not ok 0 - group'; echo ok 1 - a; exit 1", (1, 1, 0), "failed: group"),
    ("echo 1..3; echo ok 1 - a", (1, 2, 0), "3 tests were announced and 1 have run"),
    ("echo 1..1; echo ok 1 - a; echo ok 1 - a", (2, 1, 0), "1 tests were announced and 2"),
    ("echo 1..1; echo ok 1 - a; exit 3", (1, 1, 0), "exit status 3"),
    ("echo 1..1; echo ok 1 - a; kill -SEGV $$", (1, 1, 0), "died of SIGSEGV"),
    ("kill -ABRT $$", (0, 1, 0), "died of SIGABRT"),
    ("exit 0", (0, 1, 0), "ran no test"),
    ("echo 1..1; echo ok 1 - a; exec sleep 60", (1, 1, 0), "still running"),
    (
        "echo 1..1; echo ok 1 - a; echo '==1==ERROR: LeakSanitizer: leaks' >&2",
        (1, 1, 0),
        "a sanitizer's report",
    ),
    (
        "echo 1..1; echo ok 1 - a; echo 'FATAL: ThreadSanitizer: unexpected memory mapping' >&2",
        (1, 1, 0),
        "a sanitizer's report",
    ),
    (
        "echo 1..1; echo ok 1 - a; echo 'x.c:1:2: runtime error: overflow' >&2",
        (1, 1, 0),
        "a sanitizer's report",
    ),
]


@pytest.mark.parametrize(("script", "expected", "problem"), PROGRAMS)
def test_a_program_is_judged(
    tmp_path: Path, script: str, expected: tuple[int, int, int], problem: str | None
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    unit = RUNNER.run_unit("program", tmp_path, 1 if "sleep" in script else 60)
    assert (unit.count.passed, unit.count.failed, unit.count.skipped) == expected
    assert (problem or "") in "; ".join(unit.problems)
    assert bool(unit.problems) == (problem is not None)


def test_a_program_that_is_not_built_has_failed(tmp_path: Path) -> None:
    unit = RUNNER.run_unit("program", tmp_path, 60)
    assert unit.count.failed == 1
    assert "is not built" in unit.problems[0]


def test_the_report_of_pytest_is_added_up(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite errors="1" failures="2" skipped="3" tests="10"/></testsuites>'
    )
    assert str(RUNNER.read_junit(report)) == "4 passed, 3 failed, 3 skipped"
    report.write_text("<testsuites>")
    assert RUNNER.read_junit(report) is None
    assert RUNNER.read_junit(tmp_path / "none.xml") is None


def test_the_summary_names_skipped_tests_only_when_there_are_any() -> None:
    assert str(RUNNER.Count(3, 0, 0)) == "3 passed, 0 failed"
    assert str(RUNNER.Count(3, 1, 2)) == "3 passed, 1 failed, 2 skipped"


def test_a_build_without_unit_tests_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = RUNNER.run_units(tmp_path, "release", timings=False)
    assert (count.passed, count.failed) == (0, 1)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("unit tests: none of ") and line.endswith(f" in {tmp_path}: make units")


def test_lint_refuses_a_step_it_does_not_have() -> None:
    done = subprocess.run(
        [ROOT / "scripts/lint", "layers", "mypi"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (64, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("lint: mypi: no such step; there are layers ") and " mypy " in line


def test_lint_names_each_step_that_it_has() -> None:
    source = (ROOT / "scripts/lint").read_text()
    listed = re.search(r"^steps=\((.*)\)$", source, re.MULTILINE)
    assert listed is not None
    assert listed[1].split() == re.findall(r"^step (\S+) ", source, re.MULTILINE)


@pytest.mark.parametrize("whole", [False, True])
def test_compiling_is_a_short_line_unless_v_is_set(tmp_path: Path, whole: bool) -> None:
    made = tmp_path / "src/version.o"
    done = subprocess.run(
        ["make", f"B={tmp_path}", f"V={'1' if whole else ''}", made],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"},
    )  # fmt: skip
    assert ("-Wall" in done.stdout) == whole
    assert (f"  CC   {made}" in done.stdout) != whole


def test_files_may_be_opened_as_far_as_allowed() -> None:
    """A login shell's soft limit is 1,024; thousands of connections need more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
