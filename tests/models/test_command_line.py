# SPDX-License-Identifier: MIT
"""Options, where they may come from, and what is said of bad ones."""

import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Dict, Optional

import pytest

from support.configurations import Configuration, only
from support.limits import quota_of_one_core
from support.server import Launcher, Server
from support.variant import BINARY, patience




def _run(
    *arguments: str, environment: Optional[Dict[str, str]] = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", BINARY, *arguments],
        capture_output=True,
        text=True,
        timeout=patience(10),
        check=False,
        env={**os.environ, **(environment or {})},
    )


@pytest.mark.parametrize(
    "arguments, named, said",
    [
        (["--modle=coro"], "modle", "model"),
        (["--model=corp"], "model", "coro"),
        (["--model=thread"], "model", "threads"),
        (["--model=preforks"], "model", "prefork"),
        (["--workers=0"], "workers", "0"),
        (["--workers=x"], "workers", "x"),
        (["--workers=-1"], "workers", "-1"),
        (["--workers="], "workers", ""),
        (["--workers"], "workers", ""),
        (["--listen=nonsense"], "listen", "nonsense"),
        (["--listen=127.0.0.1:99999"], "listen", "99999"),
        (["--dispatch=conection"], "dispatch", "connection"),
        (["--model=coro", "--gil"], "gil", "threads"),
        (["--model=prefork", "--gil"], "gil", "threads"),
        (["--max-header=1x"], "max-header", "1x"),
        (["--max-body=-1"], "max-body", "-1"),
        (["--header-timeout=soon"], "header-timeout", "soon"),
        (["--stack-size=1"], "stack-size", "1"),
        (["--nonsense"], "nonsense", ""),
        (["hello"], "hello", ""),
    ],
    ids=str,
)
def test_bad_option(arguments: "list[str]", named: str, said: str) -> None:
    done = _run("--listen=127.0.0.1:0", *arguments)
    assert done.returncode == 64
    assert done.stdout == ""
    assert re.fullmatch(r"[^\n]+\n", done.stderr), "one line is wanted"
    assert named in done.stderr and said in done.stderr


def test_bad_environment_and_file(tmp_path: Path) -> None:
    done = _run(environment={"SERVER_WORKERS": "many"})
    assert done.returncode == 64
    assert "workers" in done.stderr.lower() and "many" in done.stderr
    file = tmp_path / "server.conf"
    file.write_text("# a comment\n\nmodel = coro\nworkers = many\n")
    done = _run(f"--config={file}")
    assert done.returncode == 64
    assert "workers" in done.stderr and "many" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["--list-models", "--version", "--help", "--print-config"])
def test_print_and_exit(option: str) -> None:
    done = _run(option)
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr == ""
    if option in ("--list-models", "--help"):
        for model in ("prefork", "threads", "coro", "stealing"):
            assert model in done.stdout
    if option == "--help":
        for name in ("--model", "--listen", "--workers", "--dispatch", "--pool", "--gil",
                     "--root", "--max-connections", "--header-timeout", "--body-timeout", "--write-timeout",
                     "--keepalive-timeout", "--shutdown-timeout", "--max-header", "--max-body",
                     "--stack-size", "--access-log", "--config", "--check-config"):
            assert name in done.stdout


def test_check_config() -> None:
    assert _run("--check-config", "--model=threads", "--workers=3").returncode == 0
    assert _run("--check-config", "--model=threads", "--workers=none").returncode == 64


@only("threads")
def test_workers_go_by_the_cores_that_may_be_used(configuration: Configuration) -> None:
    """The manual: those that the server may run on, or fewer by a quota of its cgroup."""
    one = str(min(os.sched_getaffinity(0)))
    server = Server(configuration, model_options=["--model=threads"], prefix=["taskset", "-c", one])
    try:
        assert server.workers == 16
        server.stop()
    finally:
        server.kill()


@only("threads")
def test_workers_go_by_the_quota(configuration: Configuration) -> None:
    with quota_of_one_core() as join:
        server = Server(configuration, model_options=["--model=threads"],
                        prefix=["sh", "-c", f'{join} && exec "$@"', "sh"])
        try:
            assert server.workers == 16
            server.stop()
        finally:
            server.kill()


def test_precedence(tmp_path: Path) -> None:
    """default < file < environment < command line."""
    file = tmp_path / "server.conf"
    file.write_text("workers = 3\nmax-body = 3M\nmax-header = 3k\n")
    done = _run("--print-config", f"--config={file}", "--workers", "5",
                environment={"SERVER_WORKERS": "4", "SERVER_MAX_BODY": "4M"})
    assert done.returncode == 0
    settings = dict(re.findall(r"(?m)^([a-z-]+) = (.*)$", done.stdout))
    assert settings["workers"] == "5"
    assert settings["max-body"] == "4M"
    assert settings["max-header"] == "3k"


def test_printed_configuration_can_be_read(tmp_path: Path) -> None:
    first = _run("--print-config", "--model=threads", "--workers=7", "--header-timeout=1.5", "--gil")
    file = tmp_path / "server.conf"
    file.write_text(first.stdout)
    assert _run("--print-config", f"--config={file}").stdout == first.stdout


def test_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _run(f"--listen=127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert "in use" in done.stderr


def test_root_that_is_not_there(tmp_path: Path) -> None:
    done = _run("--listen=127.0.0.1:0", f"--root={tmp_path}/nothing")
    assert done.returncode == 1
    assert f"{tmp_path}/nothing" in done.stderr


@only("prefork", "threads", "coro", "stealing", "coro-2", "prefork-connection")
def test_unix_socket(launch: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    server = launch(listen=f"unix:{path}")
    assert server.get("/hello").body == b"Hello, World!"
    assert server.get("/sleep?ms=1").status == 200


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@only("coro")
@pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 on this machine")
def test_ipv6(launch: Launcher) -> None:
    server = launch(listen="[::1]:0")
    assert server.listen.startswith("[::1]:")
    assert server.get("/hello").status == 200


def test_name_and_value_apart(launch: Launcher) -> None:
    server = launch("--keepalive-timeout", "12.5")
    assert '"keepalive-timeout":"12.5"' in server.get("/status").text


def test_no_files_without_a_root(launch: Launcher) -> None:
    server = launch()
    for path in ("", "text.txt", "../etc/passwd"):
        assert server.get(f"/files/{path}").status == 404


def test_limits_can_be_set(launch: Launcher) -> None:
    server = launch("--max-header=512", "--max-body=1k")
    with server.connect() as connection:
        assert connection.get("/hello", "A: " + "b" * 400).status == 200
        assert connection.get("/hello", "A: " + "b" * 500).status == 431
    with server.connect() as connection:
        head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        assert connection.request((head % 1024).encode() + b"x" * 1024).status == 200
        assert connection.request((head % 1025).encode()).status == 413
