# SPDX-License-Identifier: MIT
"""A memory cgroup for one server: what it has beyond its processes is left for cached files.

Everything is charged that the kernel charges: memory of processes and threads, their kernel
stacks and page tables, and the pages of files that were first read inside. There is no swap
in it, or idle processes would be swapped out and the limit not be felt.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from .errors import LabError

MOUNT = Path("/sys/fs/cgroup")
REMOVED_WITHIN_S = 5.0
ENOUGH = 64 << 20  # for a process that does nothing
NO_ROOM = "it does not fit into the memory there is"


class Memory:
    """One cgroup, of version 1 or 2 as the machine has it."""

    def __init__(self, folder: Path, unified: bool) -> None:
        self._folder = folder
        self._unified = unified

    def limit(self, limit_bytes: int) -> None:
        """Raises OSError."""
        self._write("memory.max" if self._unified else "memory.limit_in_bytes", limit_bytes)
        with suppress(FileNotFoundError):  # a kernel without swap has no such file
            self._write("memory.swap.max" if self._unified else "memory.swappiness", 0)

    def join(self) -> None:
        """For the calling process and all that it starts. Between fork and exec, say."""
        self._write("cgroup.procs", 0)

    def cached_bytes(self) -> int:
        """Pages of files that are in memory, those of shared memory not counted."""
        fields = dict(line.split() for line in self._read("memory.stat").splitlines())
        return int(fields["file" if self._unified else "cache"]) - int(fields.get("shmem", 0))

    def killed(self) -> int:
        """Processes that the kernel killed because they found no room."""
        text = self._read("memory.events" if self._unified else "memory.oom_control")
        return int(dict(line.split() for line in text.splitlines()).get("oom_kill", 0))

    def _write(self, name: str, value: int) -> None:
        descriptor = os.open(self._folder / name, os.O_WRONLY)  # never to be created
        try:
            os.write(descriptor, str(value).encode())
        finally:
            os.close(descriptor)

    def _read(self, name: str) -> str:
        return (self._folder / name).read_text()

    def remove(self) -> None:
        """Its processes have ended; the kernel may need a moment to see that. One that is in use for
        longer is left, as nothing that was measured is to be lost for it."""
        deadline = time.monotonic() + REMOVED_WITHIN_S
        while self._folder.exists() and time.monotonic() < deadline:
            try:
                self._folder.rmdir()
            except OSError:
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


def problem() -> str | None:
    """Why there can be none here; None where there can, found out by a process that joins one."""
    try:
        with limited(ENOUGH) as memory:
            assert memory is not None
            subprocess.run(["true"], preexec_fn=memory.join, check=True)
    except LabError as error:
        return str(error)
    except (OSError, subprocess.SubprocessError):
        return "no process can be put into a memory cgroup here"
    return None


@contextmanager
def limited(limit_bytes: int) -> Iterator[Memory | None]:
    """A cgroup that is gone on leaving; None for no limit. Raises LabError."""
    if not limit_bytes:
        yield None
        return
    parent, unified = _parent()
    folder = parent / f"lab-{os.getpid()}-{time.monotonic_ns()}"
    memory = Memory(folder, unified)
    try:
        try:
            folder.mkdir()
            memory.limit(limit_bytes)
        except OSError as error:
            raise LabError(f"no memory cgroup can be made: {error.strerror} (root may)") from None
        yield memory
    finally:
        memory.remove()
