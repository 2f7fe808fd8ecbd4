# SPDX-License-Identifier: MIT
"""scripts/capacity from outside: with a staged generator, and once with the real one."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import pytest
from made import FAKE, ROOT, needs_wrk
from lab.ask.plan import Cores
from lab.judge.capacity import Interval, Promise, Trial
from lab.measure.offered import Offered
from lab.programs import advise, capacity, options
from lab.programs.seeking import Asked, Seeker
from lab.server import peers
from test_capacity import load_of

HERE = Path(__file__).parent
# The program as scripts/launch.py runs it, with another generator.
STAGED = f"""\
import sys
sys.path[:0] = [{str(ROOT / "scripts")!r}]
from lab.machine import program
from lab.measure import load
from lab.programs import capacity
load.PROGRAM = {str(HERE / "fake_load.py")!r}
sys.exit(program.run("scripts/capacity", capacity.main))
"""
pytestmark = needs_wrk


def run(*arguments: Any, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", STAGED, *map(str, arguments)],
        capture_output=True, text=True, env={**os.environ, **environment}, timeout=120,
    )  # fmt: skip


def document(results: Path) -> Any:
    (folder,) = results.iterdir()
    assert folder.name.endswith("-capacity")
    assert sorted(path.name for path in folder.iterdir()) == ["capacity.json", "table.txt"]
    return json.loads((folder / "capacity.json").read_text())


def urls(*ports: int) -> list[str]:
    return [f"--url=http://127.0.0.1:{port}" for port in ports]


def test_it_finds_what_servers_carry(tmp_path: Path) -> None:
    """Of ports 2 and 7 the staged generator says that they carry 2,000 and 7,000 a second."""
    done = run("--p99=50ms", "/index.html", *urls(2, 7), f"--results={tmp_path}", FAKE_PORTS="1")
    assert done.returncode == 0, done.stderr
    found = document(tmp_path)
    assert found["complete"] and found["promise"] == {"percentile": "p99", "limit_us": 50e3}
    for server, true in zip(found["servers"], (2000, 7000)):
        assert server["decided"] and server["target"] == "/index.html" and server["limiter"] == "undecided"
        assert server["carries"]["low"] * 0.98 <= true <= server["carries"]["high"] * 1.02
        assert server["carries"]["high"] <= server["carries"]["low"] * 1.03**2
        kept = [window["load"]["latency"]["percentiles_us"]["p99"] <= 50e3 for window in server["windows"]]
        assert kept == [window["kept"] for window in server["windows"]]
        assert all("hdr" not in window["load"]["latency"] for window in server["windows"])
    lines = done.stdout.splitlines()
    assert lines[0] == "/index.html: GET /index.html, at p99 ≤ 50 ms"
    assert lines[2].split() == "server carries 95 % interval p50 there memory windows limited by".split()
    assert lines[4].startswith("http://127.0.0.1:2 ") and lines[5].startswith("http://127.0.0.1:7 ")
    assert "/s  [" in lines[4] and lines[-1].startswith("written to ")


def test_servers_take_turns(tmp_path: Path) -> None:
    """A window of each, so that both see what the machine does meanwhile."""
    log = tmp_path / "log"
    wrapper = tmp_path / "load"
    wrapper.write_text(f'#!/bin/sh\nfor w; do :; done; echo "$w" >>{log}\nexec {HERE}/fake_load.py "$@"\n')
    wrapper.chmod(0o755)
    staged = STAGED.replace(str(HERE / "fake_load.py"), str(wrapper))
    done = subprocess.run(
        [sys.executable, "-c", staged, "--p99=50ms", "/x", *urls(5, 6), f"--results={tmp_path}/results"],
        capture_output=True, text=True, env={**os.environ, "FAKE_PORTS": "1"}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    asked = log.read_text().split()
    assert asked[:10] == ["http://127.0.0.1:5/x", "http://127.0.0.1:6/x"] * 5


def test_models_are_started_and_their_limit_is_named(tmp_path: Path) -> None:
    """A pool of 4 that waits 2 ms carries 2,000 by Little's law; that is what the generator is told."""
    done = run("--p99=50ms", "/sleep?ms=2", "--models=threads:4", "--server", FAKE, f"--results={tmp_path}",
               FAKE_CAPACITY="1990")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (server,) = document(tmp_path)["servers"]
    assert server["server"] == "threads(4)" and server["limiter"] == "pool size"
    assert 0.9 < server["in_use"]["pool size"] < 1.05 and server["memory_bytes"] > 0
    assert "--model=threads" in server["windows"][0]["commands"][0]
    assert "threads(4)" in done.stdout and "% of pool size" in done.stdout


def test_a_server_that_does_not_start_is_void_beside_others(tmp_path: Path) -> None:
    done = run("--p99=50ms", "sleep", "--models=coro", *urls(3), "--server", FAKE, f"--results={tmp_path}",
               FAKE_PORTS="1", FAKE_FAULT="exit")  # fmt: skip
    assert done.returncode == 1
    coro, other = document(tmp_path)["servers"]
    assert "did not start" in coro["problem"] and coro["windows"] == [] and not coro["decided"]
    assert other["decided"]
    assert any(line.startswith("coro") and " void " in line for line in done.stdout.splitlines())


def test_nothing_but_failures_is_one_line_and_no_folder(tmp_path: Path) -> None:
    done = run("--p99=50ms", "/x", *urls(1), f"--results={tmp_path}", FAKE_LOAD="exit")
    assert done.returncode == 1 and done.stdout == "" and not list(tmp_path.iterdir())
    assert done.stderr.splitlines() == [
        f"scripts/capacity: {HERE / 'fake_load.py'} failed (exit 1): "
        "load: cannot connect to 127.0.0.1:1: Connection refused"
    ]


def test_void_windows_break_no_promise(tmp_path: Path) -> None:
    """The generator lags in each: what is far within the promise is kept, the others are tried again."""
    done = run("--p99=50ms", "/x", *urls(5), "--budget=5", f"--results={tmp_path}", FAKE_LOAD="void")
    assert done.returncode == 3
    (server,) = document(tmp_path)["servers"]
    told = {window["kept"] for window in server["windows"]}
    assert told == {True, None} and not server["decided"] and server["at_least"] is None
    assert all(window["rate"] < 5000 for window in server["windows"] if window["kept"])


def test_what_the_generator_does_not_reach_is_carried_at_least(tmp_path: Path) -> None:
    done = run("--p99=50ms", "/x", *urls(5), f"--results={tmp_path}", FAKE_LOAD="behind")
    assert done.returncode == 3 and "≥ 1," in done.stdout
    (server,) = document(tmp_path)["servers"]
    assert server["limiter"] == "the generator" and 1500 / 1.3 < server["at_least"] <= 1500
    assert all(window["kept"] is not False for window in server["windows"])


def test_answers_that_are_errors_break_it(tmp_path: Path) -> None:
    """503 above 1,500/s."""
    done = run("--p99=50ms", "/x", *urls(5), f"--results={tmp_path}", FAKE_LOAD="refused")
    assert done.returncode == 0, done.stderr
    (server,) = document(tmp_path)["servers"]
    assert server["carries"]["low"] * 0.98 <= 1500 <= server["carries"]["high"] * 1.02


def test_a_promise_shorter_than_one_request_alone_is_nothing(tmp_path: Path) -> None:
    done = run("--p99=400us", "/x", *urls(5), f"--results={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "nothing" in done.stdout and "one request alone takes 500 µs" in done.stdout


def test_a_budget_that_is_too_small_leaves_it_undecided(tmp_path: Path) -> None:
    done = run("--p99=50ms", "/x", *urls(5), "--budget=0.1", f"--results={tmp_path}")
    assert done.returncode == 3
    (server,) = document(tmp_path)["servers"]
    assert not server["decided"] and server["carries"] is None


def test_a_stop_keeps_what_is_known(tmp_path: Path) -> None:
    done = run("--p99=50ms", "/x", *urls(2, 7), f"--results={tmp_path}", FAKE_PORTS="1", FAKE_LOAD="stop")
    assert done.returncode == 130
    found = document(tmp_path)
    assert found["stopped_by"] == "SIGINT" and not found["complete"]
    assert [len(server["windows"]) >= 2 for server in found["servers"]] == [True, True]
    assert "http://127.0.0.1:2 " in done.stdout and "written to " in done.stdout


@pytest.mark.parametrize(
    "given, words",
    [
        (["/x", *urls(1)], "one of the arguments --p50 --p90 --p99 --p999 is required"),
        (["--p99=50", "/x", *urls(1)], "'50': expected a time such as 50ms"),
        (["--p99=0ms", "/x", *urls(1)], "expected a time"),
        (["--p99=1ms", "--p50=1ms", "/x", *urls(1)], "not allowed with argument"),
        (["--p99=50ms", "/x"], "the lab knows no such workload"),
        (["--p99=50ms", "nothing"], "unknown workload 'nothing'"),
        (["--p99=50ms", "pipeline"], "workload pipeline: its requests are wrk's own"),
        (["--p99=50ms", "crash"], "workload crash: it is more than a load"),
        (["--p99=50ms", "/x", "--url=https://a"], "'https://a': expected http://HOST[:PORT]"),
        (["--p99=50ms", "/x", "--url=http://a/x"], "expected http://HOST[:PORT]"),
        (["--p99=50ms", "/x", "--url=http://a:b"], "expected http://HOST[:PORT]"),
        (["--p99=50ms", "hello", "--models=fibers"], "unknown model 'fibers'"),
        (["--p99=50ms", "hello", "--precision=0"], "'0': expected a number from 1 to 50"),
        (["--p99=50ms", "hello", "--connections=10000000"], "--connections 10000000: at most"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(given: list[str], words: str, tmp_path: Path) -> None:
    done = run(*given, f"--results={tmp_path}")
    assert done.returncode == 64 and done.stdout == "" and not list(tmp_path.iterdir())
    (line,) = done.stderr.splitlines()
    assert words in line


def test_what_it_would_do_is_listed() -> None:
    done = run("--p99=50ms", "hello,mix", "--models=threads,coro", *urls(5), "--list")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "hello: threads(64)", "hello: coro", "hello: floor", "hello: http://127.0.0.1:5",
        "mix: threads(64)", "mix: coro", "mix: http://127.0.0.1:5", "at most 840 s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, name, target",
    [
        ("/mix?cpu=200&wait=5&rounds=2", "mix?cpu=200&wait=5&rounds=2", "/mix?cpu=200&wait=5&rounds=2"),
        ("/hello", "hello", "/hello"),
        ("/sleep?ms=20", "sleep", "/sleep?ms=20"),
        ("/files/1k", "files-1k", "/files/1k"),
        ("mix?cpu=1", "mix?cpu=1", "/mix?cpu=1"),
    ],
)
def test_a_path_is_the_workload_that_asks_for_it(text: str, name: str, target: str) -> None:
    (found,) = capacity.workloads_of(text, ours=True)
    assert (found.name, found.target) == (name, target)


def test_a_url_is_asked_for_what_no_other_server_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    nginx = peers.configurations(["nginx"], Cores((0,), (1,)))
    monkeypatch.setattr(options, "peer_configurations", lambda *_: nginx)
    url = "http://127.0.0.1:1"
    asked = capacity.parser().parse_args(["--p99=50ms", "hello,sleep", "--peers=nginx", f"--url={url}"])
    plan = capacity.make_plan(asked, [])
    found = {(s.cell.workload.name, s.label) for s in capacity.seekers_of(plan, [url], capacity.asked_of(asked))}
    assert {("hello", "nginx"), ("hello", url), ("sleep", url)} <= found and ("sleep", "nginx") not in found


@pytest.mark.parametrize("text, us", [("50ms", 50e3), ("1.5s", 1.5e6), ("800us", 800.0), ("2µs", 2.0)])
def test_times_have_a_unit(text: str, us: float) -> None:
    assert capacity.duration_us(text) == us


def found(label: str, rate: float, memory: int, **fields: Any) -> Seeker:
    """One whose search has ended at a rate."""
    one = Seeker(made.cell("sleep"), label, Asked(Promise("p99", 50e3), 0.03, 1), **fields)
    one.search.found = Interval(rate, rate * 0.99, rate * 1.01)
    one.windows = [(Trial(rate, True, True), Offered(load_of(40e3), cpu_us=10.0, memory_bytes=memory))]
    return one


def test_a_sentence_for_advice() -> None:
    seekers = [
        found("threads(64)", 3050.0, 5 << 20), found("coro", 6900.0, 5 << 20),
        found("threads(256)", 6300.0, 25 << 20), found("prefork(64)", 1.0, 1, problem="it ended"),
    ]  # fmt: skip
    assert capacity.sentence(seekers) == (
        "at p99 ≤ 50 ms: coro carries 6,900/s, threads(256) 6,300/s at 5 × the memory, threads(64) 3,050/s, "
        "prefork(64) void (it ended)"
    )


@pytest.mark.parametrize("others, noted", [(0.01, False), (0.4, True)])
def test_what_other_programs_used_is_said(others: float, noted: bool) -> None:
    one = found("coro", 6900.0, 5 << 20, configuration=made.CORO)
    ((trial, seen),) = one.windows
    one.windows = [(trial, replace(seen, others_cores=others))]
    said = "other programs used 40 % of a core of the server's during the windows, 40 % at most"
    assert (said in capacity.text([one])) is noted


def test_advice_says_what_the_best_sizes_carry(tmp_path: Path) -> None:
    staged = STAGED.replace("import capacity\n", "import advise\n").replace("capacity.main", "advise.main")
    done = subprocess.run(
        [sys.executable, "-c", staged, "--cpu-ms=0", "--wait-ms=5", "--concurrency=1", "--blocks=3", "--server", FAKE,
         "--duration=0.2", "--p99=50ms"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if done.returncode == 1 and "No advice" in done.stdout:
        pytest.skip("with what else runs here nothing could be believed")
    assert done.returncode == 0 and "Use --model=" in done.stdout, done.stderr
    (said,) = (line for line in done.stdout.splitlines() if line.startswith("at p99"))
    assert re.fullmatch(r"at p99 ≤ 50 ms: \S+ carries [\d,]+/s.*", said)


def test_advice_that_needs_the_generator_asks_for_it_first() -> None:
    staged = STAGED.replace("import capacity\n", "import advise\n").replace("capacity.main", "advise.main")
    staged = staged.replace("fake_load.py", "no_load.py")
    done = subprocess.run(
        [sys.executable, "-c", staged, "--cpu-ms=0", "--wait-ms=5", "--concurrency=1", "--server", FAKE, "--p99=50ms"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and "no load generator at" in done.stderr and not done.stdout


def test_looked_at_for_advice_are_the_best_sizes_of_each_model() -> None:
    small, large = replace(made.THREADS, workers=4), replace(made.THREADS, workers=256)
    figures = {
        small: {"rps": 190.0}, made.THREADS: {"rps": 3000.0}, large: {"rps": 9000.0},
        made.CORO: {"rps": 9100.0}, made.SHARED: {"rps": 9500.0},
        made.PREFORK: {"rps": 3000.0, "pids_changed": True},
    }  # fmt: skip
    result = made.result(made.cell("sleep").workload, 256, figures)
    assert [each.label for each in advise.contenders(result)] == ["coro", "threads(256)", "threads(64)"]


def test_of_a_server_and_a_generator_for_real(tmp_path: Path) -> None:
    """As short as can be: it ends with a table, whatever it has found by then."""
    if not (ROOT / "server").exists() or not (ROOT / "scripts/load").exists():
        pytest.skip("./server or scripts/load is not built")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/capacity"), "--p99=20ms", "/sleep?ms=5", "--models=threads:2",
         "--duration=0.5", "--budget=8", f"--results={tmp_path}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    (server,) = document(tmp_path)["servers"]
    assert server["problem"] is None and server["windows"] and server["alone_us"] > 5000
    for window in server["windows"]:
        assert window["load"]["requests"] > 0
        if window["kept"]:  # no more than two workers that wait 5 ms each can, but for a window's ends
            assert window["rate"] <= 2 / 0.005 * 1.1
