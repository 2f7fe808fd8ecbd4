# SPDX-License-Identifier: MIT
"""Building and running scripts/coro-bench/bench.c, which measures one thing once."""

from __future__ import annotations

import os
import subprocess
from typing import Sequence

from ..machine.children import Children
from ..machine.errors import LabError
from .environment import ROOT

PROGRAM = ROOT / "build" / "coro-bench"


def build() -> None:
    """The library and the program, with the flags of a release. Raises LabError."""
    compiler = os.environ.get("CC", "cc").split()
    for argv in (
        ["make", "-s", "build/release/libcoro.a"],
        [*compiler, "-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Isrc",
         "-o", str(PROGRAM), "scripts/coro-bench/bench.c", "build/release/libcoro.a",
         "-lboost_context", "-lev", "-lpthread"],
    ):  # fmt: skip
        try:
            subprocess.run(argv, cwd=ROOT, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise LabError(f"scripts/coro-bench/bench.c could not be built: {error}") from None


def measure(children: Children, what: str, cpus: Sequence[int]) -> dict[str, tuple[float, str]]:
    """One run, pinned: name -> (value, unit). Raises LabError when the program fails."""
    child = children.start([str(PROGRAM), what], cpus, ROOT, stdout=subprocess.PIPE)
    output = child.communicate()[0].decode()
    children.ended(child)
    if child.returncode != 0:
        raise LabError(f"{PROGRAM.name} {what} failed with {child.returncode}")
    lines = (line.split() for line in output.splitlines())
    return {name: (float(value), unit) for name, value, unit in lines}
