# SPDX-License-Identifier: MIT
"""Runs of scripts/load."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from support.variant import LOAD, patience

MEASURED, NOTHING, VOID, BAD_USAGE = 0, 1, 3, 64


@dataclass
class Loaded:
    """What came of one run."""

    status: int
    figures: dict[str, Any]  # its JSON
    summary: str  # standard error: that, and progress


def prefer() -> None:
    """The calling process, and what it becomes, goes before all others, where that is allowed. For preexec_fn.
    Only for what sleeps now and then: at least a twentieth of a second is left to others in any case."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def start(*arguments: object, preferred: bool = False) -> subprocess.Popen[str]:
    """A run whose JSON is to be on its standard output."""
    words = [LOAD, *map(str, arguments), "--json=-"]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=prefer if preferred else None
    )


def finish(process: subprocess.Popen[str], within: float = 60) -> Loaded:
    try:
        output, errors = process.communicate(timeout=patience(within))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode in (MEASURED, VOID), errors
    return Loaded(process.returncode, json.loads(output), errors)


def load(*arguments: object) -> Loaded:
    return finish(start(*arguments))


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A run with these arguments and no others."""
    return subprocess.run(
        [LOAD, *map(str, arguments)], capture_output=True, text=True, timeout=patience(60), check=False
    )


def refused(*arguments: object) -> tuple[int, str]:
    """The exit status and what is said by one that measures nothing."""
    done = run(*arguments)
    assert done.stdout == ""
    return done.returncode, done.stderr


def errors(figures: dict[str, Any]) -> dict[str, int]:
    """Those that there were."""
    return {kind: count for kind, count in figures["errors"].items() if count}
