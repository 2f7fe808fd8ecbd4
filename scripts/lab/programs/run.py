# SPDX-License-Identifier: MIT
"""A whole run: every step of the plan, then what is written under results/."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence

from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.program import EX_INTERRUPTED, say
from ..ask import plan as planning
from ..ask.plan import Plan, Step
from ..server import site
from ..server.backend import Backend
from ..measure import environment, measurement, syscalls, wrk
from ..measure.environment import ROOT
from ..measure.measurement import Bench, Programs
from ..measure.sample import Count, Sample
from ..judge import gates
from ..judge.analysis import CellResult
from ..show.document import Run, command_line, to_json, utc
from . import budget, readme, report
from .progress import Progress

FLOOR = "build/floor"
MOST_FAILURES = 5


def find_programs(
    plan: Plan, server: str, wrk_path: str, folder: Path, backend: Backend
) -> Programs:
    """Raises LabError for the first program that is not there."""
    if not os.access(ROOT / server, os.X_OK):
        raise LabError(f"no server at {server}: build it with make, or give --server=PATH")
    if any(c.floor for cell in plan.cells for c in cell.configurations) and not os.access(ROOT / FLOOR, os.X_OK):
        raise LabError(f"no floor server at {FLOOR}: build it with make")
    return Programs(ROOT, server, FLOOR, wrk_path, folder, backend)


def server_path(given: str) -> str:
    """As given from where the lab was called, turned into what works from ROOT."""
    path = Path(given)
    if path.is_absolute() or given == "./server":
        return given
    try:
        return "./" + str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path.resolve())


@contextmanager
def prepared(
    program: str, argv: Sequence[str], plan: Plan, server: str
) -> Iterator[tuple[Run, Programs]]:
    """All that a plan needs, for as long as it is performed. Raises LabError where it cannot be had.

    program, argv: as called. server: as given there."""
    wrk_path, server = wrk.find(), server_path(server)
    asks = any(cell.workload.database for cell in plan.cells)
    with site.folder() as folder, Backend(asks) as backend:
        programs = find_programs(plan, server, wrk_path, folder, backend)
        environment.raise_open_files()
        recorded = environment.record(server, wrk_path, plan)
        notes, started = environment.notes(recorded, plan), utc("%Y-%m-%dT%H:%M:%SZ")
        yield Run(plan, recorded, command_line(program, argv), started, notes=notes), programs


def steps(run: Run) -> Iterator[Step]:
    """Those of the plan that have no sample yet; then, added to it, a block more of one cell after
    another, while ratios are wider than asked and the budget lasts."""
    end = time.monotonic() + run.plan.budget_s
    yield from run.plan.steps[len(run.samples) :]
    while cell := budget.next_cell(run, end - time.monotonic()):
        run.plan = planning.with_block(run.plan, cell)
        yield from run.plan.steps[len(run.samples) :]


def execute(bench: Bench, run: Run, progress: Progress) -> None:
    """A sample a step, into run.

    A server or a wrk that fails in the middle of a long run voids its sample; one that fails
    at once, or again and again, ends the run: raises LabError."""
    failures = 0  # one after the other
    for step in steps(run):
        order = len(run.samples)
        progress.show(run.plan, order, lambda: budget.known(run))
        try:
            sample = measurement.measure(bench, step, order)
            failures = 0
        except LabError as error:
            failures += 1
            if order < MOST_FAILURES or failures > MOST_FAILURES:
                raise
            sample = measurement.failed(step, order, str(error))
        sample.gates = gates.check(sample, step.cell.workload, step.configuration)
        run.samples.append(sample)


def count_syscalls(bench: Bench) -> Iterator[Count]:
    """After everything that is timed."""
    for cell in bench.plan.cells:
        if not syscalls.countable(cell):
            continue
        for configuration in cell.configurations:
            if not configuration.again:
                found = syscalls.count(bench, cell, configuration)
                if found:
                    yield found


def perform(run: Run, programs: Programs) -> int:
    """Everything of a plan that run has not yet. The exit status: what was measured until a stop
    stays."""
    plan = run.plan
    progress = Progress(sys.stderr, budget.seconds_planned(plan) / max(1, len(plan.steps)))
    code = 0
    try:
        with Children() as children:
            bench = Bench(children, programs, plan)
            execute(bench, run, progress)
            if plan.syscalls:
                progress.say("counting system calls")
                run.counts += count_syscalls(bench)
                if not run.counts:
                    why = "could not trace" if syscalls.available() else "is not installed"
                    run.notes.append(f"system calls were not counted: strace {why}")
        run.complete = True
    except KeyboardInterrupt as stop:
        run.stopped_by, code = str(stop) or "SIGINT", EX_INTERRUPTED
    except LabError as error:
        progress.clear()
        say(sys.stderr, f"{run.command.split()[0]}: {error}\n")
        run.stopped_by, code = str(error), 1
    progress.clear()
    return code


def worth_keeping(run: Run) -> bool:
    """Whether anything can be compared: that takes the first block in full."""
    return run.complete or len(run.samples) >= sum(len(cell.configurations) for cell in run.plan.cells)


def check_writable(directory: Path) -> None:
    """Before anything is measured: raises LabError where write() could not make a folder there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise LabError(f"--results {directory}: {error.strerror}") from None


def write(
    run: Run, results: Sequence[CellResult], directory: Path, folder: Path | None = None
) -> Path:
    """The run's folder below directory, a new one where none is given; after a reference run also what is made of the
    newest such, here and in the README.md above. Raises LabError where one cannot be written."""
    new = folder is None
    folder = folder or directory / f"{utc('%Y%m%dT%H%M%SZ')}-{run.plan.label}"
    try:
        if new:
            folder.mkdir(parents=True)
        document = json.dumps(to_json(run, results), indent=1, ensure_ascii=False)
        written = folder / "run.json.new"  # one that was there is lost to no full disk
        written.write_text(document + "\n")
        written.replace(folder / "run.json")
        report.write(folder, report.files(run, results, folder.name))
        whole = directory / "README.md"
        reference = run.plan.label.startswith(readme.REFERENCE)
        if reference or not whole.exists():
            whole.write_text(readme.results_text(directory))
        if reference:
            readme.renew(directory)
    except OSError as error:
        raise LabError(f"cannot write results to {folder}: {error.strerror}") from None
    return folder


def shown(folder: Path) -> str:
    """As a user in the current folder would name it."""
    try:
        return str(folder.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)
