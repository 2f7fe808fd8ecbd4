# SPDX-License-Identifier: MIT
"""Libraries that stand before the C library: what a test cannot get the kernel or the world to do."""

import subprocess
from pathlib import Path

import pytest

from support.variant import ROOT, VARIANT

needs_release = pytest.mark.skipif(VARIANT != "release", reason="a sanitizer must be the first library")


def built(name: str, folder: Path) -> Path:
    """For LD_PRELOAD: tests/support/NAME.c, compiled in that folder."""
    library, source = folder / f"{name}.so", ROOT / "tests" / "support" / f"{name}.c"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library
