# SPDX-License-Identifier: MIT
"""Where the database is that nobody has named: never in the folder that the server runs in."""

import os
from pathlib import Path
from typing import Any, Dict

import pytest

from support.configurations import only
from support.database import databases, read_row, read_rows
from support.server import Launcher

NAMED = r"^info: --db: nothing is named, rows are kept in (\S+)$"
each_kind = only("prefork", "threads", "coro")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: Any) -> Path:
    """The folder that servers run in; nothing may be found there afterwards."""
    inside = tmp_path / "runs-in"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return tmp_path


def environment(**variables: Path) -> Dict[str, str]:
    """An empty variable counts as unset."""
    names = ("STATE_DIRECTORY", "XDG_STATE_HOME", "TMPDIR")
    return {name: str(variables.get(name, "")) for name in names}


def check(launch: Launcher, folder: Path, found: Path, **variables: Path) -> None:
    server = launch(environment=environment(**variables))
    for _ in range(3):
        read_row(server.get("/db"))
        read_rows(server.get("/updates?n=2"), 2)
    server.wait_for_line(NAMED)
    assert [line.split()[-1] for line in server.lines if "rows are kept" in line] == [str(found)]
    server.stop()
    databases.verify(f"sqlite:{found}")
    assert not list((folder / "runs-in").iterdir())


def test_for_systemd(launch: Launcher, folder: Path) -> None:
    """Of several folders the first; and it wins over what a user's session says."""
    first, second = folder / "first", folder / "second"
    first.mkdir()
    check(launch, folder, first / "world.sqlite", STATE_DIRECTORY=Path(f"{first}:{second}"),
          XDG_STATE_HOME=folder / "xdg")  # fmt: skip
    assert not second.exists() and not (folder / "xdg").exists()


@each_kind
def test_of_a_user(launch: Launcher, folder: Path) -> None:
    check(launch, folder, folder / "a" / "b" / "server" / "world.sqlite", XDG_STATE_HOME=folder / "a/b")
    assert (folder / "a" / "b" / "server").stat().st_mode & 0o777 == 0o700


@each_kind
def test_for_temporary_files(launch: Launcher, folder: Path) -> None:
    made = folder / f"server-{os.geteuid()}"
    check(launch, folder, made / "world.sqlite", TMPDIR=folder)
    assert made.stat().st_mode & 0o777 == 0o700


@each_kind
def test_relative_ones_do_not_count(launch: Launcher, folder: Path) -> None:
    check(launch, folder, folder / f"server-{os.geteuid()}" / "world.sqlite", TMPDIR=folder,
          XDG_STATE_HOME=Path("xdg"), STATE_DIRECTORY=Path("state"))  # fmt: skip


@each_kind
@pytest.mark.parametrize("what", ["link", "open", "file"])
def test_prepared_by_somebody_else(launch: Launcher, folder: Path, what: str) -> None:
    """Where anybody may write, a folder of this name may be anybody's."""
    trap, elsewhere = folder / f"server-{os.geteuid()}", folder / "elsewhere"
    elsewhere.mkdir(0o700)
    if what == "link":
        trap.symlink_to(elsewhere)
    elif what == "open":
        trap.mkdir()
        trap.chmod(0o777)
    else:
        trap.touch()
    server = launch(environment=environment(TMPDIR=folder))
    assert server.get("/db").status == 500
    server.wait_for_line(rf"^warn.* --db: {trap} is not a folder that is ours alone|{trap}: ")
    assert not list(elsewhere.iterdir())
    assert trap.is_file() or not list(trap.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder somebody else's")
@each_kind
def test_folder_of_somebody_else(launch: Launcher, folder: Path) -> None:
    trap = folder / f"server-{os.geteuid()}"
    trap.mkdir(0o700)
    os.chown(trap, 65534, 65534)
    server = launch(environment=environment(TMPDIR=folder))
    assert server.get("/db").status == 500
    server.wait_for_line(r"^warn.* --db: .* is not a folder that is ours alone")
    assert not list(trap.iterdir())


@each_kind
def test_cannot_be_made(launch: Launcher, folder: Path) -> None:
    (folder / "file").touch()
    server = launch(environment=environment(XDG_STATE_HOME=folder / "file"))
    assert server.get("/db").status == 500
    server.wait_for_line(r"^warn.* --db: cannot make the folder .*/file/server: Not a directory")
