# SPDX-License-Identifier: MIT
"""scripts/bench: options, presets, messages, exit codes.

A run that is stopped, by a signal or because its terminal is gone, keeps what was measured:
files are written before anything is said of them.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Sequence

from ..machine import program
from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.program import EX_INTERRUPTED, STOPPING, say
from ..machine.quiet import Patience
from ..ask.plan import Plan
from ..server import site
from ..server.backend import Backend
from ..measure import environment, syscalls, wrk
from ..measure.environment import ROOT
from ..measure.measurement import Bench, Programs
from ..judge import conclusions
from ..show import table
from ..show.document import Run, command_line, utc
from . import options as choosing, run as running
from .progress import Progress

FLOOR = "build/floor"

def find_programs(
    plan: Plan, server: str, wrk_path: str, folder: Path, backend: Backend | None = None
) -> Programs:
    """Raises LabError for the first program that is not there."""
    if not os.access(ROOT / server, os.X_OK):
        raise LabError(f"no server at {server}: build it with make, or give --server=PATH")
    if any(c.floor for cell in plan.cells for c in cell.configurations) and not os.access(ROOT / FLOOR, os.X_OK):
        raise LabError(f"no floor server at {FLOOR}: build it with make")
    return Programs(ROOT, server, FLOOR, wrk_path, folder, backend or Backend(False))


def server_path(given: str) -> str:
    """As given from where the lab was called, turned into what works from ROOT."""
    path = Path(given)
    if path.is_absolute() or given == "./server":
        return given
    try:
        return "./" + str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path.resolve())


def perform(run: Run, programs: Programs, patience_s: float) -> int:
    """Everything of a plan, into run. The exit status: what was measured until a stop stays."""
    plan = run.plan
    progress = Progress(sys.stderr, len(plan.steps), running.seconds_planned(plan))
    code = 0
    try:
        with Children() as children:
            bench = Bench(children, programs, plan)
            patience = Patience(patience_s, plan.cores.together)
            for sample in running.execute(bench, progress, patience):
                run.samples.append(sample)
            if plan.syscalls:
                progress.say("counting system calls")
                run.counts += running.count_syscalls(bench)
                if not run.counts:
                    why = "could not trace" if syscalls.available() else "is not installed"
                    run.notes.append(f"system calls were not counted: strace {why}")
        run.complete = True
    except KeyboardInterrupt as stop:
        run.stopped_by, code = str(stop) or "SIGINT", EX_INTERRUPTED
    except LabError as error:
        progress.clear()
        say(sys.stderr, f"scripts/bench: {error}\n")
        run.stopped_by, code = str(error), 1
    progress.clear()
    return code


def _bench(argv: Sequence[str]) -> int:
    options = choosing.parser().parse_args(argv)
    notes: list[str] = []
    plan = choosing.make_plan(options, notes)
    if options.list:
        say(sys.stdout, choosing.describe(plan) + "".join(f"{note}\n" for note in notes))
        return 0
    wrk_path = wrk.find()
    server = server_path(options.server)
    directory = Path(options.results) if options.results else ROOT / "results"
    running.check_writable(directory)
    asks = any(cell.workload.database for cell in plan.cells)
    with site.Folder() as folder, Backend(asks) as backend:
        programs = find_programs(plan, server, wrk_path, folder, backend)
        environment.raise_open_files()
        recorded = environment.record(server, wrk_path, plan)
        notes += environment.notes(recorded, plan)
        run = Run(
            plan,
            recorded,
            command_line("scripts/bench", argv),
            utc("%Y-%m-%dT%H:%M:%SZ"),
            notes=notes,
        )
        if options.preset != "quick" or sys.stderr.isatty():
            say(sys.stderr, "\n".join([choosing.estimate(plan), *notes]) + "\n")
        code = perform(run, programs, choosing.patience_s(options))
    _report(run, directory)
    return code


def _report(run: Run, directory: Path) -> None:
    """Tables to stdout, files below directory; nothing of a run cut off in its first block."""
    done, planned = len(run.samples), len(run.plan.steps)
    if not run.complete:
        enough = running.worth_keeping(run)
        kept = "what was measured follows" if enough else "nothing was written"
        if enough or run.stopped_by in {number.name for number in STOPPING}:
            say(sys.stderr, f"scripts/bench: stopped after {done} of {planned} runs; {kept}\n")
        if not enough:
            return
    results = run.results()
    run.conclusions, run.conclusion_lines = conclusions.draw(run.plan, results)
    text = table.render_text(run.plan, results, _width(), run.conclusion_lines, run.notes)
    try:
        folder = running.write(run, results, directory)
    finally:
        say(sys.stdout, text)
    say(sys.stdout, f"\nseed {run.plan.seed}; written to {shown(folder)}/\n")


def _width() -> int:
    """A terminal's own width, within reason; a file or a pipe gets every column."""
    if not sys.stdout.isatty():
        return table.WIDTH
    return max(60, min(table.WIDTH, shutil.get_terminal_size().columns))


def shown(folder: Path) -> str:
    """As a user in the current folder would name it."""
    try:
        return str(folder.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)


def main() -> int:
    return program.run("scripts/bench", _bench)
