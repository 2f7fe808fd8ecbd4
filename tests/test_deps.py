# SPDX-License-Identifier: MIT
"""scripts/deps, with stand-ins for dpkg and apt-get: nothing is installed here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"

# Fails so many times with those words, then does nothing; writes down how it was called.
APT_GET = """#!/bin/sh
echo "$*" >>"{log}"
if [ "$2" = update ] && [ "$(grep -c update "{log}")" -le {failures} ]; then
    echo "{words}" >&2
    exit 100
fi
"""


def deps(folder: Path, failures: int, words: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    log = folder / "log"
    programs = {
        "dpkg-query": "#!/bin/sh\n",
        "sudo": '#!/bin/sh\nexec "$@"\n',
        "apt-get": APT_GET.format(log=log, failures=failures, words=words),
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    # With no PostgreSQL in the list nothing is written outside the folder.
    script = folder / "deps"
    script.write_text(
        "".join(
            line for line in (ROOT / "scripts/deps").read_text().splitlines(keepends=True)
            if not line.startswith("postgresql")
        )
    )  # fmt: skip
    done = subprocess.run(
        ["sh", script], env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done, log.read_text().splitlines()


def test_it_waits_for_the_lock_of_another_apt(tmp_path: Path) -> None:
    done, calls = deps(tmp_path, 2, LOCKED)
    assert done.returncode == 0, done.stderr
    assert [call for call in calls if call == "-q update"] == ["-q update"] * 3
    assert "-o DPkg::Lock::Timeout=600 install gcc " in calls[-1]


@pytest.mark.parametrize("words", ["E: The repository is not signed.", "E: no network"])
def test_what_else_is_wrong_is_said_at_once(tmp_path: Path, words: str) -> None:
    done, calls = deps(tmp_path, 9, words)
    assert done.returncode != 0 and words in done.stderr
    assert calls == ["-q update"]
