#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what roll-outs behind a load balancer cost: an open loop (scripts/load) asks three servers through
HAProxy or nginx, as deploy/ has them, in turn while nothing happens and while they are restarted one after
another, and at last while one of them is killed.

    tests/deploy/rollouts.py                                    all models behind both: half an hour
    tests/deploy/rollouts.py --models=coro --balancers=nginx --rolls=4

Prints a row of deploy/ROLLOUTS.md's table as each is over; Ctrl-C ends it with what there is of the one under
way. Peace and roll-outs take turns, and each block is held against the one before it, since a machine that has
others on it is slower for minutes: medians of blocks count, and of their ratios.

The generator has the last core for itself, where there are two: else it is chance who shares one with whom, and
that decides the percentile. A server is started in the idle class, and leaves it when it is ready: elsewhere it has
a machine of its own to start on, and does not take that time from the others and the balancer.

Exit status: 0 when of each none failed in the first two, the percentile is at most twice as high in roll-outs, and
with one killed no more failed than each connection can have had on its way; else 1; 130 when it was interrupted; 2
for what it does not understand.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "scripts")]

from behind import COMMANDS, Balancer, Fleet, free_port  # noqa: E402
from lab.machine import procfs  # noqa: E402
from support.client import fetch  # noqa: E402
from support.configurations import CONFIGURATIONS  # noqa: E402
from support.limits import raise_open_files  # noqa: E402
from support.server import Launcher, Server  # noqa: E402
from support.variant import ROOT  # noqa: E402
from support.waiting import eventually  # noqa: E402

SERVERS = 3
LAME_DUCK_S = 2  # longer than HAProxy takes to see a 503 twice
RAMP_S = 0.5
SETTLE_S = 0.1
PEACE_S = 3.0
BLOCK = 2  # roll-outs
KILL_AFTER_S = 4.0
LONGEST_S = 3600
FACTOR = 2.0  # between the percentiles
*OTHER_CORES, LOAD_CORE = sorted(os.sched_getaffinity(0))
HEAD = """\
| balancer | model | roll-outs | requests in them | failed | p99 in peace | p99 in roll-outs | ratio | lost by `kill -9` |
|---|---|---:|---:|---:|---:|---:|---:|---:|"""


class Load:
    """An open loop at that rate, until it is stopped."""

    def __init__(self, address: "tuple[str, int]", rate: float, connections: int, folder: Path, seconds: float) -> None:
        self._json = folder / "load.json"
        host, port = address
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "chrt", "--other", "0", "taskset", "--cpu-list", str(LOAD_CORE),
             ROOT / "scripts/load", f"--rate={rate}", f"--duration={seconds}", f"--ramp={RAMP_S}",
             f"--connections={connections}", f"--json={self._json}", f"http://{host}:{port}/hello"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def end(self, at_once: bool) -> Dict[str, Any]:
        """What it measured. at_once: it is stopped, else waited for."""
        if at_once:
            self._process.send_signal(signal.SIGINT)
        self._process.wait()
        found: Dict[str, Any] = json.loads(self._json.read_text())
        return found


def as_usual(pid: int) -> None:
    """All threads of a process, and of those below it, leave the idle class."""
    for each in [pid, *procfs.descendants(pid)]:
        for thread in os.listdir(f"/proc/{each}/task"):
            os.sched_setscheduler(int(thread), os.SCHED_OTHER, os.sched_param(0))


class Cell:
    """One model behind one balancer: what was measured of it."""

    def __init__(self, balancer: str, model: str) -> None:
        self.balancer, self.model = balancer, model
        self.peace: List[Dict[str, Any]] = []
        self.rolling: List[Dict[str, Any]] = []
        self.rolls = 0
        self.killed: Optional[Dict[str, Any]] = None

    @property
    def ratio(self) -> float:
        return statistics.median(p99_ms([later]) / p99_ms([before]) for before, later in zip(self.peace, self.rolling))

    def good(self, connections: int) -> bool:
        lost = sum(failures([self.killed]).values()) if self.killed else 0
        return not failures(self.peace + self.rolling) and self.ratio <= FACTOR and lost <= connections

    def row(self) -> str:
        lost = f"{failures([self.killed]) or 'none'} of {self.killed['requests']:,}" if self.killed else "–"
        return (
            f"| {self.balancer} | {self.model} | {self.rolls} | {sum(load['requests'] for load in self.rolling):,} "
            f"| {failures(self.peace + self.rolling) or 'none'} | {p99_ms(self.peace):.2f} ms "
            f"| {p99_ms(self.rolling):.2f} ms | {self.ratio:.2f} | {lost} |"
        )


def failures(loads: List[Dict[str, Any]]) -> Dict[str, int]:
    """What became of requests that were not answered 200, by what it was."""
    found: Counter[str] = Counter()
    for load in loads:
        found.update({status: count for status, count in load["statuses"].items() if status != "200"})
        found.update({kind: count for kind, count in load["errors"].items() if count and kind != "unfinished"})
    return dict(found)


def p99_ms(loads: List[Dict[str, Any]]) -> float:
    """Of each the 99th percentile, of these the median."""
    return statistics.median(float(load["latency_us"]["p99"]) / 1e3 for load in loads)


class Run:
    """Servers, their balancer, and the load on it."""

    def __init__(self, given: argparse.Namespace, cell: Cell, launcher: Launcher, folder: Path) -> None:
        self._given, self._cell, self._folder = given, cell, folder

        def start(*options: str, **keywords: Any) -> Server:
            server = launcher(*options, **keywords)
            as_usual(server.pid)
            return server

        port = free_port()
        self._fleet = Fleet(start, SERVERS, LAME_DUCK_S)
        self.balancer = Balancer(COMMANDS[cell.balancer](folder, port, list(self._fleet.servers)), port)
        as_usual(self.balancer.process.pid)

    def _load(self, seconds: float) -> Load:
        return Load(self.balancer.address, self._given.rate, self._given.connections, self._folder, seconds)

    def _roll(self) -> None:
        """Each server once, the next when the balancer uses the last again."""
        for port in list(self._fleet.servers):
            self._fleet.restart(port)
            pids = self._fleet.servers[port].worker_pids()
            eventually("it is asked again", lambda: self._asked() in pids, within=60, every=0.05)
            time.sleep(SETTLE_S)

    def _asked(self) -> int:
        """The worker that a request is passed to."""
        return int(json.loads(fetch(self.balancer.address, "/whoami").text)["pid"])

    def measure(self) -> None:
        """Into the cell."""
        while self._cell.rolls < self._given.rolls:
            self._cell.peace.append(self._load(PEACE_S).end(False))
            block = min(BLOCK, self._given.rolls - self._cell.rolls)
            load = self._load(LONGEST_S)
            for _ in range(block):
                self._roll()
            self._cell.rolling.append(load.end(True))
            self._cell.rolls += block
            said = " and ".join(f"{p99_ms(loads[-1:]):.2f} ms" for loads in (self._cell.peace, self._cell.rolling))
            print(f"{self._cell.rolls} of {self._given.rolls} roll-outs: p99 {said}", file=sys.stderr, flush=True)
        load = self._load(2 * KILL_AFTER_S)
        time.sleep(KILL_AFTER_S)
        self._fleet.kill(next(iter(self._fleet.servers)))
        self._cell.killed = load.end(False)


def measure(given: argparse.Namespace, cell: Cell) -> None:
    launcher = Launcher(next(c for c in CONFIGURATIONS if c.name == cell.model))
    with tempfile.TemporaryDirectory(prefix="rollouts-") as name:
        try:
            run = Run(given, cell, launcher, Path(name))
            try:
                run.measure()
            finally:
                run.balancer.stop()
        finally:
            launcher.kill()


def several(known: List[str]) -> Any:
    """A type of an option: some of these, with commas between them."""

    def parse(text: str) -> List[str]:
        names = text.split(",")
        if not set(names) <= set(known):
            raise argparse.ArgumentTypeError(f"{text}: expected some of {', '.join(known)}")
        return names

    return parse


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--models", type=several([c.name for c in CONFIGURATIONS]), default=["prefork", "threads", "coro"])
    add("--balancers", type=several(list(COMMANDS)), default=list(COMMANDS))
    add("--rate", type=float, default=5000)
    add("--connections", type=int, default=64)
    add("--rolls", type=int, default=20)
    given = parser.parse_args()
    raise_open_files()
    if OTHER_CORES:
        os.sched_setaffinity(0, OTHER_CORES)  # for the servers and the balancer too
    # Of this program, which restarts servers from elsewhere, and of what it starts until that is ready.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    print(HEAD, flush=True)
    good = True
    for balancer in given.balancers:
        for model in given.models:
            cell = Cell(balancer, model)
            try:
                measure(given, cell)
            finally:  # also of one that was interrupted
                if cell.rolling:
                    print(cell.row(), flush=True)
            good = good and cell.good(given.connections)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
