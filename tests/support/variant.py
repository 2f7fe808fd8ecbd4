# SPDX-License-Identifier: MIT
"""Which build of the server, and of the load generator, is under test, and how patient to be with it.

A sanitizer makes the server several times slower. Every bound on time in the
tests is written for the release build on a quiet machine's worst day and goes
through patience(); a bound is there to catch a hang or a stall, never to
measure the machine.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.path.abspath(os.environ.get("SERVER", str(ROOT / "server")))
LOAD = os.path.abspath(os.environ.get("LOAD", str(ROOT / "scripts" / "load")))
VARIANT = os.environ.get("SERVER_VARIANT", "release")

_SLOWER = {"release": 1.0, "asan": 3.0, "tsan": 5.0}
if VARIANT not in _SLOWER:
    raise SystemExit(f"SERVER_VARIANT={VARIANT}: expected one of {', '.join(_SLOWER)}")


def patience(seconds: float) -> float:
    """The bound to use where a release build is given this many seconds."""
    return seconds * _SLOWER[VARIANT]


def fewer(count: int) -> int:
    """How often to repeat what a release build is made to do this many times."""
    return max(1, round(count / _SLOWER[VARIANT]))
