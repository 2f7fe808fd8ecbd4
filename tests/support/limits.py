# SPDX-License-Identifier: MIT
"""Open files: as many as allowed for tests and the servers below them, and who needs more. A quota of CPU time."""

import os
import resource
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest

from support.waiting import eventually

# Beside connections: what a server keeps back of its descriptors, and what the tests have open.
BESIDE = 250


def raise_open_files() -> None:
    """A login shell's soft limit is often 1,024, and the hard one far above."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def need_open_files(connections: int) -> None:
    """Skips the test where a process may not have so many."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < connections + BESIDE:
        pytest.skip(f"{connections} connections need more descriptors than the {hard} allowed")


def _quota_cgroup() -> Path:
    """A cgroup that may use one core, made by root; skips where there can be none."""
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    for mount, limits in ((Path("/sys/fs/cgroup"), {"cpu.max": "90000 100000"}),
                          (Path("/sys/fs/cgroup/cpu"),
                           {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "90000"})):
        folder = mount / name
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            for file, value in limits.items():
                descriptor = os.open(folder / file, os.O_WRONLY)
                os.write(descriptor, value.encode())
                os.close(descriptor)
            return folder
        except OSError:
            folder.rmdir()
    pytest.skip("no cgroup with a CPU quota can be made here")


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


@contextmanager
def quota_of_one_core() -> Iterator[str]:
    """The shell's command that puts itself below that quota; skips on a machine of one core."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core is all there is")
    folder = _quota_cgroup()
    try:
        yield f"echo 0 >{folder}/cgroup.procs"
    finally:
        eventually("all have left it", lambda: _removed(folder))
