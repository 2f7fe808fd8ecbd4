# SPDX-License-Identifier: MIT
"""Servers and their load on two hosts: shells that stay here stand for these, and network namespaces."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator

import made
import pytest
from made import CORO, FAKE, ROOT, needs_wrk
from lab.ask.plan import Step, parse_cpus
from lab.ask.workloads import WORKLOADS
from lab.machine import agent, hosts, procfs
from lab.machine.children import Children
from lab.machine.errors import LabError, UsageError
from lab.machine.hosts import Answers, Far, Host, Hosts
from lab.measure import duet, offered
from lab.measure.load import Command
from lab.measure.measurement import Bench, Programs
from lab.programs import capacity, options
from lab.server import site
from lab.server.client import BadAnswer, one
from lab.show import reading
from support import namespaces, sshd
from support.waiting import eventually
from test_bench import BENCH, below, bench

SHORT = ["--duration=0.3", "--warmup=0", "--blocks=1", "--no-aa"]
TWO = ["--server-host=one", "--load-host=two", "--server-address=127.0.0.1"]


def written(path: Path, lines: str) -> str:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A remote shell that stays here, and speaks first, as some do."""
    made_shell = written(tmp_path / "shell", 'echo Welcome to "$1"; exec sh -c "$2"')
    monkeypatch.setenv("LOAD_SSH", made_shell)
    return made_shell


@pytest.fixture
def far(shell: str) -> Iterator[Far]:
    with Far("one", ROOT) as host:
        yield host


# --- a host ------------------------------------------------------------------------------------


def test_what_is_asked_is_done_there_and_what_it_holds_stays_there(far: Far) -> None:
    assert far.call(os.getpid) != os.getpid()
    assert far.children is not None
    cores = sorted(os.sched_getaffinity(0))
    child = far.children.start(["sleep", "600"], cores, ROOT)
    assert procfs.parent_of(child.pid) == far.call(os.getpid)
    far.children.nice = 7
    lowered = far.children.start(["sleep", "600"], cores, ROOT)
    assert os.getpriority(os.PRIO_PROCESS, lowered.pid) == 7
    far.children.kill(child)
    assert child.poll() == -signal.SIGKILL
    with far.call(site.folder) as folder:
        assert (folder / site.NAME / "hello").read_bytes() == b"Hello, World!"
    assert not folder.exists()


def test_nothing_is_left_there_by_who_leaves_in_the_middle(shell: str) -> None:
    with Far("one", ROOT) as host:
        assert host.children is not None
        pid = host.children.start(["sleep", "600"], sorted(os.sched_getaffinity(0)), ROOT).pid
        folder = host.call(site.folder).__enter__()
        assert folder.exists() and procfs.parent_of(pid)
    assert not folder.exists() and not procfs.parent_of(pid)


@pytest.mark.parametrize(
    "asked, kind, words",
    [
        ((parse_cpus, "4095", {0}), UsageError, "^one: cores '4095'"),
        ((one, 1, "127.0.0.1", "/", None), BadAnswer, "^cannot connect to 127.0.0.1:1"),
        ((os.open, "/nowhere", 0), LabError, "^one: FileNotFoundError: "),
    ],
)
def test_errors_come_back_as_what_they_are(far: Far, asked: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        far.call(*asked)
    assert far.call(os.getpgid, 0) != os.getpgid(0)  # it goes on


def test_a_path_below_the_checkout_is_below_the_other_one(shell: str, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "scripts", there / "scripts", ignore=shutil.ignore_patterns("__pycache__", "load"))
    with Far("one", there) as host:
        assert host.call(str, ROOT / "server") == str(there / "server")
        assert host.call(Path, ROOT / "x") == ROOT / "x"
        assert host.call(Path, Path("/etc/hosts")) == Path("/etc/hosts")
        assert host.call(os.getcwd) == str(there)


class Runs:
    def __reduce__(self) -> Any:
        return os.system, ("touch /nowhere/at/all",)


class Starts:
    def __reduce__(self) -> Any:
        return Children, ()


@pytest.mark.parametrize("answer", [Runs(), Starts(), Path])
def test_an_answer_makes_nothing_but_data(answer: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="an answer with"):
        Answers(io.BytesIO(pickle.dumps((True, answer))), lambda: None).load()


@pytest.mark.parametrize("name", ["Children", "Children.start", "subprocess.Popen", "procfs", "_kill"])
def test_no_name_leads_out_of_the_lab(name: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match="an answer with"):
        Answers(io.BytesIO(), lambda: None).find_class("lab.machine.children", name)


def test_one_that_is_lost_is_told_ever_after_and_nothing_raised_on_the_way_out(shell: str) -> None:
    with Far("one", ROOT) as host:
        with host.call(site.folder):
            for _ in range(2):
                with pytest.raises(LabError, match=r"^one: its agent has ended \(exit status -9\)"):
                    host.call(os.kill, host.call(os.getpid) if host.over is None else 0, signal.SIGKILL)


def test_an_interrupted_answer_is_not_taken_for_the_next_one(shell: str) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt("SIGALRM")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        with Far("one", ROOT) as host:
            assert host.children is not None
            pid = host.children.start(["sleep", "600"], sorted(os.sched_getaffinity(0)), ROOT).pid
            for _ in range(2):  # whatever is asked afterwards
                with pytest.raises(KeyboardInterrupt, match="SIGALRM"):
                    host.call(os.kill, os.getpid(), signal.SIGALRM)
        assert not procfs.parent_of(pid)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "asked, kind, words",
    [
        (("a", "a", None), UsageError, "server and load both on a: run this program there"),
        (("-oProxyCommand=x", "local", None), UsageError, "'-oProxyCommand=x': expected a name for ssh"),
        (("", "local", None), UsageError, "host '': expected a name for ssh"),
        (("local", "a", None), UsageError, "--server-address: which of this machine's"),
        (("user@host.invalid", "local", None), LabError, r"host\.invalid: .*: --server-address says where"),
    ],
)
def test_hosts_that_cannot_be_meant(shell: str, asked: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words), hosts.opened(asked[0], asked[1], asked[2], ROOT):
        pass


def test_all_that_hosts_read_is_of_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "ROOT", tmp_path)
    seen = {agent.version()}
    for name in ("launch.py", "lab/judge/stats.py", "lab/server/peer_conf/nginx.conf", "wrk/report.lua"):
        path = tmp_path / "scripts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        seen.add(agent.version())
    assert len(seen) == 5


@pytest.mark.parametrize(
    "lines, words",
    [
        ("echo ssh: no route >&2; exit 255", "^a: ssh: no route$"),
        ("exit 3", r"^a: its agent has ended \(exit status 3\)$"),
        ('exec sh -c "cd /; $2"', "^a: no checkout at /nowhere: --checkout says where it is$"),
        (f"echo; echo {agent.GREETING.decode()}0123456789abcdef", "^a: its checkout is of another version than"),
    ],
)
def test_a_host_without_what_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, words: str
) -> None:
    monkeypatch.setenv("LOAD_SSH", written(tmp_path / "shell", lines))
    with pytest.raises(LabError, match=words), Far("a", Path("/nowhere")):
        pass


def test_a_host_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "READY_WITHIN_S", 0.2)
    monkeypatch.setenv("LOAD_SSH", written(tmp_path / "shell", "exec sleep 600"))
    with pytest.raises(LabError, match="^a: "), Far("a", ROOT):
        pass
    monkeypatch.setenv("LOAD_SSH", "/nonexistent/shell")
    with pytest.raises(LabError, match="^a: /nonexistent/shell: No such file"), Far("a", ROOT):
        pass


def test_openssh_is_such_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whom it does not let in is told why in its words; what it was at ends with it."""
    with sshd.shells(tmp_path) as shells:
        for name, words in (("unknown", "Host key verification failed."), ("refused", "Permission denied (publickey).")):
            monkeypatch.setenv("LOAD_SSH", shells[name])
            with pytest.raises(LabError, match=rf"^one: (\S+: )?{re.escape(words)}$"), Far("one", ROOT):
                pass
        monkeypatch.setenv("LOAD_SSH", shells["good"])
        with Far("one", ROOT) as host:
            assert host.children is not None and host.call(hosts.booted) == hosts.booted()
            pid = host.children.start(["sleep", "600"], sorted(os.sched_getaffinity(0)), ROOT).pid
            assert procfs.parent_of(pid) == host.call(os.getpid)
            host._process.kill()  # as a connection that is cut
            eventually("nothing left", lambda: not procfs.parent_of(pid), within=30)


# --- what is planned and kept -------------------------------------------------------------------


def test_two_machines_have_cores_of_their_own() -> None:
    cores = tuple(sorted(os.sched_getaffinity(0)))
    given = options.parser().parse_args(["--workloads=hello", "--models=coro,coro:cores"])
    plan = options.make_plan(given, [], replace(Hosts(), two_machines=True))
    assert (plan.cores.server, plan.cores.load) == (cores, cores)
    assert options.describe(plan).endswith(" of another machine\n")
    assert not any(c.shares_cores for cell in plan.cells for c in cell.configurations)
    asked = capacity.parser().parse_args(["--p99=50ms", "hello,db", "--models=coro,coro:cores"])
    notes: list[str] = []
    (cell,) = capacity.make_plan(asked, notes, replace(Hosts(), load=Host(), two_machines=True)).cells
    assert [c.label for c in cell.configurations if c.model == "coro"] == ["coro", f"coro({len(cores)})"][:len(cores)]
    assert cell.configurations[0].load_cpus == cores and [note.partition(" ")[0] for note in notes] == ["databases"]
    alone = options.make_plan(given, [])
    assert alone.cores.server != cores or len(cores) == 1
    row = {"configuration": "coro", "is_again": False, "server_cpus": [0], "load_cpus": [0]}
    assert reading.configuration(row).shares_cores
    assert not reading.configuration(row, two_machines=True).shares_cores


# --- measurements -------------------------------------------------------------------------------


@pytest.fixture
def two(shell: str, tmp_path: Path) -> Iterator[Programs]:
    (tmp_path / site.NAME).mkdir()
    with hosts.opened("one", "two", "127.0.0.1", ROOT) as opened:
        yield Programs(FAKE, tmp_path, hosts=opened)


@needs_wrk
def test_a_duet_is_two_servers_on_one_host_and_two_loads_on_another(two: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duet, "WINDOW_S", 0.3)
    configuration = replace(CORO, server_cpus=(0,), load_cpus=(0,))
    cell = made.cell("hello", configuration, connections=8)
    monkeypatch.setattr(Children, "start", None)  # of this process
    mine = Bench(Children(), two, replace(made.plan((cell,)), warmup_s=0.0))
    both = duet.turn([mine, replace(mine)], Step(0, cell, configuration))
    assert all(sample.load and sample.load.requests > 0 and duet.cpu_us(sample, 1) > 0 for sample in both)


def test_requests_are_offered_from_there(two: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Children, "start", None)
    configuration = replace(CORO, server_cpus=(0,), load_cpus=(0,))
    cell = made.cell("hello", configuration, connections=8)
    asked, mine = Command(WORKLOADS["hello"], 200.0, 0.5, (0,), 8), Bench(Children(), two, made.plan((cell,)))
    found = offered.measure(mine, Step(0, cell, configuration), asked)
    assert found.load is not None and found.load.answered > 0 and found.cpu_us and found.problem is None
    with mine.start(configuration, cell.workload) as server:
        at_url = offered.elsewhere(mine, f"http://127.0.0.1:{server.port}", asked)
    assert at_url.load is not None and at_url.load.answered > 0


def run_json(folder: Path) -> Any:
    (found,) = folder.glob("*/run.json")
    return json.loads(found.read_text())


@needs_wrk
def test_a_run_on_two_hosts(shell: str, tmp_path: Path) -> None:
    """Also what it leaves out, and that it can be taken up again."""
    cells = "--workloads=idle:20,interference,crash,db"
    done = bench(*SHORT, *TWO, cells, "--models=prefork", "--workers=4", f"--results={tmp_path}", "--syscalls",
                 f"--server={FAKE}", LOAD_SSH=shell)  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = run_json(tmp_path)
    assert {sample["workload"] for sample in run["samples"]} == {"idle:20", "interference"}
    for sample in run["samples"]:
        assert sample["load"]["requests"] > 0 and sample["apart_ns"] == []
        assert sample["hosts"].keys() == {"server", "load"}
        assert sample["steal_s"] == pytest.approx(sum(host["steal_s"] for host in sample["hosts"].values()))
    said = " ".join(run["notes"])
    assert "databases and what follows each request (crash, drain) are left out: they take" in said
    assert "system calls were not counted: the servers ran on another host" in said
    assert "servers and load ran on two hosts" in said
    assert run["environment"]["load_host"]["cores"] == run["environment"]["cores"]
    assert not run["plan"]["two_machines"]  # these two are one
    (folder,) = (path.parent for path in tmp_path.glob("*/run.json"))
    assert reading.read(folder).samples[0].hosts["load"].total_s > 0
    assert "Their load was on " in (folder / "table.md").read_text()
    again = bench(f"--resume={folder}", "--budget=1", LOAD_SSH=shell)
    assert again.returncode == 0, again.stderr


def test_one_line_says_what_is_missing_there(tmp_path: Path) -> None:
    """wrk, on the load's host alone."""
    without = written(tmp_path / "shell", 'test "$1" = two && PATH=/nowhere; exec /bin/sh -c "$2"')
    done = bench(*SHORT, *TWO, f"--results={tmp_path}", LOAD_SSH=without)
    assert done.returncode == 1
    assert done.stderr == "scripts/bench: two: wrk is not installed: scripts/deps bench installs it\n"


@needs_wrk
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_server_and_no_load_goes_on_without_who_asked(shell: str, tmp_path: Path, number: signal.Signals) -> None:
    argv = [sys.executable, BENCH, *SHORT, *TWO, "--workloads=hello", "--models=coro", "--duration=600",
            f"--server={FAKE}", f"--results={tmp_path}"]  # fmt: skip
    process = subprocess.Popen(argv, env={**os.environ, "LOAD_SSH": shell}, stderr=subprocess.PIPE)

    def loading() -> list[int]:
        pids = below(process.pid)
        named = subprocess.run(["ps", "-o", "comm=", *map(str, pids)], capture_output=True, text=True, check=False)
        return pids if "wrk\n" in named.stdout else []

    pids = eventually("a load", loading, within=30)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    eventually("nothing left", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), within=30)


@needs_wrk
def test_two_network_namespaces_are_two_hosts(tmp_path: Path) -> None:
    """Driven from a third, which reaches neither."""
    with namespaces.joined(1) as (server, load):
        done = bench(*SHORT, f"--server-host={server}", f"--load-host={load}", "--workloads=hello,cpu",
                     f"--server-address={namespaces.ADDRESS}", "--models=prefork:4,coro", "--peers=nginx",
                     f"--results={tmp_path}", LOAD_SSH=namespaces.shell(tmp_path))  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = run_json(tmp_path)
    assert len(run["samples"]) == 5 + bool(shutil.which("nginx", path="/usr/sbin:/usr/bin"))
    for sample in run["samples"]:
        assert (sample["answer_problem"], sample["exit_status"], sum(sample["load"]["errors"].values())) == (None, 0, 0)
        assert f"http://{namespaces.ADDRESS}:" in sample["wrk_command"]
        assert sample["load"]["established"] == sample["connections"]


@needs_wrk
def test_a_capacity_of_two_network_namespaces(tmp_path: Path) -> None:
    with namespaces.joined(1) as (server, load):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts/capacity", "--p99=50ms", "/sleep?ms=2", "--models=threads:4",
             f"--server-host={server}", f"--load-host={load}", f"--server-address={namespaces.ADDRESS}",
             "--budget=2", f"--results={tmp_path}"],
            capture_output=True, text=True, timeout=120, env={**os.environ, "LOAD_SSH": namespaces.shell(tmp_path)},
        )  # fmt: skip
    assert done.returncode == 3, done.stdout  # there was no time to decide
    (path,) = tmp_path.glob("*/capacity.json")
    found = json.loads(path.read_text())
    assert "load_host" in found["environment"] and "servers and load ran on two hosts" in " ".join(found["notes"])
    (asked,) = found["servers"]
    assert asked["problem"] is None and asked["alone_us"] > 2000
    for window in asked["windows"]:
        assert window["load"]["answered"] > 0 and f"http://{namespaces.ADDRESS}:" in window["commands"][1]


@pytest.mark.parametrize(
    "given, words",
    [
        (["--server-host=a"], "--server-host: only servers at a URL are asked, so none is started there"),
        (["--server-host=a", "--models=coro", "--load-host=a"], "server and load both on a: run this program there"),
        (["--models=coro", "--load-host=a"], "--server-address: which of this machine's has the load to ask?"),
    ],
)
def test_a_capacity_of_hosts_that_cannot_be_meant(given: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        capacity.main(["--p99=50ms", "/hello", "--url=http://127.0.0.1:1", *given])
