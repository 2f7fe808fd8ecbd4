# SPDX-License-Identifier: MIT
"""The command line from outside: exit status, messages, what is printed.

What each option accepts is tested exhaustively in tests/unit/config/; here is
that the program keeps its promises to scripts: 64 for a mistake, 1 for a failed
start, one line that says which, data on standard output and nothing else there.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from support.configurations import Configuration
from support.server import SANITIZER, Server
from support.variant import BINARY, ROOT, patience

CORO = Configuration("coro", ("--model=coro",))
MODELS = ("prefork", "threads", "coro")
SETTINGS = (
    "model listen workers dispatch gil root max-connections header-timeout body-timeout"
    " write-timeout keepalive-timeout shutdown-timeout max-header max-body stack-size"
    " db redis db-connections db-timeout offload enable-fault-routes access-log"
).split()
ACTIONS = "config list-models check-config print-config version help".split()
USAGE = 64


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the server to its end; it must be one of the uses that end by themselves."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SERVER_")}
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", BINARY, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(20),
        env={**clean, **environment},
        check=False,
    )
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


def refusal(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line of a refused start, whose exit status must be as given."""
    assert done.returncode == status, done
    assert done.stdout == ""
    assert done.stderr.endswith("\n")
    line = done.stderr[:-1]
    assert "\n" not in line, "more than one line"
    assert line.isprintable()
    return line


def printed(done: subprocess.CompletedProcess[str]) -> str:
    """Standard output of a use that prints and exits."""
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def settings(text: str) -> dict[str, str]:
    """What a printed configuration sets, without its comments."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(" = ", 1) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--modle=coro"], ["unknown option --modle", "did you mean --model?"]),
        (["--max_header=1k"], ["unknown option --max_header", "did you mean --max-header?"]),
        (["--frobnicate"], ["unknown option --frobnicate", "--help"]),
        (["--no-root"], ["unknown option --no-root"]),
        (["coro"], ['unexpected argument "coro"', "--name=value"]),
        (["-model=coro"], ['"-model=coro"', "did you mean --model?"]),
        (["--"], ['unexpected argument "--"']),
        (["--model=prefrok"], ["prefrok", "--model", *MODELS, "did you mean prefork?"]),
        (["--model", "epoll"], ["epoll", "--model", *MODELS]),
        (["--model="], ["--model"]),
        (["--model=a\nb"], ["a\\x0ab", "--model"]),
        (["--listen=8080"], ['"8080"', "--listen", "ADDR:PORT", "unix:/path"]),
        (["--listen=127.0.0.1:65536"], ["--listen"]),
        (["--listen=[::1:80"], ["--listen"]),
        (["--workers=0"], ['"0"', "--workers", "1 to 4096"]),
        (["--workers", "-1"], ['"-1"', "--workers"]),
        (["--workers"], ["no value for --workers", "1 to 4096"]),
        (["--dispatch=requst"], ["requst", "--dispatch", "did you mean request?"]),
        (["--gil=maybe"], ["maybe", "--gil", "on or off"]),
        (["--max-connections=many"], ["many", "--max-connections"]),
        (["--header-timeout=0"], ["--header-timeout", "0.001"]),
        (["--body-timeout=10s"], ["10s", "--body-timeout", "seconds"]),
        (["--write-timeout=-1"], ["--write-timeout"]),
        (["--keepalive-timeout=1e9"], ["--keepalive-timeout"]),
        (["--shutdown-timeout=86401"], ["--shutdown-timeout", "86400"]),
        (["--max-header=255"], ["255", "--max-header", "256"]),
        (["--max-body=8MB"], ["8MB", "--max-body", "suffixes"]),
        (["--max-body=99999999999999999999"], ["--max-body"]),
        (["--stack-size=1k"], ["1k", "--stack-size", "16k"]),
        (["--stack-size=65k\n"], ["65k\\x0a", "--stack-size"]),
        (["--root"], ["no value for --root"]),
        (["--help=now"], ["--help", "no value"]),
        (["--check-config", "--print-config"], ["--check-config", "--print-config"]),
        # Combinations that only a model can judge.
        (["--model=coro", "--gil"], ["gil", "threads"]),
        (["--model=prefork", "--gil"], ["gil", "threads"]),
        (["--model=coro", "--dispatch=connection"], ["dispatch"]),
        # A mistake is a mistake whatever else is asked for.
        (["--check-config", "--workers=x"], ["--workers"]),
        (["--print-config", "--model=nothing"], ["nothing", "--model"]),
    ],
)
def test_a_mistake_exits_with_64_and_one_line(arguments: list[str], parts: list[str]) -> None:
    line = refusal(run(*arguments), USAGE)
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("SERVER_WORKERS", "x", ['"x"', "SERVER_WORKERS", "1 to 4096"]),
        ("SERVER_MODEL", "thread", ["thread", "did you mean threads?"]),
        ("SERVER_MODLE", "coro", ["SERVER_MODLE", "did you mean SERVER_MODEL?"]),
        ("SERVER_MAX_HEADERS", "1k", ["did you mean SERVER_MAX_HEADER?"]),
    ],
)
def test_a_mistake_in_the_environment(name: str, value: str, parts: list[str]) -> None:
    line = refusal(run("--check-config", **{name: value}), USAGE)
    for part in parts:
        assert part in line


@pytest.mark.parametrize("name", ["SERVER_NAME", "SERVER_PORT", "SERVER_VERSION", "SERVER_HOST"])
def test_variables_of_other_programs_are_ignored(name: str) -> None:
    assert run("--check-config", **{name: "x"}).returncode == 0


@pytest.mark.parametrize(
    ("name", "reason"), [("none", "No such file or directory"), ("", "Is a directory")]
)
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, reason: str) -> None:
    line = refusal(run("--check-config", f"--config={tmp_path / name}"), USAGE)
    assert str(tmp_path / name) in line
    assert "config file" in line
    assert reason in line


@pytest.mark.parametrize(
    ("text", "number", "parts"),
    [
        ("# c\n\nworkers = 0\n", 3, ['"0"', "workers", "1 to 4096"]),
        ("wokers = 1\n", 1, ["unknown setting wokers", "did you mean workers?"]),
        ("gil\n", 1, ["name = value"]),
        ("gil = on\ngil = on\n", 2, ["gil", "second time", "line 1"]),
        ("print-config = on\n", 1, ["print-config", "command line only"]),
        ('root = "/a\n', 1, ["name = value"]),
    ],
)
def test_a_mistake_in_a_file(tmp_path: Path, text: str, number: int, parts: list[str]) -> None:
    path = tmp_path / "server.conf"
    path.write_text(text)
    line = refusal(run("--check-config", f"--config={path}"), USAGE)
    assert f"{path}:{number}: " in line
    for part in parts:
        assert part in line


def test_each_source_overrides_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "server.conf"
    path.write_text("model = threads\nworkers = 2\nmax-body = 1k\nmax-header = 1k\n")
    done = run(
        "--print-config",
        "--workers=4",
        SERVER_CONFIG=str(path),
        SERVER_WORKERS="3",
        SERVER_MAX_BODY="2k",
    )
    assert settings(printed(done)) == {
        "model": "threads",
        "workers": "4",
        "max-body": "2k",
        "max-header": "1k",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--model=threads", "--gil", "--workers=3", "--listen=[::1]:0", "--max-connections=9"],
        ["--model=prefork", "--dispatch=connection", "--max-body=1536k", "--max-header=1000"],
        ["--header-timeout=.25", "--body-timeout=1.5", "--write-timeout=3600"],
        ["--listen=unix:/tmp/a b", "--root=/ #\"'\\\n\u00e9", "--access-log=-", "--stack-size=1M"],
    ],
)
def test_a_printed_configuration_reads_back(tmp_path: Path, arguments: list[str]) -> None:
    text = printed(run("--print-config", *arguments))
    for name in SETTINGS:
        assert re.search(rf"^#?{name} =", text, re.MULTILINE), f"{name} is not printed"
    given = {argument[2:].split("=")[0] for argument in arguments}
    assert set(settings(text)) == given
    path = tmp_path / "server.conf"
    path.write_text(text)
    assert printed(run("--print-config", "--config", str(path))) == text
    assert run("--check-config", f"--config={path}").returncode == 0


def test_all_defaults_are_comments() -> None:
    assert settings(printed(run("--print-config"))) == {}


def test_models_are_listed() -> None:
    lines = printed(run("--list-models")).splitlines()
    assert {line.split()[0] for line in lines} >= set(MODELS)
    for line in lines:
        assert len(line.split()) > 2, "a model without a description"


def test_the_version_is_the_repositorys() -> None:
    lines = printed(run("--version")).splitlines()
    assert len(lines) == 1
    assert (ROOT / "VERSION").read_text().strip() in lines[0]


def test_help_names_every_option() -> None:
    text = printed(run("--help"))
    for name in [*SETTINGS, *ACTIONS]:
        assert re.search(rf"^ +--{name}\b", text, re.MULTILINE), f"--{name} is not in --help"


def test_help_works_whatever_else_is_wrong() -> None:
    assert "--model" in printed(run("--help", "--modle", SERVER_WORKERS="x", SERVER_CONFIG="/none"))


@pytest.mark.parametrize("action", ["--help", "--version", "--list-models", "--print-config"])
def test_output_that_cannot_be_written_is_a_failure(action: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [BINARY, action],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=patience(20),
            check=False,
        )
    assert done.returncode == 1


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("model", MODELS)
def test_a_port_in_use_fails_the_start(taken: int, model: str) -> None:
    line = refusal(run(f"--model={model}", f"--listen=127.0.0.1:{taken}"), 1)
    assert f"127.0.0.1:{taken}" in line
    assert "in use" in line


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("root", "{tmp}/none", "No such file or directory"),
        ("root", "{tmp}/file", "Not a directory"),
        ("access-log", "{tmp}/none/log", "No such file or directory"),
        ("access-log", "{tmp}", "Is a directory"),
        ("listen", "unix:{tmp}/none/socket", "No such file or directory"),
        ("listen", "203.0.113.1:0", "Cannot assign requested address"),
    ],
)
def test_a_failed_start_exits_with_1_and_says_why(
    tmp_path: Path, option: str, value: str, reason: str
) -> None:
    (tmp_path / "file").write_text("")
    given = value.format(tmp=tmp_path)
    arguments = [f"--{option}={given}"]
    if option != "listen":
        arguments.append("--listen=127.0.0.1:0")
    line = refusal(run(*arguments), 1)
    assert given in line
    assert reason in line


def test_a_server_is_configured_by_file_and_environment(tmp_path: Path) -> None:
    path = tmp_path / "server.conf"
    path.write_text("workers = 3\nmax-body = 7\n")
    server = Server(CORO, environment={"SERVER_CONFIG": str(path), "SERVER_WORKERS": "2"})
    try:
        assert server.workers == 2
        index = server.get("/").body.decode()
        assert "max-body" in index
        server.stop()
    finally:
        server.kill()
