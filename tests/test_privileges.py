# SPDX-License-Identifier: MIT
"""Root: when the server refuses to serve as it, and how it gives it up for good."""

from __future__ import annotations

import grp
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from support import processes
from support.configurations import only
from support.server import Launcher, Server
from support.variant import BINARY, patience
from support.waiting import eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to give up")
NOBODY = pwd.getpwnam("nobody")
DAEMON = grp.getgrnam("daemon")
# A sanitizer's own look at /proc when it reports a leak needs no rights; its files do.
FIELDS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs")


def _status(pid: int) -> Dict[str, List[str]]:
    text = Path(f"/proc/{pid}/status").read_text()
    return {
        name: value.split()
        for name, value in re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE) if name in FIELDS
    }


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", BINARY, *arguments], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=patience(20), check=False,
    )


def _every_process(server: Server) -> List[int]:
    return [server.pid, *server.wait_for_workers()]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that everybody may enter."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
    return tmp_path


@as_root
@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_root_does_not_serve_other_machines_unasked(listen: str) -> None:
    done = _run(f"--listen={listen}")
    if "family not supported" in done.stderr:
        pytest.skip("no IPv6 on this machine")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    for part in (listen, "as root", "--user", "--allow-root"):
        assert part in done.stderr


@as_root
@only("coro")
def test_root_may_serve_what_is_local(launch: Launcher, shared: Path) -> None:
    for listen in ("127.0.0.1:0", "127.0.0.2:0", "localhost:0", f"unix:{shared}/socket"):
        server = launch(listen=listen)
        assert server.get("/hello").status == 200
        assert _status(server.pid)["NoNewPrivs"] == ["1"]


@as_root
@only("coro")
def test_root_may_serve_others_when_asked(launch: Launcher) -> None:
    server = launch("--allow-root", listen="0.0.0.0:0")
    assert _status(server.pid)["Uid"][0] == "0"
    with socket.create_connection(("127.0.0.1", int(server.listen.rsplit(":", 1)[1]))):
        pass


@as_root
@only("prefork", "threads", "coro", "prefork-connection")
def test_nothing_is_left_of_root(launch: Launcher) -> None:
    server = launch("--user=nobody", listen="0.0.0.0:0")
    server.address = ("127.0.0.1", int(server.listen.rsplit(":", 1)[1]))
    uid, gid = str(NOBODY.pw_uid), str(NOBODY.pw_gid)
    for pid in _every_process(server):
        status = _status(pid)
        assert status["Uid"] == [uid] * 4
        assert status["Gid"] == [gid] * 4
        assert set(status["Groups"]) <= {gid}
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[name][0], 16) == 0, name
        assert status["NoNewPrivs"] == ["1"]
    assert server.get("/hello").status == 200


@as_root
@only("coro")
@pytest.mark.parametrize("by", ["name", "number"])
def test_a_group_of_its_own(launch: Launcher, by: str) -> None:
    user, group = ("nobody", "daemon") if by == "name" else (str(NOBODY.pw_uid), str(DAEMON.gr_gid))
    server = launch(f"--user={user}", f"--group={group}", prefix=["setpriv", "--groups", "0,4,27"])
    for pid in _every_process(server):
        status = _status(pid)
        assert status["Uid"] == [str(NOBODY.pw_uid)] * 4
        assert status["Gid"] == [str(DAEMON.gr_gid)] * 4
        assert status["Groups"] == [str(DAEMON.gr_gid)]


@as_root
@only("coro")
def test_a_number_without_a_name(launch: Launcher) -> None:
    server = launch("--user=54321")
    status = _status(server.pid)
    assert status["Uid"] == ["54321"] * 4 and status["Gid"] == ["54321"] * 4
    assert status["Groups"] == ["54321"]


@pytest.mark.parametrize(
    ("options", "status", "parts"),
    [
        (["--user=no-such-user"], 1, ["--user=no-such-user", "no such user"]),
        (["--user=nobody", "--group=no-such"], 1, ["--group=no-such", "no such group"]),
        (["--user=4294967295"], 1, ["no such user"]),
        (["--user=a\nb"], 1, ["--user=a\\x0ab"]),
        (["--group=daemon"], 64, ["--group", "--user"]),
    ],
)
def test_bad_names(options: List[str], status: int, parts: List[str]) -> None:
    done = _run("--listen=127.0.0.1:0", *options)
    assert done.returncode == status
    assert done.stderr.count("\n") == 1
    for part in parts:
        assert part in done.stderr


@as_root
def test_only_root_can_become_another() -> None:
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=daemon", "--clear-groups"]
    probe = subprocess.run([*as_nobody, BINARY, "--version"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("the program is in a folder that nobody else may enter")
    done = subprocess.run(
        [*as_nobody, BINARY, "--user=daemon", "--listen=127.0.0.1:0"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 1
    assert "only root can become another user" in done.stderr


@as_root
@only("prefork", "coro")
def test_what_only_root_may_open(launch: Launcher, shared: Path) -> None:
    """Root directory, log and a Unix socket in folders that the user could not open."""
    (shared / "closed").mkdir(mode=0o700)
    (shared / "closed" / "root").mkdir(mode=0o755)
    (shared / "closed" / "root" / "file.txt").write_text("content")
    server = launch(
        "--user=nobody", f"--root={shared}/closed/root", f"--access-log={shared}/closed/log",
        "--listen-mode=0666", listen=f"unix:{shared}/closed/socket",
        expected=["reopen"],
    )
    assert server.get("/files/file.txt").body == b"content"
    log = shared / "closed" / "log"
    eventually("the line is there", lambda: "file.txt" in log.read_text())
    assert (log.stat().st_uid, log.stat().st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
    server.wait_for_line("warning: the access log cannot be reopened as --user")
    server.signal(signal.SIGUSR1)
    server.get("/hello")
    server.wait_for_line("cannot reopen the access log .*: Permission denied; the old file stays")
    eventually("it goes on in the old file", lambda: "/hello" in log.read_text())
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    server.wait_for_line("cannot remove unix:.*the next server there replaces it")


@as_root
@only("prefork", "threads", "coro")
def test_a_reload_keeps_a_log_that_only_root_may_open(launch: Launcher, shared: Path) -> None:
    """Another one that cannot be opened is refused, with all that is new."""
    log, other, file = shared / "log", shared / "other", shared / "server.conf"
    for one in (log, other):
        one.touch(0o600)
    file.write_text(f"access-log = {log}\n")
    server = launch("--user=nobody", f"--config={file}", expected=["reload: "])
    server.signal(signal.SIGHUP)
    server.wait_for_line("warning: cannot open the access log .*: Permission denied; the old file stays in use")
    server.wait_for_line("reloaded: ")
    server.get("/json")
    eventually("the new workers' lines come in it", lambda: "/json" in log.read_text())
    file.write_text(f"access-log = {other}\n")
    server.signal(signal.SIGHUP)
    server.wait_for_line("reload: cannot open the access log .*other: Permission denied; the server goes on")


@as_root
@only("coro")
def test_a_mode_that_only_root_may_change(launch: Launcher, shared: Path) -> None:
    """The socket's file is root's: another --listen-mode is refused, the same one is no matter, even
    in a folder that has been closed."""
    closed, file = shared / "closed", shared / "server.conf"
    closed.mkdir()
    file.write_text("listen-mode = 0660\n")
    server = launch("--user=nobody", f"--config={file}", listen=f"unix:{closed}/socket",
                    expected=["reload: ", "upgrade: ", "--listen-mode", "cannot remove"])
    file.write_text("listen-mode = 0600\n")
    server.signal(signal.SIGHUP)
    server.wait_for_line("reload: cannot set --listen-mode of unix:.*: Operation not permitted; the server goes on")
    server.signal(signal.SIGUSR2)
    server.wait_for_line("cannot set --listen-mode of unix:[^;]*: Operation not permitted$")
    server.wait_for_line("upgrade: the new server .*; this one goes on")
    assert stat.S_IMODE((closed / "socket").stat().st_mode) == 0o660
    file.write_text("listen-mode = 0660\n")
    closed.chmod(0o700)
    server.signal(signal.SIGHUP)
    server.wait_for_line("reloaded")
    server.upgrade()
    assert server.get("/hello").status == 200


@as_root
@only("prefork", "threads", "coro")
def test_the_log_is_reopened_as_the_user(launch: Launcher, shared: Path) -> None:
    """As after logrotate's "create 0640 nobody": the folder is root's, the new file the user's."""
    log = shared / "log"
    server = launch("--user=nobody", f"--access-log={log}")
    server.get("/hello")
    log.rename(shared / "log.1")
    log.touch(0o640)
    os.chown(log, NOBODY.pw_uid, NOBODY.pw_gid)
    server.signal(signal.SIGUSR1)

    def reopened() -> bool:
        server.get("/json")
        return "/json" in log.read_text()

    eventually("lines come in the new file", reopened)


@as_root
@only("prefork")
def test_a_dead_workers_files_are_closed(launch: Launcher) -> None:
    """The master still sees its own descriptors in /proc after the change of user."""
    server = launch("--user=nobody", expected=["worker"])
    victim = server.wait_for_workers()[0]
    before = processes.descriptors(server.pid)
    os.kill(victim, signal.SIGKILL)
    server.wait_for_workers(but=[victim])
    assert server.get("/hello").status == 200
    assert not [line for line in server.lines if "/proc" in line]
    eventually("nothing is left open", lambda: processes.descriptors(server.pid), lambda n: n <= before)
