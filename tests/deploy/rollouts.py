#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what roll-outs behind a load balancer cost: an open loop (scripts/load) asks three servers through
HAProxy or nginx, as deploy/ has them, in turn while nothing happens and while they are restarted one after
another, and at last while one of them is killed.

    tests/deploy/rollouts.py --model=coro --balancer=haproxy --rate=5000 --rolls=20

Prints a line for each kind: requests, those that failed and how, the median of the blocks' 99th percentiles.
Peace and roll-outs take turns, and each block is held against the one before it, since a machine that has others
on it is slower for minutes: the median of these ratios counts. The generator has the last core for itself, where
there are two: else it is chance who shares one with whom, and that decides the percentile.

Exit status: 0 when none failed in the first two, that ratio is at most two, and with one killed no more failed
than each connection can have had on its way; else 1; 64 for what it does not understand.
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
from typing import Any, Dict, List

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "scripts")]

from behind import COMMANDS, Balancer, Fleet, free_port  # noqa: E402
from support.client import fetch  # noqa: E402
from support.configurations import CONFIGURATIONS  # noqa: E402
from support.limits import raise_open_files  # noqa: E402
from support.server import Launcher  # noqa: E402
from support.variant import ROOT  # noqa: E402
from support.waiting import eventually  # noqa: E402

SERVERS = 3
LAME_DUCK_S = 2  # longer than HAProxy takes to see a 503 twice
RAMP_S = 0.5
SETTLE_S = 0.5
PEACE_S = 4.0
BLOCK = 2  # roll-outs
KILL_AFTER_S = 4.0
LONGEST_S = 3600
FACTOR = 2.0  # between the percentiles
*OTHER_CORES, LOAD_CORE = sorted(os.sched_getaffinity(0))


class Load:
    """An open loop at that rate, until it is stopped."""

    def __init__(self, address: "tuple[str, int]", rate: float, connections: int, folder: Path, seconds: float) -> None:
        self._json = folder / "load.json"
        host, port = address
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(LOAD_CORE),
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


def failed(load: Dict[str, Any]) -> Dict[str, int]:
    """What became of requests that were not answered 200, by what it was."""
    found = {status: count for status, count in load["statuses"].items() if status != "200"}
    found.update({kind: count for kind, count in load["errors"].items() if count and kind != "unfinished"})
    return found


def failures(loads: List[Dict[str, Any]]) -> Dict[str, int]:
    """Of all of them together."""
    found: Counter[str] = Counter()
    for load in loads:
        found.update(failed(load))
    return dict(found)


def p99_ms(load: Dict[str, Any]) -> float:
    return float(load["latency_us"]["p99"]) / 1000


def tell(what: str, loads: List[Dict[str, Any]]) -> None:
    requests = sum(load["requests"] for load in loads)
    p99 = statistics.median(map(p99_ms, loads))
    print(f"{what:12} {requests:>9} requests, {failures(loads) or 'none'} failed, p99 {p99:.2f} ms", flush=True)


def roll(fleet: Fleet, balancer: Balancer) -> None:
    """Each server once, the next when the balancer uses the last again."""
    for port in list(fleet.servers):
        fleet.restart(port)
        pids = fleet.servers[port].worker_pids()
        eventually("it is asked again", lambda: json.loads(fetch(balancer.address, "/whoami").text)["pid"] in pids, within=60)
        time.sleep(SETTLE_S)


class Run:
    """Servers, their balancer, and the load on it."""

    def __init__(self, given: argparse.Namespace, launcher: Launcher, folder: Path) -> None:
        self._given = given
        self._folder = folder
        port = free_port()
        self._fleet = Fleet(launcher, SERVERS, LAME_DUCK_S)
        self.balancer = Balancer(COMMANDS[given.balancer](folder, port, list(self._fleet.servers)), port)

    def _load(self, seconds: float) -> Load:
        return Load(self.balancer.address, self._given.rate, self._given.connections, self._folder, seconds)

    def peace(self) -> Dict[str, Any]:
        return self._load(PEACE_S).end(False)

    def roll_outs(self, count: int) -> Dict[str, Any]:
        load = self._load(LONGEST_S)
        for _ in range(count):
            roll(self._fleet, self.balancer)
        return load.end(True)

    def kill_one(self) -> Dict[str, Any]:
        """Of the servers, in the middle of the load."""
        load = self._load(2 * KILL_AFTER_S)
        time.sleep(KILL_AFTER_S)
        self._fleet.kill(next(iter(self._fleet.servers)))
        return load.end(False)


def measure(run: Run, rolls: int, connections: int) -> bool:
    """Prints what came out; whether it is as it should be."""
    peace, rolling = [], []
    for first in range(0, rolls, BLOCK):
        peace.append(run.peace())
        rolling.append(run.roll_outs(min(BLOCK, rolls - first)))
        found = ", ".join(f"{what} {p99_ms(load[-1]):.2f} ms" for what, load in (("peace", peace), ("roll-outs", rolling)))
        print(f"p99: {found}; {failures(peace + rolling) or 'none'} failed so far", flush=True)
    tell("peace", peace)
    tell(f"{rolls} roll-outs", rolling)
    ratio = statistics.median(p99_ms(later) / p99_ms(before) for before, later in zip(peace, rolling))
    print(f"p99 in roll-outs to that in peace: {ratio:.2f}", flush=True)
    killed = run.kill_one()
    tell("one killed", [killed])
    return not failures(peace + rolling) and ratio <= FACTOR and sum(failed(killed).values()) <= connections


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="coro", choices=sorted({c.name for c in CONFIGURATIONS}))
    parser.add_argument("--balancer", default="haproxy", choices=sorted(COMMANDS))
    parser.add_argument("--rate", type=float, default=5000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rolls", type=int, default=20)
    given = parser.parse_args()
    raise_open_files()
    if OTHER_CORES:
        os.sched_setaffinity(0, OTHER_CORES)  # for the servers and the balancer too
    # This program itself gives way to them at once: whoever restarts servers does it from elsewhere.
    os.sched_setscheduler(0, os.SCHED_IDLE | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    launcher = Launcher(next(c for c in CONFIGURATIONS if c.name == given.model))
    with tempfile.TemporaryDirectory(prefix="rollouts-") as name:
        try:
            run = Run(given, launcher, Path(name))
            print(f"{given.model}, {SERVERS} servers behind {given.balancer}, {given.rate:g} requests/s")
            try:
                good = measure(run, given.rolls, given.connections)
            finally:
                run.balancer.stop()
        finally:
            launcher.kill()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
