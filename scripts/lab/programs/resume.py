# SPDX-License-Identifier: MIT
"""scripts/bench --resume DIR: goes on with a run that was stopped, or gives it a further budget."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping

from ..machine.errors import LabError, UsageError
from ..machine.program import Parser
from ..show import reading
from ..show.document import Run, utc

PROGRAM = "scripts/bench"
BESIDE = ("resume", "budget", "list")  # options that do not change what is measured
SAME = ("cpu", "cores", "kernel", "server_version")  # or the blocks would not belong together


def read(parser: Parser, options: argparse.Namespace) -> tuple[Run, str]:
    """The run as it was left, and its server as it was given there. Raises LabError."""
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
    run.complete, run.stopped_by, run.counts = False, None, []
    return run, str(parser.parse_args(words).server)


def check_same(run: Run, here: Mapping[str, Any]) -> None:
    """Raises LabError where the machine or the server is another than the run's."""
    for name in SAME:
        was, now = run.environment.get(name), here.get(name)
        if was != now:
            raise LabError(f"--resume: {name.replace('_', ' ')} was {was}, and is {now} here")
