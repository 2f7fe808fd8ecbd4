# SPDX-License-Identifier: MIT
"""The folder of files that every server serves: /files/1k, 100k, 1m, and two fixed answers.

The bytes are pseudo-random, so that nothing compresses them, and the same in every run.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

from .workloads import FILE_SIZES

NAME = "site"
_SEED = 1


class Folder:
    """The lab's temporary folder, readable by an unprivileged server; gone on leaving."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(prefix="lab-"))
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
