# SPDX-License-Identifier: MIT
"""Unix sockets and their files, IPv6, and the pid file."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import List, Optional

import pytest

from support.client import fetch
from support.configurations import only
from support.server import Launcher
from support.variant import BINARY, patience
from support.waiting import eventually


def _refused(*arguments: str) -> str:
    """The one line of a start that fails."""
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", BINARY, *arguments], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=patience(20), check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
    return done.stderr


def _left_behind(path: Path) -> None:
    """A socket's file without a server."""
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    assert path.is_socket()


@only("prefork", "threads", "coro", "stealing", "coro-2", "prefork-connection")
def test_a_stale_socket_is_replaced_and_removed(launch: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    _left_behind(path)
    server = launch(listen=f"unix:{path}")
    assert server.get("/hello").status == 200
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not path.exists()


@only("coro")
def test_a_folder_that_another_keeps_locked(launch: Launcher, tmp_path: Path) -> None:
    """flock(1) around the server does: neither a start nor a reload waits for its end."""
    folder = tmp_path / "folder"
    folder.mkdir()
    config = tmp_path / "config"
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        _left_behind(folder / "first")
        server = launch(listen=f"unix:{folder}/first")
        assert server.get("/hello").status == 200
        config.write_text(f"listen = unix:{folder}/second\n")
        server = launch(f"--config={config}", listen=None)
        assert server.get("/hello").status == 200
        config.write_text(f"listen = unix:{folder}/third\n")
        server.signal(signal.SIGHUP)
        server.wait_for_line("reloaded: .*third")
        assert fetch(f"{folder}/third", "/hello").status == 200
    finally:
        os.close(lock)


def test_a_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        assert "Address already in use" in _refused(f"--listen=unix:{path}")
        # Nor when its backlog is full, so that connecting would wait.
        waiting = socket.socket(socket.AF_UNIX)
        waiting.setblocking(False)
        while waiting.connect_ex(str(path)) == 0:
            waiting.close()
            waiting = socket.socket(socket.AF_UNIX)
            waiting.setblocking(False)
        assert "Address already in use" in _refused(f"--listen=unix:{path}")
        waiting.close()
        assert path.is_socket()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    file, folder, link = tmp_path / "file", tmp_path / "folder", tmp_path / "link"
    file.write_text("content")
    folder.mkdir()
    _left_behind(tmp_path / "stale")
    link.symlink_to(tmp_path / "stale")
    for path in (file, folder, link):
        line = _refused(f"--listen=unix:{path}")
        assert str(path) in line and "is no socket" in line and "in use" not in line
    assert file.read_text() == "content" and folder.is_dir() and link.is_symlink()


@only("coro")
def test_a_file_of_somebody_else_is_left_alone(launch: Launcher, tmp_path: Path) -> None:
    """Who moves the socket away and puts another in its place keeps that."""
    path = tmp_path / "socket"
    server = launch(listen=f"unix:{path}")
    path.rename(tmp_path / "moved")
    _left_behind(path)
    server.address = str(tmp_path / "moved")
    assert server.get("/hello").status == 200
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert path.is_socket() and (tmp_path / "moved").is_socket()


@only("coro")
@pytest.mark.parametrize(("mode", "bits"), [("0600", 0o600), ("666", 0o666), ("0660", 0o660)])
def test_the_mode_of_the_file(launch: Launcher, tmp_path: Path, mode: str, bits: int) -> None:
    path = tmp_path / "socket"
    launch(f"--listen-mode={mode}", listen=f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == bits


@only("coro")
def test_the_mode_is_by_the_umask(launch: Launcher, tmp_path: Path) -> None:
    path, log = tmp_path / "socket", tmp_path / "log"
    launch(f"--access-log={log}", "--listen-mode=0666", listen=f"unix:{tmp_path}/other")
    before = os.umask(0o027)
    try:
        launch(f"--access-log={log}2", listen=f"unix:{path}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    # Setting a mode does not change the umask for what is made later.
    assert stat.S_IMODE(log.stat().st_mode) == 0o640 & ~before


@only("coro", "prefork")
def test_a_mode_that_changes(launch: Launcher, tmp_path: Path) -> None:
    """A reload and an upgrade give it to the socket they go on with."""
    path, config = tmp_path / "socket", tmp_path / "config"

    def mode() -> int:
        return stat.S_IMODE(path.stat().st_mode)

    def write(lines: str) -> None:
        config.write_text(f"listen = unix:{path}\n{lines}")

    write("listen-mode = 0660\n")
    before = os.umask(0o027)
    try:
        server = launch(f"--config={config}", listen=None)
    finally:
        os.umask(before)
    inode = path.stat().st_ino
    for asked, bits in (("0600", 0o600), ("auto", 0o750), ("0640", 0o640)):
        write(f"listen-mode = {asked}\n")
        server.signal(signal.SIGHUP)
        eventually("it is said", lambda: str(server.status()["settings"]["listen-mode"]), asked.__eq__)
        assert (mode(), path.stat().st_ino) == (bits, inode)
    write("listen-mode = 0666\n")
    server.upgrade()
    server.wait_for_old()  # nor do those that end put it back
    assert mode() == 0o666
    assert server.get("/hello").status == 200


@only("coro")
def test_the_mode_after_an_upgrade_that_fails(launch: Launcher, tmp_path: Path) -> None:
    """The new server may have come as far as to change it."""
    path, program, script = (tmp_path / name for name in ("socket", "program", "script"))
    program.symlink_to(BINARY)
    server = launch("--listen-mode=0600", "--start-timeout=0.5", listen=f"unix:{path}", binary=str(program),
                    expected=["upgrade: "])
    script.write_text(f"#!/bin/sh\nchmod 0666 {path}\nexec sleep 60\n")
    script.chmod(0o755)
    script.rename(program)
    server.signal(signal.SIGUSR2)
    server.wait_for_line("upgrade: the new server .*; this one goes on", within=20)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.get("/hello").status == 200


def test_of_two_servers_at_once_one_gets_the_stale_socket(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"socket{attempt}"
        _left_behind(path)
        command = ["setpriv", "--pdeathsig", "KILL", BINARY, f"--listen=unix:{path}"]
        both: List["subprocess.Popen[str]"] = [
            subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)
        ]
        try:
            first = [process.stderr.readline() for process in both if process.stderr]
            ready = [line.startswith("ready ") for line in first]
            assert sorted(ready) == [False, True], first
            assert fetch(str(path), "/hello").status == 200
            winner = both[ready.index(True)]
            winner.terminate()
            assert winner.wait(patience(10)) == 0
        finally:
            for process in both:
                process.kill()
                process.communicate()


def _ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _ipv6(), reason="no IPv6 on this machine")


@needs_ipv6
def test_ipv6(launch: Launcher) -> None:
    server = launch(listen="[::1]:0")
    assert server.listen.startswith("[::1]:")
    assert server.get("/hello").status == 200


@needs_ipv6
@only("coro")
def test_all_of_ipv6_is_not_ipv4(launch: Launcher) -> None:
    """An IPv4 server can have the same port, whatever net.ipv6.bindv6only says."""
    with socket.socket() as kept:  # it does not listen, and nobody else is given its port meanwhile
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("0.0.0.0", 0))
        port = kept.getsockname()[1]
        launch("--allow-root", listen=f"[::]:{port}")
        assert fetch(("::1", port), "/hello").status == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        four = launch("--allow-root", listen=f"0.0.0.0:{port}")
        assert four.get("/hello").status == 200


def _link_local() -> Optional[str]:
    """A link-local address of this machine with its zone."""
    path = Path("/proc/net/if_inet6")
    for line in path.read_text().splitlines() if path.exists() else []:
        address, _, _, scope, flags, interface = line.split()
        if scope == "20" and not int(flags, 16) & 0x40:  # not tentative
            return f"{ipaddress.IPv6Address(int(address, 16))}%{interface}"
    return None


@pytest.mark.skipif(_link_local() is None, reason="no link-local address on this machine")
def test_a_link_local_address(launch: Launcher, tmp_path: Path) -> None:
    """Its zone is shown wherever the address is, and it is the same one to a reload and an upgrade."""
    pid_file = tmp_path / "pid"
    server = launch("--allow-root", f"--pid-file={pid_file}", listen=f"[{_link_local()}]:0")
    assert re.fullmatch(rf"\[{re.escape(str(_link_local()))}\]:[0-9]+", server.listen)
    assert server.status()["settings"]["listen"] == server.listen
    shown = server.listen.replace("%", "%25")
    assert f"curl http://{shown}/hello\n" in server.get("/").text
    with server.connect() as kept:
        assert kept.get("/hello").status == 200
        server.signal(signal.SIGHUP)
        server.wait_for_line("reloaded:", within=10)
        assert kept.get("/hello").status == 200
        assert server.get("/hello").status == 200
    server.upgrade()
    assert server.get("/hello").status == 200
    server.wait_for_old()
    assert server.status()["settings"]["listen"] == server.listen


def test_a_zone_that_is_not_there() -> None:
    line = _refused("--allow-root", "--listen=[fe80::1%nosuch0]:0")
    assert "cannot listen on [fe80::1%nosuch0]:0" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="making an address needs root")
def test_a_link_local_address_of_lo_is_local() -> None:
    """As root without --allow-root, in a network of its own: no other machine can reach it."""
    script = """
        ip link set lo up && ip -6 addr add fe80::1/64 dev lo nodad || exit 77
        exec setpriv --pdeathsig KILL "$0" "--listen=[fe80::1%lo]:8080"
    """
    with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", script, BINARY],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.terminate()
        rest = process.stderr.read()
        if process.wait(patience(10)) in (1, 77) and "ready" not in line + rest:
            pytest.skip(f"no network of its own: {line}")
    assert " listen=[fe80::1%lo]:8080 " in line
    assert process.returncode == 0, rest


# ---- --pid-file -----------------------------------------------------------------------------


def test_the_pid_file_is_there_while_the_server_runs(launch: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    server = launch(f"--pid-file={path}")
    assert path.read_text() == f"{server.pid}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["pid"]
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert os.listdir(tmp_path) == []


@only("coro")
@pytest.mark.parametrize("reloads", [False, True])
def test_a_pid_file_that_a_file_names(launch: Launcher, tmp_path: Path, reloads: bool) -> None:
    """It is removed in the end, when the text of the file is no longer kept: what is freed is
    overwritten here."""
    path, config = tmp_path / "pid", tmp_path / "config"
    config.write_text(f"pid-file = {path}\n")
    server = launch(f"--config={config}", environment={"MALLOC_PERTURB_": "85"})
    if reloads:
        server.signal(signal.SIGHUP)
        server.wait_for_line("reloaded")
    assert path.read_text() == f"{server.pid}\n"
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert os.listdir(tmp_path) == ["config"]


@only("prefork", "coro")
def test_a_stale_pid_file_is_replaced(launch: Launcher, tmp_path: Path) -> None:
    """Also one with the number of a process that lives: it is not that of a server."""
    path = tmp_path / "pid"
    for content in (f"{os.getpid()}\n", "", "nonsense"):
        path.write_text(content)
        server = launch(f"--pid-file={path}")
        assert path.read_text() == f"{server.pid}\n"
        server.process.kill()
        server.wait(any_status=True)
        server.wait_for_log_end()  # the workers are gone, and with them the lock
        assert path.read_text() == f"{server.pid}\n"


@only("coro")
def test_a_second_server_does_not_take_the_pid_file(launch: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    server = launch(f"--pid-file={path}")
    line = _refused("--listen=127.0.0.1:0", f"--pid-file={path}")
    assert f"--pid-file={path}" in line and f"(pid {server.pid})" in line
    assert path.read_text() == f"{server.pid}\n"


@only("coro")
def test_a_pid_file_of_somebody_else_is_not_removed(launch: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    server = launch(f"--pid-file={path}")
    path.unlink()
    path.write_text("another\n")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert path.read_text() == "another\n"


def test_a_pid_file_that_cannot_be_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "none" / "pid", "No such file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
    ):
        line = _refused("--listen=127.0.0.1:0", f"--pid-file={path}")
        assert str(path) in line and reason in line


@only("coro")
def test_a_failed_start_leaves_no_pid_file(launch: Launcher, tmp_path: Path) -> None:
    server = launch()
    assert not isinstance(server.address, str)
    _refused(f"--listen=127.0.0.1:{server.address[1]}", f"--pid-file={tmp_path}/pid")
    assert os.listdir(tmp_path) == []
    eventually("the other serves on", lambda: server.get("/hello").status == 200)
