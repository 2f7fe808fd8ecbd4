# SPDX-License-Identifier: MIT
"""The lab from outside: scripts/bench against a stand-in server, sound and faulty."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made
import pytest
from made import FAKE, ROOT, needs_wrk
from lab.machine import procfs
from lab.machine.children import Children
from lab.machine.errors import LabError
from lab.ask.plan import Step
from lab.ask.workloads import WORKLOADS
from lab.server import servers
from lab.server.client import BadAnswer, Client
from lab.measure import measurement, wrk
from lab.show import schema
from support.waiting import eventually

ANEW_US = 2000  # of the stand-in, with --pool=none
BENCH = str(ROOT / "scripts/bench")
SHORT = ["--duration=0.2", "--warmup=0", "--blocks=1", "--no-aa"]
SHORT += ["--workers=4", "--server", FAKE]


def bench(*arguments: Any, **environment: Any) -> Any:
    return subprocess.run(
        [sys.executable, BENCH, *arguments],
        capture_output=True, text=True, env={**os.environ, **environment}, timeout=120,
    )  # fmt: skip


def unless_progress(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if not line.startswith("[")]


def below(pid: int) -> list[int]:
    return procfs.descendants(pid)


def left_over() -> Any:
    """Processes of this test's making that still run; what a database of other tests starts meanwhile is none."""
    others = {None, *BEFORE}  # None: it has ended since
    return sorted(pid for pid in set(below(os.getpid())) - BEFORE if procfs.parent_of(pid) not in others)


BEFORE: set[int] = set()


@pytest.fixture(autouse=True)
def note_processes() -> None:
    """Other tests of the same run may keep servers of theirs."""
    BEFORE.clear()
    BEFORE.update(below(os.getpid()))


# --- help ------------------------------------------------------------------------------


@pytest.mark.parametrize("program", sorted(p.name for p in (ROOT / "scripts").iterdir() if p.is_symlink()))
def test_each_program_tells_of_its_options(program: str) -> None:
    asked = [sys.executable, str(ROOT / "scripts" / program), "--help"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and told.stderr == ""
    assert told.stdout.startswith(f"usage: scripts/{program} ") and "options:" in told.stdout


# --- servers, one by one ---------------------------------------------------------------


def start(children: Children, fault: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> Any:
    if monkeypatch:
        monkeypatch.setenv("FAKE_FAULT", fault)
    argv = [FAKE, "--model=prefork", "--workers=3", "--listen=127.0.0.1:0"]
    wanted = {"model": "prefork", "workers": "3"}
    return servers.start(children, argv, sorted(os.sched_getaffinity(0)), ROOT, servers.ready_line(wanted))


def test_a_server_is_started_pinned_asked_and_drained() -> None:
    with Children() as children:
        with start(children) as server:
            assert len(server.worker_pids()) == 3
            assert server.pid not in server.worker_pids()
            with Client(server.port) as client:
                first, second = client.get("/hello"), client.get("/hello")
            assert first.status == 200 and first.body == b"Hello, World!"
            assert first.masked() == second.masked()
            assert b"\r\nDate: *\r\n" in first.masked()
            workers, master = server.memory()
            assert workers > 0 and master > 0
            pids = server.worker_pids()
        assert server.exit_status == 0
        assert all(procfs.parent_of(pid) is None for pid in pids)


@pytest.mark.parametrize(
    "fault, words",
    [
        ("exit", "did not start .exit 1.: fake: cannot bind: address in use"),
        ("model", "says model=another, asked for was prefork"),
    ],
)
def test_a_server_that_is_not_what_was_asked_for(
    fault: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Children() as children:
        with pytest.raises(LabError, match=words):
            start(children, fault, monkeypatch=monkeypatch)
    assert left_over() == []


def test_a_server_that_never_gets_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "READY_TIMEOUT_S", 0.3)
    with Children() as children:
        with pytest.raises(LabError, match="not ready within"):
            start(children, "mute", monkeypatch=monkeypatch)
    assert left_over() == []


def test_a_server_deaf_to_sigterm_is_killed_with_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "STOP_TIMEOUT_S", 0.3)
    with Children() as children:
        with start(children, "deaf", monkeypatch=monkeypatch) as server:
            pids = server.worker_pids()
        assert server.exit_status is None
    assert all(procfs.parent_of(pid) in (None, 1) for pid in pids)
    assert left_over() == []


def test_leaving_by_an_exception_leaves_no_process() -> None:
    with pytest.raises(KeyboardInterrupt):
        with Children() as children:
            with start(children):
                raise KeyboardInterrupt
    assert left_over() == []


def test_no_such_program() -> None:
    with Children() as children, pytest.raises(LabError, match="cannot run"):
        servers.start(children, ["./no-such-server"], [0], ROOT, servers.ready_line({}))


@pytest.mark.parametrize(
    "line", ["", "ready", "ready model=x pid=1", "ready listen=nowhere pid=1", "not ready listen=a:1 pid=1"]
)
def test_ready_lines_that_are_none(line: str) -> None:
    with pytest.raises(LabError, match="not a ready line"):
        servers.parse_ready(line)


def test_a_ready_line() -> None:
    ready = servers.parse_ready("ready model=coro workers=1 listen=[::1]:8080 pid=12 version=1")
    fields = {"model": "coro", "workers": "1", "listen": "[::1]:8080", "pid": "12", "version": "1"}
    assert ready == fields


def test_nobody_listens() -> None:
    with pytest.raises(BadAnswer, match="cannot connect"):
        Client(1)


# --- the whole -------------------------------------------------------------------------


@needs_wrk
def test_a_run_writes_what_it_shows(tmp_path: Path) -> None:
    done = bench(*SHORT, "--workloads=sleep,cpu", "--models=coro,coro:cores", "--connections=4",
                 "--seed=3", "--label=trial", f"--results={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert unless_progress(done.stderr) == []
    (folder,) = tmp_path.glob("*-trial")
    run = json.loads((folder / "run.json").read_text())
    assert run["schema"] == schema.SCHEMA and run["complete"] and run["plan"]["seed"] == 3
    assert len(run["samples"]) == 4
    assert schema.problems(run) == []
    for sample in run["samples"]:
        assert sample["load"]["requests"] > 0
        assert sample["derived"]["cpu_us_per_request"] > 0
        assert sample["memory_bytes"] > 0
        assert sample["processes"] == (2 if "(2)" in sample["configuration"] else 1)
        assert "--model=coro" in sample["server_command"] and "-c4" in sample["wrk_command"]
    assert [cell["workload"]["name"] for cell in run["cells"]] == ["sleep", "cpu"]
    assert "GET /sleep?ms=20, 4 connections" in done.stdout
    assert (folder / "table.md").read_text().count("\n## ") == 3
    assert len((folder / "table.csv").read_text().splitlines()) == 1 + 4
    assert json.loads((folder / "environment.json").read_text()) == run["environment"]
    assert str(tmp_path) not in (folder / "run.json").read_text()


@needs_wrk
@pytest.mark.parametrize(
    "fault, words",
    [
        ("status", "statuses over 399"),
        ("close", "read errors"),
        ("worker", "worker processes changed"),
        ("code", "exited with 3 at SIGTERM"),
        ("starve", "never got an answer"),
    ],
)
def test_a_staged_fault_voids_the_cell(fault: str, words: str, tmp_path: Path) -> None:
    done = bench(*SHORT, "--workloads=sleep", "--models=coro", "--connections=16",
                 f"--results={tmp_path}", FAKE_FAULT=fault)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert words in said.partition("! coro: void: ")[2]
    assert "no configuration gave a result that can be believed" in said


@pytest.mark.parametrize("name, at_once", [("cpu", measurement.SINGLES), ("echo-1m", 1)])
def test_a_request_alone_costs_the_least_of_warm_batches(
    monkeypatch: pytest.MonkeyPatch, name: str, at_once: int
) -> None:
    """The first batch, here the cheapest, is not counted; a body too large goes alone."""
    spent = [0.001, 0.032, 0.016, 0.024, 0.020, 0.040]
    assert len(spent) == 1 + measurement.SINGLE_TIMES
    readings = iter([each for at, s in enumerate(spent) for each in (float(at), at + s)])
    sent = []

    class Stub(Client):
        def __init__(self, port: int, address: str = "") -> None:
            pass

        def close(self) -> None:
            pass

        def send(self, target: str, post: bytes | None = None, times: int = 1) -> None:
            sent.append(times)

        def receive(self, target: str) -> Any:
            return None

    monkeypatch.setattr(measurement, "Client", Stub)
    monkeypatch.setattr(procfs, "cpu_seconds", lambda pids: next(readings))
    with Children() as children, start(children) as server:
        one = measurement.Bench(children, measurement.Programs(FAKE, ROOT), made.plan(()))
        found = measurement._single_cpu(one, server, WORKLOADS[name])
    assert sent == [at_once] * len(spent)
    assert found == pytest.approx(16_000 / at_once)


def test_requests_sent_at_once_are_each_answered() -> None:
    with Children() as children, start(children) as server:
        with Client(server.port) as client:
            client.send("/hello", times=3)
            assert [client.receive("/hello").body for _ in range(3)] == [b"Hello, World!"] * 3


@needs_wrk
@pytest.mark.parametrize("name, measured", [("sleep", True), ("hello", False)])
def test_wrk_says_how_long_it_only_connected(name: str, measured: bool) -> None:
    workload, cpus = WORKLOADS[name], sorted(os.sched_getaffinity(0))
    with Children() as children, start(children) as server:
        load = wrk.Command(workload, 4, cpus, 0.5, server.port).run(children)
    assert load.requests > 0 and load.cut_off_us is not None
    if measured:  # at least the four calls of connect(), and no answer's 20 ms
        assert load.connecting_s is not None and 10e-6 < load.connecting_s < 0.5
    else:
        assert load.connecting_s is None


@needs_wrk
def test_users_who_think_are_no_closed_loop() -> None:
    workload, cpus = WORKLOADS["skew"], sorted(os.sched_getaffinity(0))
    with Children() as children, start(children) as server:
        load = wrk.Command(workload, 8, cpus, 0.5, server.port).run(children)
    assert 0 < load.requests < 10 * 8 * 0.5 / (workload.think_ms / 1e3)


@needs_wrk
def test_users_of_two_threads_do_not_think_alike() -> None:
    """Were each thread's times the same, the k-th requests of both connections would come together."""
    came: dict[socket.socket, list[float]] = {}
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    workload = replace(WORKLOADS["skew"], think_ms=30)
    with socket.create_server(("127.0.0.1", 0)) as listener, Children() as children:
        command = wrk.Command(workload, 2, (0, 1), 60.0, listener.getsockname()[1])
        assert command.threads == 2
        process = children.start(command.argv, sorted(os.sched_getaffinity(0)), ROOT)
        while sum(len(times) >= 8 for times in came.values()) < 2:
            for user in select.select([listener, *came], [], [])[0]:
                if user is listener:
                    came[listener.accept()[0]] = []
                elif user.recv(4096):
                    came[user].append(time.monotonic())
                    user.sendall(answer)
                else:  # wrk first looks whether anybody is there
                    del came[user]
                    user.close()
        children.kill(process)
        for user in came:
            user.close()
    assert any(abs(one - other) > 0.01 for one, other in zip(*came.values()))


def test_what_is_beside_a_load_thinks_by_itself() -> None:
    started: list[Any] = []

    def begin(argv: list[str], *_: Any) -> Any:
        started.append(argv)
        return SimpleNamespace(pid=0)

    children: Any = SimpleNamespace(start=begin, kill=lambda process: None)
    server: Any = SimpleNamespace(port=1)
    workload = WORKLOADS["skew"]
    step = Step(0, made.cell("skew", made.CORO), made.CORO)
    one = measurement.Bench(children, measurement.Programs(FAKE, ROOT), replace(made.plan(()), warmup_s=0.0))
    with measurement._beside(one, step, server, measurement.sample_of(step, 0)):
        ((*_, script, url, _mark, think),) = started
    assert script == wrk.THINK_SCRIPT and url.endswith(workload.slow_target or "?")
    assert float(think) == workload.slow_think_ms


@needs_wrk
def test_the_work_of_processes_that_have_ended_counts(tmp_path: Path) -> None:
    done = bench(*SHORT, "--workloads=sleep", "--connections=4", "--models=prefork:4+none",
                 f"--results={tmp_path}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("*-quick")
    (sample,) = json.loads((folder / "run.json").read_text())["samples"]
    assert sample["gates"] == []  # such as that processes have changed
    assert sample["derived"]["cpu_us_per_request"] > 0.75 * ANEW_US
    assert "prefork(4)+none" in done.stdout


@needs_wrk
def test_a_server_slowed_by_10_ms_stays_below_its_ceiling(tmp_path: Path) -> None:
    """Requests that wait 30 ms instead of 20 reach two thirds of 4/20 ms, and less on a busy
    machine; the latency shows where they were."""
    done = bench(*SHORT, "--workloads=sleep", "--models=coro", "--connections=4",
                 "--duration=1", f"--results={tmp_path}", FAKE_FAULT="slow")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("*-quick")
    (row,) = json.loads((folder / "run.json").read_text())["cells"][0]["rows"]
    assert row["ceiling"] == "4/20 ms = 200/s"
    assert 0 < row["rps"] <= 4 / 0.030 * 1.02
    assert row["limiter"] != "connections"
    (sample,) = json.loads((folder / "run.json").read_text())["samples"]
    assert sample["load"]["mean_us"] >= 30_000


@needs_wrk
def test_a_crash_and_a_drain_are_measured(tmp_path: Path) -> None:
    done = bench(*SHORT, "--workloads=crash,drain", "--models=prefork", "--connections=8",
                 f"--results={tmp_path}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("*-quick")
    crash, drain = json.loads((folder / "run.json").read_text())["samples"]
    assert crash["gates"] == []
    assert crash["extras"]["answered"] >= crash["extras"]["answered_before"] > 0
    assert crash["extras"]["workers_back_ms"] > 0 and crash["extras"]["still_cut"] == 0
    assert drain["extras"]["answered"] > 0 and drain["exit_status"] == 0


@needs_wrk
def test_parked_connections_are_held_beside_a_load(tmp_path: Path) -> None:
    done = bench(*SHORT, "--workloads=idle:40", "--models=coro", f"--results={tmp_path}")
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("*-quick")
    for sample in json.loads((folder / "run.json").read_text())["samples"]:
        assert sample["extras"]["parked_asked"] == sample["extras"]["parked_answered"] == 40
        assert sample["load"]["requests"] > 0
        assert not any("never got an answer" in gate for gate in sample["gates"])


@needs_wrk
def test_a_wrong_answer_voids_before_any_load(tmp_path: Path) -> None:
    done = bench(*SHORT, "--workloads=hello", "--models=coro", f"--results={tmp_path}", FAKE_FAULT="body")
    assert "body b'hello?'" in done.stdout


def one_line(done: Any, code: Any, words: str) -> None:
    assert done.returncode == code
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and words in done.stderr


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--models=treads"], 64, "did you mean threads"),
        (["--workloads=helo"], 64, "did you mean hello"),
        (["--blocks=0"], 64, "--blocks"),
        (["--blocks=many"], 64, "--blocks"),
        (["--duration=0.01"], 64, "--duration"),
        (["--duration=nan"], 64, "--duration: 'nan': expected a number from 0.2 to 3600"),
        (["--full", "--workloads=helo"], 64, "did you mean hello"),
        (["--full", "--models=coro:0"], 64, "model 'coro:0': expected MODEL[:WORKERS]"),
        (["--label=a/b"], 64, "--label"),
        (["--cpus-server=4095"], 64, "4095"),
        (["--nonsense"], 64, "--nonsense"),
        (["--connections=1000000"], 64, "--connections 1000000: at most"),
        (["--full", "--workloads=hello", "--connections=7"], 64, "nothing of this preset is left"),
        (["--workloads=cpu", "--models=nginx"], 64, "cpu: none of the servers asked for offers that"),
        (["--server-address=192.0.2.5"], 64, "--server-address: with --server-host or --load-host"),
        (["--resume=no/such/run"], 1, "cannot read no/such/run"),
        (["--resume=no/such/run", "--models=coro"], 64, "own plan: not with --models"),
        (["--resume=no/such/run", "--full"], 64, "own plan: not with --full"),
        (["--budget=-1"], 64, "--budget"),
        (["--precision=0"], 64, "--precision"),
        (["--server=no/such/server"], 1, "no server at"),
        (["--results=/dev/null/results"], 1, "--results /dev/null/results: Not a directory"),
        (["--results=/proc"], 1, "--results /proc: "),
    ],
)
def test_mistakes_get_one_clear_line(arguments: Any, code: Any, words: str) -> None:
    one_line(bench(*arguments), code, words)


@pytest.mark.parametrize(
    "program, arguments, code, words",
    [
        ("advise", ["--cpu-ms=-1", "--wait-ms=1", "--concurrency=1"], 64, "--cpu-ms: '-1': expected"),
        ("advise", ["--cpu-ms=0", "--wait-ms=0", "--concurrency=1"], 64, "--cpu-ms: 0, or at least 0.001"),
        ("advise", ["--cpu-ms=1", "--wait-ms=1", "--concurrency=1", "--cores=4096"], 64, "4096 cores"),
        ("advise", ["--cpu-ms=1"], 64, "--wait-ms"),
        ("omission", ["--blocks=2"], 64, "--blocks"),
        ("claims", ["--only=99"], 64, "unknown claim '99'"),
        ("claims", ["--duration=0"], 64, "--duration"),
        ("compare", ["a", "b", "--metrics=speed"], 64, "--metrics: unknown metric 'speed'"),
        ("compare", ["a"], 64, "B"),
        ("report", [], 64, "DIR"),
        ("results", ["--chek"], 64, "--chek"),
        ("bench-coro", ["--rounds=1"], 64, "--rounds: '1': expected a whole number from 3"),
        ("idle-connections", ["--count=0"], 64, "--count"),
        ("idle-connections", ["--workload=hello,cpu"], 64, "hello,cpu: expected one workload"),
    ],
)
def test_all_programs_tell_bad_options_alike(
    program: str, arguments: list[str], code: int, words: str
) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / program, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    one_line(done, code, words)


def test_connections_beyond_the_descriptors_are_refused_or_left_out() -> None:
    few = ["sh", "-c", 'ulimit -n 612; exec "$@"', "sh", sys.executable, BENCH]
    asked = subprocess.run([*few, "--connections=513"], capture_output=True, text=True, check=False)
    one_line(asked, 64, "--connections 513: at most 512 here, by the descriptors of a process")
    none = subprocess.run([*few, "--load"], capture_output=True, text=True, check=False)
    one_line(none, 1, "nothing to measure: cells of more than 512 connections are left out: limited by the")
    listed = subprocess.run(
        [*few, "--full", "--workloads=hello", "--list"], capture_output=True, text=True, check=True
    ).stdout
    assert " 256 connections" in listed and " 1024 connections" not in listed


def test_without_wrk_it_says_how_to_get_it(tmp_path: Path) -> None:
    one_line(bench(*SHORT, PATH=str(tmp_path)), 1, "wrk is not installed")


def test_a_python_without_scipy_is_told_in_one_line() -> None:
    code = ("import runpy, sys; sys.modules['scipy'] = None; sys.argv[:] = sys.argv[1:]; "
            "sys.path.insert(0, 'scripts'); runpy.run_path(sys.argv[0], run_name='__main__')")  # fmt: skip
    command = [sys.executable, "-c", code, BENCH]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    one_line(done, 1, "this Python has no scipy.special: scripts/deps bench installs it")


@needs_wrk
def test_a_server_that_fails_to_start_is_quoted(tmp_path: Path) -> None:
    done = bench(*SHORT, "--workloads=cpu", f"--results={tmp_path}", FAKE_FAULT="exit")
    one_line(done, 1, "cannot bind: address in use")
    assert list(tmp_path.iterdir()) == []


def test_list_runs_nothing() -> None:
    done = bench("--list")
    assert done.returncode == 0
    for word in ("hello", "prefork(64)", "coro(2)", "about", "interference-wait"):
        assert word in done.stdout or (word == "coro(2)" and os.cpu_count() != 2)


@needs_wrk
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_interrupted_it_ends_everything_it_started(number: Any, code: Any, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, BENCH, *SHORT, "--duration=30", "--workloads=sleep", f"--results={tmp_path}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    # Until wrk makes its load; the server's processes are then there too.
    started: list[int] = []
    while process.poll() is None and not any(loads(pid) for pid in started):
        started = below(process.pid)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    assert stdout == "" and "nothing was written" in stderr
    survivors = [pid for pid in started if procfs.parent_of(pid) is not None]
    assert [pid for pid in survivors if state_of(pid) != "Z"] == []
    assert list(tmp_path.iterdir()) == []


def in_a_terminal(arguments: list[str], hangup: Any, until: bytes) -> tuple[int, bytes]:
    """The exit status of scripts/bench, whose terminal is closed once it has shown `until`, and
    what it had shown. hangup: what it does with the SIGHUP of that, SIG_DFL or SIG_IGN."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, hangup)
        os.execv(sys.executable, [sys.executable, BENCH, *arguments])
    shown = b""
    while until not in shown:
        shown += os.read(terminal, 4096)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


@needs_wrk
def test_a_terminal_that_is_closed_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """Not even of the first block, nor what was still to come."""
    models = "--models=coro,prefork:4"
    arguments = [*SHORT, "--blocks=2", "--workloads=sleep,cpu", models, "--connections=4"]
    arguments.append(f"--results={tmp_path}")
    status, _shown = in_a_terminal(arguments, signal.SIG_DFL, b"[2/8] block 1/2")
    assert status == 130
    (folder,) = tmp_path.glob("*-quick")
    run = json.loads((folder / "run.json").read_text())
    assert (run["complete"], run["stopped_by"]) == (False, "SIGHUP")
    assert 1 <= len(run["samples"]) < 8
    assert (folder / "report.html").exists()

    done = bench(f"--resume={folder}")
    assert done.returncode == 0, done.stderr
    assert {each.name for each in tmp_path.iterdir()} == {folder.name}
    whole = json.loads((folder / "run.json").read_text())
    assert (whole["complete"], whole["stopped_by"]) == (True, None)
    assert [sample["block"] for sample in whole["samples"]] == [0] * 4 + [1] * 4
    assert whole["samples"][: len(run["samples"])] == run["samples"]
    assert whole["plan"] == run["plan"] and whole["command"] == run["command"]
    assert any("taken up again" in note for note in whole["notes"])


@needs_wrk
def test_under_nohup_it_goes_on_without_its_terminal(tmp_path: Path) -> None:
    arguments = [*SHORT, "--blocks=3", "--workloads=sleep", "--models=coro", "--connections=4"]
    arguments.append(f"--results={tmp_path}")
    status, _shown = in_a_terminal(arguments, signal.SIG_IGN, b"block 2/3")
    assert status == 0
    (folder,) = tmp_path.glob("*-quick")
    run = json.loads((folder / "run.json").read_text())
    assert run["complete"] and len(run["samples"]) == 3


@needs_wrk
def test_output_that_nobody_reads_loses_nothing(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, BENCH, *SHORT, "--workloads=sleep", "--models=coro", "--connections=4",
         f"--results={tmp_path}"], stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, unless_progress(done.stderr)) == (0, [])
    (folder,) = tmp_path.glob("*-quick")
    assert json.loads((folder / "run.json").read_text())["complete"]


def test_a_family_has_ended_when_it_has_been_told_so() -> None:
    """However many there are, and though the kernel ends one after another."""
    with Children() as children:
        parent = children.start(
            ["sh", "-c", "for i in $(seq 200); do sleep 1000 & done; wait"],
            sorted(os.sched_getaffinity(0)), ROOT,
        )  # fmt: skip
        family = eventually("all are there", lambda: below(parent.pid), lambda pids: len(pids) == 200)
        children.kill(parent)
        assert [pid for pid in family if state_of(pid) != "Z"] == []


def loads(pid: int) -> bool:
    """Whether this is wrk at work, and not the lab asking it for its version."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1].startswith(b"-t")
    except (OSError, IndexError):
        return False


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except OSError:
        return "Z"
