# SPDX-License-Identifier: MIT
"""npm packages that tests compare with, at the version and with the hashes of a package-lock.json. They are
installed below build/, once; without npm, which scripts/deps does not install, those tests are skipped."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from support.variant import ROOT


def installed(folder: Path) -> Path:
    """node_modules/ of the package.json in that folder of tests."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here")
    place = ROOT / "build" / "npm" / folder.name
    modules = place / "node_modules"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        files = [folder / name for name in ("package.json", "package-lock.json")]
        if not modules.is_dir() or any(file.read_bytes() != (place / file.name).read_bytes() for file in files):
            for file in files:
                shutil.copy(file, place)
            done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place,
                                  capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
            if done.returncode != 0:
                shutil.rmtree(modules, ignore_errors=True)
                pytest.skip(f"npm could not install what {folder.name} names: {done.stderr.strip().splitlines()[:1]}")
    return modules
