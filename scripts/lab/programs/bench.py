# SPDX-License-Identifier: MIT
"""scripts/bench: options, presets, messages, exit codes.

A run that is stopped, by a signal or because its terminal is gone, keeps what was measured:
files are written before anything is said of them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Sequence

from ..machine import program
from ..machine.errors import UsageError
from ..machine.program import STOPPING, say
from ..measure.environment import ROOT
from ..judge import conclusions
from ..show import table
from ..show.document import Run
from . import against, options as choosing, resume, run as running


def _bench(argv: Sequence[str]) -> int:
    parser = choosing.parser()
    options = parser.parse_args(argv)
    if options.against:
        return against.against(options, argv)
    if options.fail_if:
        raise UsageError("--fail-if goes with --against only")
    notes: list[str] = []
    earlier, server = resume.read(parser, options) if options.resume else (None, options.server)
    plan = earlier.plan if earlier else choosing.make_plan(options, notes)
    if options.list:
        say(sys.stdout, choosing.describe(plan) + "".join(f"{note}\n" for note in notes))
        return 0
    folder = Path(options.resume).resolve() if earlier else None
    directory = Path(options.results) if options.results else ROOT / "results"
    directory = folder.parent if folder else directory
    running.check_writable(directory)
    with running.prepared("scripts/bench", argv, plan, server) as (run, programs):
        if earlier:
            resume.check_same(earlier, run.environment)
            run = earlier
        run.notes[:0] = notes
        if options.preset != "quick" or sys.stderr.isatty():
            say(sys.stderr, "\n".join([choosing.estimate(plan), *run.notes]) + "\n")
        code = running.perform(run, programs)
    _report(run, directory, folder)
    return code


def _report(run: Run, directory: Path, folder: Path | None) -> None:
    """Tables to stdout, files below directory, in folder where the run has one; nothing of a run cut
    off in its first block."""
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
        folder = running.write(run, results, directory, folder)
    finally:
        say(sys.stdout, text)
    where = running.shown(folder)
    say(sys.stdout, f"\nseed {run.plan.seed}; written to {where}/\n")
    if not run.complete:
        say(sys.stderr, f"scripts/bench: --resume {where} goes on with it\n")


def _width() -> int:
    """A terminal's own width, within reason; a file or a pipe gets every column."""
    if not sys.stdout.isatty():
        return table.WIDTH
    return max(60, min(table.WIDTH, shutil.get_terminal_size().columns))


def main() -> int:
    return program.run("scripts/bench", _bench)
