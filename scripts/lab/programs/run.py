# SPDX-License-Identifier: MIT
"""A whole run: every step of the plan, then what is written under results/."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence

from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.hosts import Hosts
from ..machine.program import EX_INTERRUPTED, STOPPING, say
from ..ask import plan as planning
from ..ask.plan import Plan, Step
from ..server import site
from ..server.backend import Backend
from ..measure import environment, measurement, offered, syscalls, wrk
from ..measure.environment import ROOT
from ..measure.load import PROGRAM as LOAD
from ..measure.measurement import FLOOR, Bench, Programs
from ..judge import gates
from ..judge.analysis import CellResult
from ..show.document import Run, command_line, to_json, utc
from . import budget, options, report, results as documents
from .progress import Progress

MOST_FAILURES = 5


def find_programs(plan: Plan, server: str, hosts: Hosts) -> None:
    """Raises LabError for the first program that is not there."""
    every = [c for cell in plan.cells for c in cell.configurations]
    hosts.server.call(find, server, "server", ", or give --server=PATH")
    if any(c.floor for c in every):
        hosts.server.call(find, FLOOR, "floor server")
    if any(c.offered for c in every):
        hosts.load.call(find, LOAD, "load generator")


def find(program: str, what: str, otherwise: str = "") -> None:
    if not os.access(ROOT / program, os.X_OK):
        raise LabError(f"no {what} at {program}: build it with make{otherwise}")


def shown(path: Path, base: Path) -> str:
    """As it is named in base, if it lies below; else in full."""
    path = Path(os.path.abspath(path))
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)


@contextmanager
def prepared(
    program: str, argv: Sequence[str], plan: Plan, server: str, directory: Path | None, hosts: Hosts = Hosts()
) -> Iterator[tuple[Run, Programs]]:
    """All that a plan needs, for as long as it is performed. Raises LabError where it cannot be had.

    program, argv: as called. server: as given there. directory: where the results' folder goes."""
    if directory:
        check_writable(directory)
    wrk_version, server = hosts.load.call(wrk.version), os.path.join(".", shown(Path(server), ROOT))
    asks = any(cell.workload.database for cell in plan.cells)
    find_programs(plan, server, hosts)
    for host in hosts.each:
        host.call(environment.raise_open_files)
    with hosts.server.call(site.folder) as folder, Backend(asks) as backend:
        recorded = hosts.server.call(environment.record, server, wrk_version, plan)
        if hosts.two:
            recorded["load_host"] = hosts.load.call(environment.machine)
        notes, started = environment.notes(recorded, plan), utc("%Y-%m-%dT%H:%M:%SZ")
        programs = Programs(server, folder, backend, hosts)
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
        progress.show()
        try:
            measure = offered.sample if step.configuration.offered else measurement.measure
            sample = measure(bench, step, order)
            failures = 0
        except LabError as error:
            failures += 1
            if order < MOST_FAILURES or failures > MOST_FAILURES:
                raise
            sample = measurement.failed(step, order, str(error))
        sample.gates = gates.check(sample, step.cell.workload, step.configuration)
        if sample.load and not sample.gates:
            run.plan = bench.plan = planning.with_capacity(run.plan, step, sample.rps)
        run.samples.append(sample)


@contextmanager
def measuring(run: Run) -> Iterator[None]:
    """A stop ends the block alone: what was measured until then stays."""
    run.complete = False
    try:
        yield
        run.complete = True
    except KeyboardInterrupt as stop:
        run.stopped_by = str(stop) or "SIGINT"
    except LabError as error:
        say(sys.stderr, f"{run.command.split()[0]}: {error}\n")
        run.stopped_by = str(error)


def exit_status(run: Run) -> int:
    if run.stopped_by in {number.name for number in STOPPING}:
        return EX_INTERRUPTED
    return 0 if run.complete else 1


def perform(run: Run, programs: Programs) -> None:
    """Everything of a plan that run has not yet."""
    plan = run.plan
    progress = Progress(sys.stderr, run)
    with measuring(run), closing(progress), Children() as children:
        bench = Bench(children, programs, plan)
        execute(bench, run, progress)
        if plan.syscalls and programs.hosts.two:
            run.notes.append("system calls were not counted: the servers ran on another host than their load")
        elif plan.syscalls:  # after everything that is timed
            progress.say("counting system calls")
            known = {(count.workload, count.connections, count.configuration) for count in run.counts}
            found = (
                syscalls.count(bench, cell, configuration)
                for cell in plan.cells if syscalls.countable(cell)
                for configuration in cell.configurations if not configuration.again
                and (cell.workload.name, cell.connections, configuration.label) not in known
            )  # fmt: skip
            run.counts += (count for count in found if count)
            if not run.counts:
                why = "could not trace" if syscalls.available() else "is not installed"
                run.notes.append(f"system calls were not counted: strace {why}")


def check_writable(directory: Path) -> None:
    """Before anything is measured: raises LabError where no folder could be made there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise LabError(f"--results {directory}: {error.strerror}") from None


# --- what comes of it ---------------------------------------------------------------------


class Said(NamedTuple):
    """What a program makes of a run: text for stdout, an exit status, files beside the run's."""

    text: str
    status: int = 0
    files: Mapping[str, str] = {}


Conclude = Callable[[Run, Sequence[CellResult], str], Said]


def new_folder(directory: Path, label: str) -> Path:
    """Named only, and as none there is: another run may have ended in the same second."""
    folder = directory / f"{utc('%Y%m%dT%H%M%SZ')}-{label}"
    return folder.with_name(f"{folder.name}-{os.getpid()}") if folder.exists() else folder


def finish(
    run: Run, directory: Path | None, conclude: Conclude, earlier: Path | None = None
) -> int:
    """Says what was found and writes it below directory, if there is one; of a run cut off in its first
    block only what --resume can go on with, as nothing can be compared yet. The exit status.

    conclude: is given the folder's name too, as said to the user. earlier: the run's folder, where it
    has one."""
    program, done = run.command.split()[0], len(run.samples)
    status = exit_status(run)
    block = sum(len(cell.configurations) for cell in run.plan.cells)
    enough = run.complete or done >= (1 if program == options.PROGRAM else block)
    if not run.complete and (enough or status == EX_INTERRUPTED):
        kept = "what was measured follows" if enough else "nothing was written"
        say(sys.stderr, f"{program}: stopped after {done} of {len(run.plan.steps)} runs; {kept}\n")
    if not enough:
        return status
    results = run.results()
    folder = earlier or (new_folder(directory, run.plan.label) if directory else None)
    where = shown(folder, Path.cwd()) if folder else ""
    said = conclude(run, results, where)
    try:
        if folder:
            write(run, results, folder, said.files)
    finally:  # a full disk loses no figures
        say(sys.stdout, said.text)
    if folder:
        say(sys.stdout, f"\nseed {run.plan.seed}; written to {where}/\n")
        if not run.complete and program == options.PROGRAM:
            say(sys.stderr, f"{program}: --resume {where} goes on with it\n")
    return status or said.status


def write(
    run: Run, results: Sequence[CellResult], folder: Path, more: Mapping[str, str] = {}
) -> None:
    """All files of a run, and more by their names; after a reference run also what documents say of the
    newest such. Raises LabError where one cannot be written."""
    report.write(folder, {"run.json": report.json_text(to_json(run, results)), **more})
    report.write_run(run, results, folder)
    if run.plan.label.startswith((documents.REFERENCE, documents.LADDER_REFERENCE)):
        for path, text in documents.generated(folder.resolve().parent).items():
            report.write(path.parent, {path.name: text})
