# SPDX-License-Identifier: MIT
"""A server with little memory, and files that have to share it with its processes."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import made  # first: it makes the lab importable

import pytest
from lab.machine import cgroup
from lab.machine.children import Children
from lab.machine.errors import LabError
from lab.ask.workloads import SET_FILE_BYTES, idle_files
from lab.server import site
from lab.measure import wrk
from lab.programs import options

FEW = replace(idle_files(16), set_files=64)  # 4 MB
REASON = cgroup.problem()
needs_cgroup = pytest.mark.skipif(REASON is not None, reason=REASON or "")


@needs_cgroup
def test_a_limited_child_is_charged_for_the_files_it_reads_first() -> None:
    with site.folder() as folder, Children() as children:
        paths = site.set_files(folder, FEW)
        whole = FEW.set_files * SET_FILE_BYTES

        def read(limit_bytes: int) -> tuple[int, int]:
            """What is charged after reading all, and after it was dropped again."""
            site.forget(folder, FEW)
            with cgroup.limited(limit_bytes) as memory:
                assert memory is not None
                cpus = sorted(os.sched_getaffinity(0))
                argv = ["cat", *map(str, paths)]
                child = children.start(argv, cpus, made.ROOT, memory=memory)
                assert child.wait() == 0
                children.ended(child)
                charged = memory.cached_bytes()
                assert charged <= limit_bytes
                site.forget(folder, FEW)
                return charged, memory.cached_bytes()

        charged, dropped = read(64 << 20)
        assert charged >= whole and dropped < whole / 4
        assert read(3 << 20)[0] < 3 << 20 < whole
    assert cgroup.problem() is None, "and none is left that would be in the way"


@needs_cgroup
def test_who_finds_no_room_is_killed_and_that_is_known() -> None:
    greedy = "x = bytearray(64 << 20)"
    with Children() as children, cgroup.limited(16 << 20) as memory:
        assert memory is not None and memory.killed() == 0
        cpus = sorted(os.sched_getaffinity(0))
        child = children.start(["/usr/bin/python3", "-c", greedy], cpus, made.ROOT, memory=memory)
        assert child.wait() == -signal.SIGKILL
        children.ended(child)
        assert memory.killed() == 1


def test_no_limit_is_no_cgroup() -> None:
    with cgroup.limited(0) as memory:
        assert memory is None


def test_a_machine_without_memory_cgroups_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup, "MOUNT", tmp_path)
    assert "no cgroups that limit memory" in str(cgroup.problem())
    (tmp_path / "cgroup.subtree_control").write_text("cpu io")
    assert "no cgroups that limit memory" in str(cgroup.problem())
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory")
    assert "no memory cgroup can be made: No such file" in str(cgroup.problem())
    assert [path.name for path in tmp_path.iterdir()] == ["cgroup.subtree_control"]
    with monkeypatch.context() as made:  # a container may make one and put nobody into it
        made.setattr(cgroup.Memory, "limit", lambda self, limit_bytes: None)
        assert cgroup.problem() == "no process can be put into a memory cgroup here"
    notes: list[str] = []
    monkeypatch.setattr(cgroup, "problem", lambda: "there are none")
    plan = options.make_plan(options.parser().parse_args(["--external"]), notes)
    assert plan.cells and not any(cell.workload.memory_bytes for cell in plan.cells)
    assert notes == ["workloads that limit memory are left out: there are none"]
    alone = ["--external", "--workloads=idle-files:16,idle-files:256"]
    with pytest.raises(LabError, match="there are none"):
        options.make_plan(options.parser().parse_args(alone), [])


@pytest.mark.parametrize(
    "unified, names, stat",
    [
        (True, {"memory.max": "8192", "memory.swap.max": "0"}, "anon 1\nfile 500\nshmem 100\n"),
        (False, {"memory.limit_in_bytes": "8192", "memory.swappiness": "0"},
         "cache 500\nrss 1\nshmem 100\n"),
    ],
)  # fmt: skip
def test_both_versions_are_told_in_their_own_words(
    tmp_path: Path, unified: bool, names: dict[str, str], stat: str
) -> None:
    memory = cgroup.Memory(tmp_path, unified)
    limit, swap = names
    with pytest.raises(FileNotFoundError):  # as the kernel has it: no file is ever made
        memory.limit(8192)
    (tmp_path / limit).touch()
    memory.limit(8192)  # without swap there is nothing to be said of it
    (tmp_path / swap).touch()
    memory.limit(8192)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == names
    (tmp_path / "memory.stat").write_text(stat)
    assert memory.cached_bytes() == 400


def test_the_set_is_made_once_and_served() -> None:
    with site.folder() as folder:
        site.forget(folder, FEW)
        paths = site.set_files(folder, FEW)
        assert [path.stat().st_size for path in paths] == [SET_FILE_BYTES] * FEW.set_files
        assert len({path.read_bytes() for path in paths}) == len(paths)
        assert folder / site.NAME / FEW.target.lstrip("/") == paths[0]
        before = [path.stat().st_mtime_ns for path in paths]
        site.forget(folder, FEW)
        assert [path.stat().st_mtime_ns for path in paths] == before
    assert not folder.exists()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no file system in memory here")
def test_a_set_that_cannot_leave_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "_ON_DISK", "/dev/shm")
    with site.folder() as folder, pytest.raises(LabError, match="tmpfs cannot leave memory"):
        site.forget(folder, FEW)


def test_wrk_is_told_how_many_files_there_are() -> None:
    argv = wrk.Command(FEW, 4, (0,), 1.0, 1).argv
    url = "http://127.0.0.1:1/files/set/0000"
    assert argv[-5:] == ["-s", "scripts/wrk/set.lua", url, "--", "64"]
