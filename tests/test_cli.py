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

from support import sanitizers
from support.configurations import Configuration
from support.server import Server
from support.variant import BINARY, ROOT, VARIANT, patience

CORO = Configuration("coro", ("--model=coro",))
MODELS = ("prefork", "threads", "coro", "stealing")
SETTINGS = (
    "model listen listen-mode workers dispatch pool gil root max-connections header-timeout"
    " body-timeout write-timeout keepalive-timeout shutdown-timeout lame-duck max-header max-body stack-size slice"
    " db redis db-connections db-timeout offload show-settings enable-fault-routes access-log"
    " trusted-proxies"
    " user group allow-root pid-file"
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
    assert not sanitizers.REPORT.search(done.stderr), done.stderr
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
        (["--workers=0"], ['"0"', "--workers", "1 to 10000"]),
        (["--workers", "-1"], ['"-1"', "--workers"]),
        (["--workers"], ["no value for --workers", "1 to 10000"]),
        (["--dispatch=requst"], ["requst", "--dispatch", "did you mean request?"]),
        (["--pool=befor"], ["befor", "--pool", "did you mean before?"]),
        (["--model=stealing", "--pool=none"], ["--pool=none", "coro", "stealing"]),
        (["--accept=locked"], ["locked", "--accept", "did you mean lock?"]),
        (["--model=coro", "--accept=lock"], ["--accept=lock", "prefork", "threads", "--dispatch=connection"]),
        (["--model=stealing", "--accept=reuseport"], ["--accept=reuseport", "prefork"]),
        (["--model=prefork", "--accept=lock"], ["--accept=lock", "--dispatch=connection"]),
        (["--model=threads", "--dispatch=connection", "--pool=none", "--accept=lock"], ["--accept", "--pool=before"]),
        (["--model=threads", "--dispatch=connection", "--accept=reuseport", "--listen=unix:/x"],
         ["--accept=reuseport", "Unix", "ADDR:PORT"]),
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
        (["--model=stealing", "--gil"], ["gil", "threads"]),
        (["--model=stealing", "--dispatch=connection"], ["--dispatch=connection", "stealing", "request"]),
        (["--model=prefork", "--slice=2"], ["--slice=2", "coro", "processes"]),
        (["--model=threads", "--slice=2"], ["--slice=2", "coro", "threads"]),
        (["--slice=0"], ["--slice", "0", "1 to 1000"]),
        (["--slice=0.5"], ["--slice", "0.5", "1 to 1000"]),
        (["--no-offload", "--stack-size=16k"], ["--stack-size", "16384", "64k", "--no-offload"]),
        (["--no-offload", "--stack-size=65535", "--db=sqlite:/x"], ["--stack-size", "65535", "64k"]),
        (["--stack-size=31k", "--db=postgresql://h/d"], ["--stack-size", "31744", "32k", "--db"]),
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
        ("SERVER_WORKERS", "x", ['"x"', "SERVER_WORKERS", "1 to 10000"]),
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
        ("# c\n\nworkers = 0\n", 3, ['"0"', "workers", "1 to 10000"]),
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
    assert run("--check-config", f"--config={path}").returncode != USAGE


# A value of each setting that is not its default, and what it needs beside it.
OTHER_VALUES = {
    "model": "prefork", "listen": "[::1]:0", "listen-mode": "0640", "workers": "7",
    "dispatch": "connection", "pool": "none", "accept": "lock", "gil": "on", "root": '/a b/"c"\\#', "max-connections": "12",
    "header-timeout": "0.25", "body-timeout": "31", "write-timeout": "1.001",
    "keepalive-timeout": "86400", "shutdown-timeout": "0.001", "max-header": "20k",
    "max-body": "1000001", "stack-size": "1M", "slice": "2", "enable-fault-routes": "on",
    "access-log": "/var/log/\ta\n#", "user": "nobody", "group": "daemon", "allow-root": "on",
    "db": "sqlite:/var/lib/a b.sqlite", "redis": "127.0.0.1:6379", "db-connections": "3",
    "db-timeout": "0.5", "offload": "off", "show-settings": "off",
    "pid-file": " /run/pid ", "max-requests": "1000", "heartbeat-timeout": "3",
    "start-timeout": "20", "stopped-timeout": "0.7", "lame-duck": "12.5",
    "trusted-proxies": "10.0.0.0/8,::1,unix",
}
NEEDS = {"gil": ["--model=threads"], "accept": ["--model=prefork", "--dispatch=connection"],
         "group": ["--user=nobody"]}


def all_settings() -> list[str]:
    """The names of the settings as the program has them."""
    return re.findall(r"^#?([a-z-]+) =", printed(run("--print-config")), re.MULTILINE)


# A hundred starts each, of code that the unit tests run under the sanitizers.
release_only = pytest.mark.skipif(VARIANT != "release", reason="tested with the release build")


@release_only
def test_every_setting_survives_being_printed(tmp_path: Path) -> None:
    """From each of the three sources, through --print-config and back."""
    path, again = tmp_path / "given.conf", tmp_path / "printed.conf"
    for name in all_settings():
        value = OTHER_VALUES[name]
        beside = NEEDS.get(name, [])
        by_option = printed(run("--print-config", f"--{name}={value}", *beside))
        set_to = settings(by_option)
        assert name in set_to, f"{name} is printed as a default"
        assert len(set_to) == 1 + len(beside)
        again.write_text(by_option)
        assert printed(run("--print-config", f"--config={again}")) == by_option
        assert run("--check-config", f"--config={again}").returncode != USAGE
        variable = "SERVER_" + name.upper().replace("-", "_")
        assert printed(run("--print-config", *beside, **{variable: value})) == by_option
        path.write_text(f"{name} = {set_to[name]}\n")
        assert printed(run("--print-config", f"--config={path}", *beside)) == by_option


@release_only
def test_every_setting_obeys_the_precedence(tmp_path: Path) -> None:
    """A source that sets the default again hides a lower one that sets another value."""
    path = tmp_path / "server.conf"
    defaults = dict(
        re.findall(r"^#([a-z-]+) = ?(.*)$", printed(run("--print-config")), re.MULTILINE)
    )
    for name, default in defaults.items():
        other, beside = OTHER_VALUES[name], NEEDS.get(name, [])
        plain = settings(printed(run("--print-config", *beside)))
        variable = "SERVER_" + name.upper().replace("-", "_")
        assert settings(printed(run(
            "--print-config", f"--{name}={default}", *beside, **{variable: other}))) == plain
        if name in ("db", "root", "access-log", "pid-file"):
            continue  # these quote what a plain line does not
        path.write_text(f"{name} = {other}\n")
        if default:  # an empty variable counts as unset
            assert settings(printed(run(
                "--print-config", f"--config={path}", *beside, **{variable: default}))) == plain
        assert settings(printed(run(
            "--print-config", f"--config={path}", f"--{name}={default}", *beside))) == plain


@pytest.mark.parametrize("name", sorted(OTHER_VALUES))
def test_a_misspelt_name_is_suggested_in_every_source(tmp_path: Path, name: str) -> None:
    if name not in all_settings():
        pytest.skip("no such setting")
    slip = name[:-2] + name[-1] + name[-2]  # two letters swapped
    if slip in all_settings() or slip == name:
        slip = name[:-1] + "x"
    line = refusal(run("--check-config", f"--{slip}=1"), USAGE)
    assert f"unknown option --{slip}; did you mean --{name}?" in line
    path = tmp_path / "server.conf"
    path.write_text(f"{slip} = 1\n")
    line = refusal(run("--check-config", f"--config={path}"), USAGE)
    assert f"{path}:1: unknown setting {slip}; did you mean {name}?" in line
    if name in ("user", "root", "group"):
        return  # SERVER_USRE may be another program's: short names must be nearer
    variable, meant = ("SERVER_" + n.upper().replace("-", "_") for n in (slip, name))
    line = refusal(run("--check-config", **{variable: "1"}), USAGE)
    assert f"unknown environment variable {variable}; did you mean {meant}?" in line


def test_paths_are_escaped_in_messages(tmp_path: Path) -> None:
    """Nobody's file name breaks the line or reaches the terminal."""
    bad = f"{tmp_path}/a\nb\x1b[31m"
    listen = "--listen=127.0.0.1:0"
    for arguments in (
        [f"--root={bad}", listen], [f"--access-log={bad}/c", listen], [f"--pid-file={bad}/c", listen],
    ):
        line = refusal(run(*arguments), 1)
        assert "a\\x0ab\\x1b[31m" in line
    assert "\\x1b" in refusal(run("--model=\x1bx"), USAGE)
    assert "\\x1b" in refusal(run("--check-config", f"--config={bad}"), USAGE)


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
    arguments.append("--allow-root")
    line = refusal(run(*arguments), 1)
    assert given in line
    assert reason in line


def test_a_server_is_configured_by_file_and_environment(tmp_path: Path) -> None:
    path = tmp_path / "server.conf"
    path.write_text("workers = 3\nmax-body = 7\n")
    server = Server(CORO, environment={"SERVER_CONFIG": str(path), "SERVER_WORKERS": "2"})
    try:
        assert server.workers == 2
        assert server.status()["settings"]["max-body"] == "7"
        server.stop()
    finally:
        server.kill()
