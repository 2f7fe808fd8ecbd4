# SPDX-License-Identifier: MIT
"""--check-config: says what the start would say, of all that can be known without starting, and
changes nothing."""

import os
import re
import socket
import subprocess
from pathlib import Path
from typing import List

import pytest

from support.client import message
from support.configurations import Configuration
from support.server import Server
from support.variant import BINARY, ROOT, patience

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
CORO = Configuration("coro", ("--model=coro",))
HERE = ["--listen=127.0.0.1:0"]
NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def _run(arguments: List[str], prefix: "List[str]" = []) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SERVER_")}
    return subprocess.run(
        [*prefix, "setpriv", "--pdeathsig", "KILL", BINARY, *arguments], env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience(20), check=False,
    )


def _both_refuse(arguments: List[str], reason: str, prefix: "List[str]" = []) -> None:
    """The manual: it says what the start would say and has that exit status."""
    check = _run(["--check-config", *arguments], prefix)
    start = _run(arguments, prefix)
    assert (check.returncode, check.stdout) == (1, ""), check
    assert check.stderr.count("\n") == 1 and reason in check.stderr
    assert (start.returncode, start.stderr) == (check.returncode, check.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if len(str(tmp_path)) > 90:
        pytest.skip("a Unix socket's path has no room for this folder")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "left"))
    return tmp_path


REFUSED = [
    ("--root={}/none", "No such file"),
    ("--root={}/file", "Not a directory"),
    ("--root={}/link", "No such file"),
    ("--access-log={}/none/log", "No such file"),
    ("--access-log={}/file/log", "Not a directory"),
    ("--access-log={}", "Is a directory"),
    ("--access-log={}/left", "No such device"),
    ("--pid-file={}/none/pid", "No such file"),
    ("--pid-file={}/file/pid", "Not a directory"),
    ("--pid-file={}", "not a regular file"),
    ("--listen=unix:{}/none/socket", "No such file"),
    ("--listen=unix:{}/file/socket", "Not a directory"),
    ("--listen=unix:{}/file", ""),
    ("--listen=unix:{}", ""),
    ("--listen=no-such-host.invalid:0", "no-such-host.invalid"),
]


@pytest.mark.parametrize(("option", "reason"), REFUSED)
def test_what_the_start_refuses(folder: Path, option: str, reason: str) -> None:
    before = sorted(folder.iterdir())
    _both_refuse([*HERE, option.format(folder)], reason)
    assert sorted(folder.iterdir()) == before


def test_an_address_of_another_machine() -> None:
    _both_refuse(["--listen=192.0.2.1:0", "--allow-root"], "Cannot assign requested address")


@as_root
@pytest.mark.parametrize(("arguments", "reason"), [
    (["--user=nosuch"], "no such user"),
    (["--user=4294967295"], "no such user"),
    (["--user=nobody", "--group=nosuch"], "no such group"),
    (["--listen=0.0.0.0:0"], "refusing to serve"),
    (["--listen=0.0.0.0:0", "--user=root"], "refusing to serve"),
    (["--listen=192.0.2.1:0"], "refusing to serve"),
    (["--user=nobody", "--pid-file=/pid-of-nobody"], "Permission denied"),
])
def test_what_the_start_refuses_to_root(arguments: List[str], reason: str) -> None:
    _both_refuse([*HERE, *arguments], reason)


def _as_nobody() -> List[str]:
    if os.geteuid() != 0:
        return []
    if _run(["--version"], NOBODY).returncode != 0:
        pytest.skip("the program is in a folder that nobody else may enter")
    return NOBODY


@pytest.mark.parametrize(("option", "reason"), [
    ("--user=root", "only root can become another"),
    ("--access-log=/log-of-nobody", "Permission denied"),
    ("--pid-file=/pid-of-nobody", "Permission denied"),
    ("--listen=unix:/socket-of-nobody", "Permission denied"),
])
def test_what_the_start_refuses_to_others(option: str, reason: str) -> None:
    _both_refuse([*HERE, option], reason, _as_nobody())


def test_a_port_that_only_root_may_open() -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) < 2:
        pytest.skip("here everybody may open any port")
    _both_refuse(["--listen=127.0.0.1:1"], "Permission denied", _as_nobody())


def test_what_would_start_is_good_and_nothing_is_made(tmp_path: Path) -> None:
    options = [f"--listen=unix:{tmp_path}/s", f"--access-log={tmp_path}/log", f"--root={tmp_path}",
               f"--pid-file={tmp_path}/pid"]
    assert _run(["--check-config", *options]).stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_fifo_is_not_opened(tmp_path: Path) -> None:
    """Its reader would see the end of a log that nobody has written."""
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "fifo", os.O_WRONLY)
    _run(["--check-config", *HERE, f"--access-log={tmp_path}/fifo"])
    os.write(writer, b"x")
    assert os.read(reader, 10) == b"x"
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize("listen", ["unix:{}/s", "127.0.0.1:{}"])
def test_a_server_that_runs_is_no_fault(tmp_path: Path, listen: str) -> None:
    """Before a reload its own settings are checked while it uses port, socket and pid file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listen = listen.format(tmp_path if listen.startswith("unix") else port)
    options = [f"--pid-file={tmp_path}/pid", f"--access-log={tmp_path}/log", f"--root={tmp_path}"]
    server = Server(CORO, *options, listen=listen)
    try:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        with server.connect() as connection:
            for _ in range(3):
                assert _run(["--check-config", *options, f"--listen={listen}"]).stderr == ""
            assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
            connection.send(message("GET", "/hello"))
            assert connection.read_response().status == 200
        server.stop()
    finally:
        server.kill()


def test_the_manual_says_so() -> None:
    page = (ROOT / "share/man/server.1").read_text()
    text = re.sub(r"\s+", " ", page)
    assert "it says what the start would say and has that exit status" in text
