# SPDX-License-Identifier: MIT
"""Whether a server can be run under strace here."""

import shutil
import subprocess

from support.variant import VARIANT


def can_trace() -> bool:
    if VARIANT != "release" or shutil.which("strace") is None:
        return False
    done = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False)
    return done.returncode == 0
