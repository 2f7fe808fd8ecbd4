#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/bench and the other programs of the lab are links to this: under the name of each it runs
the module of that name in scripts/lab/programs. See their --help and scripts/lab/README.md."""

import importlib
import sys
from pathlib import Path

from lab.machine import program

if __name__ == "__main__":
    name = Path(sys.argv[0]).name
    try:
        module = importlib.import_module(f"lab.programs.{name}")
    except ModuleNotFoundError as error:
        if str(error.name).startswith("lab."):
            sys.exit(f"scripts/{name} is no program of the lab: scripts/bench and others are links to it")
        sys.exit(f"scripts/{name}: this Python has no {error.name}: scripts/deps bench installs it")
    cannot = getattr(module, "CANNOT", 1)  # the exit status when it could not run
    sys.exit(program.run(f"scripts/{name}", module.main, cannot))
