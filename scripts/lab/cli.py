# SPDX-License-Identifier: MIT
"""scripts/bench: options, presets, messages, exit codes.

0: done. 1: could not run (one line says why). 64: bad option. 130: interrupted.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Sequence

from . import conclusions, environment, options as choosing, run as running, site, syscalls
from . import table, wrk
from .backend import Backend
from .children import STOPPING, Children, interruptible
from .document import Run, command_line, utc
from .environment import ROOT
from .errors import LabError
from .measure import Bench, Programs
from .plan import Plan
from .progress import Progress
from .quiet import Patience

EX_INTERRUPTED = 130
FLOOR = "build/floor"

def find_programs(
    plan: Plan, server: str, wrk_path: str, folder: Path, backend: Backend | None = None
) -> Programs:
    """Raises LabError for the first program that is not there."""
    if not os.access(ROOT / server, os.X_OK):
        raise LabError(f"no server at {server}: build it with make, or give --server=PATH")
    if any(c.floor for cell in plan.cells for c in cell.configurations) and not os.access(ROOT / FLOOR, os.X_OK):
        raise LabError(f"no floor server at {FLOOR}: build it with make floor")
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
        print(f"scripts/bench: {error}", file=sys.stderr)
        run.stopped_by, code = str(error), 1
    progress.clear()
    return code


def _bench(argv: Sequence[str]) -> int:
    options = choosing.parser().parse_args(argv)
    notes: list[str] = []
    plan = choosing.make_plan(options, notes)
    if options.list:
        sys.stdout.write(choosing.describe(plan))
        return 0
    wrk_path = wrk.find()
    server = server_path(options.server)
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
            print(choosing.estimate(plan), *notes, sep="\n", file=sys.stderr)
        code = perform(run, programs, choosing.patience_s(options))
    _report(run, Path(options.results) if options.results else ROOT / "results")
    return code


def _report(run: Run, directory: Path) -> None:
    """Tables to stdout, files below directory; nothing of a run cut off in its first block."""
    done, planned = len(run.samples), len(run.plan.steps)
    if not run.complete:
        # A first block in full is the least that compares anything.
        enough = done * run.plan.blocks >= planned
        kept = "what was measured follows" if enough else "nothing was written"
        if enough or run.stopped_by in {number.name for number in STOPPING}:
            print(f"scripts/bench: stopped after {done} of {planned} runs; {kept}", file=sys.stderr)
        if not enough:
            return
    results = run.results()
    run.conclusions, run.conclusion_lines = conclusions.draw(run.plan, results)
    _print(
        table.render_text(run.plan, results, _width(), run.conclusion_lines, run.notes)
    )
    folder = running.write(run, results, directory)
    try:
        shown = folder.resolve().relative_to(Path.cwd())
    except ValueError:
        shown = folder
    _print(f"\nseed {run.plan.seed}; written to {shown}/\n")


def _width() -> int:
    """A terminal's own width, within reason; a file or a pipe gets every column."""
    if not sys.stdout.isatty():
        return table.WIDTH
    return max(60, min(table.WIDTH, shutil.get_terminal_size().columns))


def _print(text: str) -> None:
    """To stdout; in a locale without the signs used, with the nearest ASCII."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate({ord("µ"): "u", ord("×"): "x", ord("–"): "-"})
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    interruptible()
    try:
        return _bench(sys.argv[1:])
    except LabError as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
