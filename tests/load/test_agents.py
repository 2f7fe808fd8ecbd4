# SPDX-License-Identifier: MIT
"""scripts/load --agents: several processes, here and in network namespaces, that are one generator."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hdr import decode, highest_ns, percentile_ns
from loading import BAD_USAGE, NOTHING, VOID, errors, finish, load, refused, start
from staged import Staged
from support import namespaces, preload, processes, sshd
from support.namespaces import ADDRESS
from support.variant import BINARY, LOAD, patience
from support.waiting import eventually

ASKED = ("--rate=500", "--duration=0.6", "--seed=7")
COUNT = 300
PERCENTILES = {"p50": 5000, "p90": 9000, "p99": 9900, "p999": 9990, "p9999": 9999}
TIMES = ("lag_us", "latency_us", "service_us")


def added(figures: dict[str, Any], name: str) -> Counter[int]:
    """The counts of all agents, added here."""
    return sum((decode(agent[name]["hdr"]) for agent in figures["agents"]), Counter())


def check_merged(figures: dict[str, Any]) -> None:
    """What is told of all is what the agents counted, to the step and to the last request."""
    agents = figures["agents"]
    for name in TIMES:
        counts = added(figures, name)
        assert decode(figures[name]["hdr"]) == counts
        assert figures[name]["count"] == counts.total() == sum(agent[name]["count"] for agent in agents)
        assert figures[name]["max"] == highest_ns(max(counts)) / 1e3
        for key, share in PERCENTILES.items():
            beyond = counts.total() - -(-counts.total() * share // 10000)
            expected = percentile_ns(counts, share) / 1e3 if beyond >= 10 else None
            assert figures[name][key] == expected, (name, key)
    for key in ("due", "requests", "answered", "bytes"):
        assert figures[key] == sum(agent[key] for agent in agents), key
    assert figures["statuses"] == dict(sum((Counter(agent["statuses"]) for agent in agents), Counter()))
    assert figures["cpu"]["busy"] == max(agent["cpu"]["busy"] for agent in agents)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A remote shell that stays here, which writes down the hosts and commands that it was given."""
    script, log = tmp_path / "shell", tmp_path / "shell.log"
    script.write_text(f'#!/bin/sh\nshift\nprintf "%s\\n" "$1" "$2" >>{log}\nexec sh -c "$2"\n')
    script.chmod(0o755)
    monkeypatch.setenv("LOAD_SSH", f"{script} -x")
    return log


def test_three_make_one_schedule(shell: Path) -> None:
    arguments = (*ASKED, "--path=/it's?a=$HOME&b=c d".replace(" ", "%20"), "--path=/b*2")
    with Staged() as server:
        whole = load(*arguments, server.url).figures
        alone = Counter(request.split(b" ")[1] for request in server.requests)
        server.requests.clear()
        figures = load(*arguments, "--agents=local,far.example,local", "--connections=32", server.url).figures
        together = Counter(request.split(b" ")[1] for request in server.requests)
    assert together == alone and together.total() == COUNT
    assert (figures["requests"], figures["answered"], errors(figures)) == (COUNT, COUNT, {})
    assert [agent["host"] for agent in figures["agents"]] == ["local 1", "far.example", "local 3"]
    assert [agent["requests"] for agent in figures["agents"]] == [100, 100, 100]
    assert [agent["connections"]["asked"] for agent in figures["agents"]] == [11, 11, 10]
    assert figures["rate_asked"] == whole["rate_asked"] == 500 and figures["seed"] == 7
    check_merged(figures)
    host, command = shell.read_text().splitlines()
    assert host == "far.example" and command.startswith("exec '/") and "'--share=1/3'" in command


def test_a_run_by_itself_names_no_agents() -> None:
    with Staged() as server:
        assert "agents" not in load(*ASKED, server.url).figures


def begun(server: Staged, process: subprocess.Popen[str], count: int) -> list[int]:
    """The pids of so many agents, when requests come."""
    eventually("some requests", lambda: len(server.requests) >= 50, within=30)
    agents = processes.children(process.pid)
    assert len(agents) == count
    return agents


LONG = ("--rate=500", "--duration=3600", "--agents=local,local")


def test_one_that_dies_is_told_and_makes_the_run_void() -> None:
    with Staged() as server:
        process = start("--rate=500", "--duration=2", "--agents=local,local", server.url)
        os.kill(begun(server, process, 2)[1], signal.SIGKILL)
        loaded = finish(process)
    dead = loaded.figures["agents"][1]
    assert (dead["host"], dead["failure"]) == ("local 2", "killed by signal 9 (Killed)")
    assert "agent local 2: failed: killed by signal 9 (Killed)" in loaded.figures["void"]
    assert loaded.status == VOID and loaded.figures["requests"] == 500  # of the one that lives
    assert "load: agent local 2: killed by signal 9 (Killed)\n" in loaded.summary


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_and_tells_what_was_measured(number: signal.Signals) -> None:
    with Staged() as server:
        process = start(*LONG, server.url)
        agents = begun(server, process, 2)
        process.send_signal(number)
        figures = finish(process, within=15).figures
    assert figures["stopped"] == number.name
    assert figures["requests"] == figures["answered"] == len(server.requests) >= 50
    assert all(agent["failure"] is None for agent in figures["agents"])
    check_merged(figures)
    assert not any(processes.alive(pid) for pid in agents)


def test_no_agent_goes_on_without_who_asked() -> None:
    with Staged() as server:
        process = start(*LONG, server.url)
        agents = begun(server, process, 2)
        process.kill()
        process.communicate()
        eventually("no agent", lambda: not any(processes.alive(pid) for pid in agents), within=15)


def test_one_that_gives_up_ends_all() -> None:
    def slow(_request: bytes) -> tuple[bytes, str]:
        return b"", "keep"

    with Staged(slow) as server:
        figures = load(*LONG, "--give-up=0.3", server.url).figures
    assert figures["stopped"] == "give-up" and figures["seconds"] < 60
    assert errors(figures) == {"unfinished": figures["requests"]}


@preload.needs_release
def test_a_clock_that_is_set_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(preload.built("wall_clock", tmp_path)))
    monkeypatch.setenv("WALL_CLOCK_OFFSET", str(offset))
    with Staged() as server:
        process = start("--rate=500", "--duration=1", "--agents=local,local", server.url)
        begun(server, process, 2)
        offset.write_text("+3600")
        figures = finish(process).figures
    assert [agent["failure"] for agent in figures["agents"]] == [None, None]
    assert figures["requests"] == figures["answered"] == 500


def test_it_begins_when_told() -> None:
    with Staged() as server:
        begin = time.time() + patience(3)
        process = start(*ASKED, "--agents=local", f"--start-at={begin}", server.url)
        eventually("the first request", lambda: server.requests, within=30)
        assert time.time() >= begin
        assert finish(process).figures["started"] == pytest.approx(begin, abs=1e-3)


REFUSED: list[tuple[list[str], int, str]] = [
    (["--agents=local,,local"], BAD_USAGE, "--agents=local,,local: expected 1 to 256 hosts, divided by commas"),
    (["--agents=-oProxyCommand=x"], BAD_USAGE, "--agents=-oProxyCommand=x: expected 1 to 256 hosts"),
    (["--agents=local", "--share=0/2"], BAD_USAGE, "--share=0/2: expected without --agents"),
    (["--agents=local"], NOTHING, "agent local: http://127.0.0.1:1/: cannot connect: Connection refused"),
    (["--agents=local,local", "--threads=2", "--connections=3"], BAD_USAGE, "--connections=3: expected at least 4"),
]


@pytest.mark.parametrize(("arguments", "status", "words"), REFUSED)
def test_what_cannot_be_is_told(arguments: list[str], status: int, words: str) -> None:
    done, said = refused("--rate=1", "http://127.0.0.1:1/", *arguments)
    assert done == status
    assert any(line.startswith(f"load: {words}") for line in said.splitlines()), said


def test_a_shell_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_SSH", "/nonexistent/shell")
    status, said = refused("--rate=1", "--agents=a", "http://127.0.0.1:1/")
    assert (status, said) == (NOTHING, "load: agent a: could not be started: No such file or directory\n")


def test_one_that_does_not_end_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "shell"
    script.write_text("#!/bin/sh\nexec >&-\nexec sleep 1000\n")
    script.chmod(0o755)
    monkeypatch.setenv("LOAD_SSH", str(script))
    status, said = refused("--rate=1", "--agents=a", "http://127.0.0.1:1/")
    assert (status, said) == (NOTHING, "load: agent a: told no figures and did not end\n")


def test_openssh_is_such_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sshd.shells(tmp_path) as shells, Staged() as server:
        for name, words in (("unknown", "Host key verification failed."), ("refused", "Permission denied (publickey).")):
            monkeypatch.setenv("LOAD_SSH", shells[name])
            status, said = refused(*ASKED, "--agents=far", server.url)
            assert (status, said.count("\n")) == (NOTHING, 1)
            assert said.startswith("load: agent far: ") and said.endswith(f"{words}\n")
        monkeypatch.setenv("LOAD_SSH", shells["good"])
        figures = load(*ASKED, "--agents=far,local", server.url).figures
    assert [agent["requests"] for agent in figures["agents"]] == [150, 150] and errors(figures) == {}


def test_an_agent_without_who_asked_is_one_line() -> None:
    with Staged() as server:
        done = subprocess.run([LOAD, "--rate=1", server.url, "--agent"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=patience(30), check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (NOTHING, "load: told to stop before it began\n")


# ---- network namespaces --------------------------------------------------------------------------

@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server's, and three that reach it."""
    monkeypatch.setenv("LOAD_SSH", namespaces.shell(tmp_path))
    with namespaces.joined(3) as names:
        yield names


def test_three_hosts_are_one_to_a_step(hosts: list[str]) -> None:
    home, *others = hosts
    command = ["ip", "netns", "exec", home, BINARY, "--model=coro", f"--listen={ADDRESS}:8080", "--allow-root"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("ready ")
            figures = load("--rate=1500", "--duration=2", f"--agents={','.join(others)}",
                           f"http://{ADDRESS}:8080/hello").figures  # fmt: skip
        finally:
            server.terminate()
    assert [agent["host"] for agent in figures["agents"]] == others
    assert [agent["requests"] for agent in figures["agents"]] == [1000, 1000, 1000]
    assert (figures["answered"], figures["statuses"], errors(figures)) == (3000, {"200": 3000}, {})
    assert figures["latency_us"]["p99"] is not None
    check_merged(figures)
