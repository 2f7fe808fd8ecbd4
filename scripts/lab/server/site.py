# SPDX-License-Identifier: MIT
"""The folder of files that every server serves: /files/1k, 100k, 1m, and two fixed answers.

The bytes are pseudo-random, so that nothing compresses them, and the same in every run. For
workloads that ask for a set of files, more than a server may be able to keep in memory, there
is /files/set/0000 and so on.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from ..machine.errors import LabError
from ..ask.workloads import FILE_SIZES, SET_FILE_BYTES, Workload

NAME = "site"
_SEED = 1
_ON_DISK = "/var/tmp"  # rather than /tmp, which may be memory itself
_NO_DISK = ("tmpfs", "ramfs")


@contextmanager
def folder() -> Iterator[Path]:
    """The lab's temporary folder, readable by an unprivileged server; gone on leaving."""
    # TMPDIR's, where that is given; else rather on a disk.
    place = _ON_DISK if "TMPDIR" not in os.environ and os.access(_ON_DISK, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lab-", dir=place, ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        build(Path(made) / NAME)
        yield Path(made)


def build(folder: Path) -> None:
    files = folder / "files"
    files.mkdir(parents=True)
    dice = random.Random(_SEED)
    for name, size in FILE_SIZES.items():
        (files / name).write_bytes(dice.randbytes(size))
    (folder / "hello").write_bytes(b"Hello, World!")
    (folder / "json").write_bytes(b'{"message":"Hello, World!"}')


def set_files(folder: Path, workload: Workload) -> list[Path]:
    """The paths of the set that a workload asks for, below the lab's folder."""
    place = folder / NAME / "files" / "set"
    return [place / f"{number:04}" for number in range(workload.set_files)]


def forget(folder: Path, workload: Workload) -> None:
    """Makes the set, if there is none yet, and drops it from memory, so that it is charged to
    whoever reads it next. Raises LabError where it is on no disk to be dropped from."""
    paths = set_files(folder, workload)
    try:
        if not paths[-1].exists():
            _make_set(paths)
        for path in paths:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        raise LabError(f"a set of files in {folder.parent}: {error.strerror}") from None


def _make_set(paths: list[Path]) -> None:
    place = paths[0].parent
    place.mkdir(exist_ok=True)
    said = subprocess.run(["stat", "-f", "-c", "%T", place], stdout=subprocess.PIPE, check=False)
    kind = said.stdout.decode().strip()
    if kind in _NO_DISK:
        raise LabError(
            f"a set of files on {kind} cannot leave memory: let TMPDIR be a folder on a disk"
        )
    dice = random.Random(_SEED)
    for path in paths:
        with path.open("wb") as file:
            file.write(dice.randbytes(SET_FILE_BYTES))
            file.flush()
            os.fsync(file.fileno())  # only what is on the disk can be dropped
