# SPDX-License-Identifier: MIT
"""A memory cgroup for one server: what it has beyond its processes is left for cached files.

Everything is charged that the kernel charges: memory of processes and threads, their kernel
stacks and page tables, and the pages of files that were first read inside. There is no swap
in it, or idle processes would be swapped out and the limit not be felt.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from .errors import LabError

MOUNT = Path("/sys/fs/cgroup")
REMOVED_WITHIN_S = 5.0


class Memory:
    """One cgroup, of version 1 or 2 as the machine has it."""

    def __init__(self, folder: Path, unified: bool) -> None:
        self._folder = folder
        self._unified = unified

    def limit(self, limit_bytes: int) -> None:
        values = (
            {"memory.max": limit_bytes, "memory.swap.max": 0}
            if self._unified
            else {"memory.limit_in_bytes": limit_bytes, "memory.swappiness": 0}
        )
        for name, value in values.items():
            with suppress(FileNotFoundError):  # a kernel without swap has no such file
                (self._folder / name).write_text(str(value))

    def join(self) -> None:
        """For the calling process and all that it starts. Between fork and exec, say."""
        (self._folder / "cgroup.procs").write_text("0")

    def cached_bytes(self) -> int:
        """Pages of files that are in memory, those of shared memory not counted."""
        fields = dict(line.split() for line in self._read("memory.stat").splitlines())
        return int(fields["file" if self._unified else "cache"]) - int(fields.get("shmem", 0))

    def used_bytes(self) -> int:
        return int(self._read("memory.current" if self._unified else "memory.usage_in_bytes"))

    def _read(self, name: str) -> str:
        return (self._folder / name).read_text()

    def remove(self) -> None:
        """Its processes have ended; the kernel may need a moment to see that."""
        deadline = time.monotonic() + REMOVED_WITHIN_S
        while True:
            try:
                self._folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _parent() -> tuple[Path, bool]:
    """Where one can be made, and whether of version 2. Raises LabError."""
    control = MOUNT / "cgroup.subtree_control"
    if control.exists():
        if "memory" in control.read_text().split():
            return MOUNT, True
    else:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _number, controllers, path = line.split(":", 2)
            own = MOUNT / "memory" / path.lstrip("/")
            if "memory" in controllers.split(",") and own.is_dir():
                return own, False
    raise LabError("this machine has no cgroups that limit memory")


def _made() -> Memory:
    parent, unified = _parent()
    folder = parent / f"lab-{os.getpid()}-{time.monotonic_ns()}"
    try:
        folder.mkdir()
    except OSError as error:
        raise LabError(f"no memory cgroup can be made: {error.strerror} (root may)") from None
    return Memory(folder, unified)


def problem() -> str | None:
    """Why there can be none here; None where there can."""
    try:
        _made().remove()
    except LabError as error:
        return str(error)
    return None


@contextmanager
def limited(limit_bytes: int) -> Iterator[Memory | None]:
    """A cgroup that is gone on leaving; None for no limit. Raises LabError."""
    if not limit_bytes:
        yield None
        return
    memory = _made()
    try:
        memory.limit(limit_bytes)
        yield memory
    finally:
        memory.remove()
