# SPDX-License-Identifier: MIT
"""scripts/bench: a plan from its options or from an earlier run, measured, shown and kept.

A run that is stopped, by a signal or because its terminal is gone, keeps what was measured:
files are written before anything is said of them.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..machine.errors import LabError, UsageError
from ..machine.hosts import Hosts
from ..machine.program import Parser, say
from ..ask.plan import OURS, PEERS
from ..ask.workloads import WORKLOADS
from ..judge import conclusions
from ..judge.analysis import CellResult
from ..show import reading, table
from ..show.document import Run, utc
from . import against, options as choosing, run as running
from .options import PROGRAM
from .run import Said

BESIDE = ("resume", "budget", "list")  # options that do not change what is measured
SAME = ("cpu", "cores", "kernel", "server_version")  # or the blocks would not belong together


def main(argv: Sequence[str]) -> int:
    parser = choosing.parser()
    options = parser.parse_args(argv)
    if options.fail_if and not options.against:
        raise UsageError("--fail-if goes with --against only")
    earlier, given = taken_up(parser, options) if options.resume and not options.against else (None, options)
    with choosing.hosts(given) as hosts:
        if options.against:
            return against.against(options, argv, hosts)
        return _bench(options, argv, earlier, given.server, hosts)


def _bench(
    options: argparse.Namespace, argv: Sequence[str], earlier: Run | None, server: str, hosts: Hosts
) -> int:
    notes: list[str] = []
    plan = earlier.plan if earlier else choosing.make_plan(options, notes, hosts)
    if options.list:
        lines = [f"models: {', '.join(OURS)}; peers: {', '.join(PEERS)}; workloads:"]
        lines += [f"  {w.name:18}{w.target:30}{w.shape}" for w in WORKLOADS.values()]
        lines += [choosing.describe(plan) + "".join(f"{note}\n" for note in notes)]
        say(sys.stdout, "\n".join(lines))
        return 0
    if earlier and earlier.complete:
        say(sys.stdout, f"{options.resume} is complete, and left as it is: --budget goes on with it\n")
        return 0
    folder = Path(options.resume).resolve() if earlier else None
    directory = folder.parent if folder else options.results
    with running.prepared(PROGRAM, argv, plan, server, directory, hosts) as (run, programs):
        if earlier:
            check_same(earlier, run.environment)
            run = earlier
        run.notes[:0] = notes
        if options.preset != "quick" or sys.stderr.isatty():
            say(sys.stderr, "\n".join([choosing.estimate(plan), *run.notes]) + "\n")
        running.perform(run, programs)
    return running.finish(run, directory, _conclude, folder)


def _conclude(run: Run, results: Sequence[CellResult], _where: str) -> Said:
    run.conclusions, run.conclusion_lines = conclusions.draw(run.plan, results)
    return Said(table.render_text(run.plan, results, _width(), run.conclusion_lines, run.notes))


def _width() -> int:
    """A terminal's own width, within reason; a file or a pipe gets every column."""
    if not sys.stdout.isatty():
        return table.WIDTH
    return max(60, min(table.WIDTH, shutil.get_terminal_size().columns))


# --- a run that was stopped, or gets a further budget ------------------------------------------


def taken_up(parser: Parser, options: argparse.Namespace) -> tuple[Run, argparse.Namespace]:
    """The run that --resume goes on with, as it was left, and the options given there. It is complete where
    there is nothing to go on with. Raises LabError."""
    defaults = vars(parser.parse_args([]))
    for name, value in vars(options).items():
        if value != defaults[name] and name not in BESIDE:
            option = value if name == "preset" else name.replace("_", "-")
            raise UsageError(f"--resume goes on with that run's own plan: not with --{option}")
    run = reading.read(Path(options.resume) / "run.json")
    program, *words = shlex.split(run.command)
    if program != PROGRAM:
        raise LabError(f"--resume {options.resume}: a run of {program}, which cannot be taken up again")
    if options.budget is not None:
        run.plan = replace(run.plan, budget_s=options.budget)
    run.notes.append(f"taken up again at {utc('%Y-%m-%dT%H:%M:%SZ')}, after {len(run.samples)} runs")
    run.complete, run.stopped_by = run.complete and not options.budget, None
    return run, parser.parse_args(words)


def check_same(run: Run, here: Mapping[str, Any]) -> None:
    """Raises LabError where the machine or the server is another than the run's."""
    for name in SAME:
        was, now = run.environment.get(name), here.get(name)
        if was != now:
            raise LabError(f"--resume: {name.replace('_', ' ')} was {was}, and is {now} here")
    for name in SAME[:-1]:
        was, now = (each.get("load_host", {}).get(name) for each in (run.environment, here))
        if was != now:
            raise LabError(f"--resume: the load's {name} was {was}, and is {now}")
