# SPDX-License-Identifier: MIT
"""Coordinated omission: that the server stands still, and that what is said follows from what was seen."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import made
import pytest
from lab.machine.children import Children
from lab.machine.errors import LabError
from lab.measure import load
from lab.show import omission as showing
from lab.programs import omission, report, results
from lab.server import servers
from support.waiting import eventually

GENERATOR = str(Path(__file__).with_name("fake_load.py"))


def document() -> dict[str, Any]:
    """10,000/s for 6 s, of which 3,000 waited up to 0.3 s; and a closed loop in which 64 of many did."""
    latencies = [200.0] * 57_000 + [at * 100.0 for at in range(3000)]
    closed = made.load(60_000.0, 64, 6.0, max_us=300_100.0, percentiles_us={
        "p50": 800.0, "p90": 1100.0, "p99": 1400.0, "p999": 2000.0,
    })  # fmt: skip
    return {
        "schema": 1, "command": "scripts/omission", "started": "2026-01-01T00:00:00Z", "environment": {},
        "configuration": "coro", "target": "/hello", "duration_s": 6.0, "seed": 1, "connections": 64,
        "stopped_s": {"open": 0.3, "closed": 0.3},
        "open": asdict(made.open_load(10_000.0, latencies)), "closed": asdict(closed),
    }  # fmt: skip


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_a_server_stands_still_once_and_goes_on() -> None:
    with Children() as children:
        argv = [made.FAKE, "--model=prefork", "--workers=2", "--listen=127.0.0.1:0"]
        ready = servers.ready_line({"model": "prefork", "workers": "2"})
        with servers.start(children, argv, sorted(os.sched_getaffinity(0)), made.ROOT, ready) as server:
            pids = server.worker_pids()
            with omission.standing_still(server, 0.0, 60.0) as lasted:
                eventually("all workers stopped", lambda: {state(pid) for pid in pids} == {"T"})
            assert len(lasted) == 1 and 0 < lasted[0] < 60.0  # it ends with what it was for
            assert not [pid for pid in pids if state(pid) == "T"]
            with omission.standing_still(server, 60.0, 1.0) as never:
                pass
            assert never == []


def test_the_text_follows_from_what_was_seen() -> None:
    said = "\n".join(showing.lines(document()))
    assert "stopped for 0.30 s in the middle of 6 s" in said and "10,000 requests/s" in said
    assert "| requests | 60,000 | 360,000 |" in said
    assert "| while the server stood still | 3,000 arrived | at most 64 were sent, one a connection |" in said
    assert "| p99 | 240 ms | 1.4 ms |" in said and "| longest | 300 ms | 300 ms |" in said
    assert "2,900, 4.8 %, waited 10 ms or longer" in said and "wrk's p99.9 is 2 ms" in said


def test_a_busy_machine_shows_something_else() -> None:
    assert showing.disturbed(document()) is None
    busy = document()
    latencies = [20_000.0] * 1000 + [200.0] * 56_000 + [at * 100.0 for at in range(3000)]
    busy["open"] = asdict(made.open_load(10_000.0, latencies))
    assert str(showing.disturbed(busy)).startswith("3,900 requests waited 10 ms or longer, and 3,000 came")


def test_both_plots_have_the_same_scale() -> None:
    plots = showing.plots(document())
    assert set(plots) == {"open", "closed"}
    ticks = [re.findall(r"<g id=\"ytick_\d+\">.*?<text[^>]*>([^<]+)</text>", svg, re.DOTALL) for svg in plots.values()]
    assert ticks[0] == ticks[1] and ticks[0]
    assert "Open loop: 10,000 requests/s" in plots["open"] and "wrk, 64 connections" in plots["closed"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 9}'])
def test_what_is_no_such_run_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / showing.FILE).write_text(text)
    with pytest.raises(LabError, match=showing.FILE):
        showing.load(tmp_path)
    with pytest.raises(LabError, match=showing.FILE):
        showing.load(tmp_path / "none")


def test_the_page_takes_the_newest(tmp_path: Path) -> None:
    page = tmp_path / "results" / results.LOOPS
    page.parent.mkdir()
    page.write_text(f"# Loops\n{results.BEGIN}\n{results.END}\n")
    (made_now,) = results.generated(page.parent).values()
    assert "Nothing was measured yet" in made_now
    for name, seed in (("20260102T000000Z-omission", 2), ("20260101T000000Z-omission", 1)):
        text = json.dumps({**document(), "command": f"scripts/omission --seed={seed}"})
        report.write(page.parent / name, {showing.FILE: text})
    (made_now,) = results.generated(page.parent).values()
    assert "--seed=2" in made_now and "](20260102T000000Z-omission/plots/open.svg)" in made_now


@made.needs_wrk
@pytest.mark.parametrize("fault", ["", "void"])
def test_both_loops_are_measured(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = tmp_path / "generator"  # the stand-in is done at once
    slow.write_text(f'#!/bin/sh\nsleep 2\nexec {GENERATOR} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setattr(load, "PROGRAM", str(slow))
    monkeypatch.setattr(omission, "TOLERANCE", 100.0)  # a busy machine wakes the one who ends it late
    monkeypatch.setattr("lab.programs.options.priority.usual", lambda: 0)  # or this process would lead
    monkeypatch.setattr(omission, "WORKLOAD", replace(omission.WORKLOAD, connections=4))
    monkeypatch.setenv("FAKE_LOAD", fault)
    asked = ["--duration=2", "--stop=0.1", "--rate=1000", f"--server={made.FAKE}", f"--results={tmp_path / 'results'}"]
    if fault:
        with pytest.raises(LabError, match="cannot vouch for its figures: lag"):
            omission.main(asked)
        assert list((tmp_path / "results").iterdir()) == []
        return
    assert omission.main(asked) == 0
    (folder,) = (tmp_path / "results").iterdir()
    found = showing.load(folder)
    assert found["open"]["rate_asked"] == 1000.0 and found["closed"]["requests"] > 0
    assert found["stopped_s"]["closed"] >= 0.1
    assert {path.name for path in (folder / "plots").iterdir()} == {"open.svg", "closed.svg"}
    assert "| requests |" in capsys.readouterr().out
