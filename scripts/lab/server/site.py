# SPDX-License-Identifier: MIT
"""The folder of files that every server serves: /files/1k, 100k, 1m, and two fixed answers.

The bytes are pseudo-random, so that nothing compresses them, and the same in every run. For
workloads that ask for a set of files, more than a server may be able to keep in memory, there
is /files/set/0000 and so on.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

from ..machine.errors import LabError
from ..ask.workloads import FILE_SIZES, SET_FILE_BYTES, Workload

NAME = "site"
_SEED = 1
_ON_DISK = "/var/tmp"  # rather than /tmp, which may be memory itself
_NO_DISK = ("tmpfs", "ramfs")


class Folder:
    """The lab's temporary folder, readable by an unprivileged server; gone on leaving."""

    def __enter__(self) -> Path:
        # TMPDIR's, where that is given; else rather on a disk.
        place = _ON_DISK if "TMPDIR" not in os.environ and os.access(_ON_DISK, os.W_OK) else None
        self._path = Path(tempfile.mkdtemp(prefix="lab-", dir=place))
        self._path.chmod(0o755)
        build(self._path / NAME)
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


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
        for descriptor in _opened(paths):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
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
        path.write_bytes(dice.randbytes(SET_FILE_BYTES))
    for descriptor in _opened(paths):
        os.fsync(descriptor)  # only what is written can be dropped


def _opened(paths: list[Path]) -> Iterator[int]:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
