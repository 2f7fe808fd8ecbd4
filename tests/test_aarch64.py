# SPDX-License-Identifier: MIT
"""The coroutine library's AArch64 build and unit tests, under qemu-user."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(
    os.environ.get("SERVER_VARIANT", "release") != "release", reason="has a build of its own"
)
def test_aarch64() -> None:
    done = subprocess.run(
        [ROOT / "tests" / "aarch64"], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("aarch64: all passed")
