#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what roll-outs behind a load balancer cost: an open loop (scripts/load) asks three servers through
HAProxy or nginx, as deploy/ has them, first in peace and then while they are restarted one after another.

    tests/deploy/rollouts.py --model=coro --balancer=haproxy --rate=5000 --rolls=20

Prints a line for each: requests, those that failed and how, 99th percentile. Exit status: 0 when none
failed and the second percentile is at most twice the first; else 1; 64 for what it does not understand.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
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
LAME_DUCK_S = 3
RAMP_S = 2.0
SETTLE_S = 2.0
LONGEST_S = 3600
FACTOR = 2.0  # between the percentiles


class Load:
    """An open loop at that rate, until it is stopped."""

    def __init__(self, address: "tuple[str, int]", rate: float, connections: int, folder: Path, seconds: float) -> None:
        self._json = folder / "load.json"
        host, port = address
        self._process = subprocess.Popen(
            [ROOT / "scripts/load", f"--rate={rate}", f"--duration={seconds}", f"--ramp={RAMP_S}",
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


def tell(what: str, load: Dict[str, Any]) -> float:
    """Prints the line; the 99th percentile in ms."""
    p99 = float(load["latency_us"]["p99"]) / 1000
    void = f"; void: {', '.join(load['void'])}" if load["void"] else ""
    print(f"{what:12} {load['requests']:>9} requests, {failed(load) or 'none'} failed, p99 {p99:.2f} ms{void}", flush=True)
    return p99


def roll(fleet: Fleet, balancer: Balancer) -> None:
    """Each server once, the next when the balancer uses the last again."""
    for port in list(fleet.servers):
        fleet.restart(port)
        pids = fleet.servers[port].worker_pids()
        eventually("it is asked again", lambda: json.loads(fetch(balancer.address, "/whoami").text)["pid"] in pids, within=60)
        time.sleep(SETTLE_S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="coro", choices=sorted({c.name for c in CONFIGURATIONS}))
    parser.add_argument("--balancer", default="haproxy", choices=sorted(COMMANDS))
    parser.add_argument("--rate", type=float, default=5000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rolls", type=int, default=20)
    parser.add_argument("--steady", type=float, default=30, metavar="SECONDS")
    given = parser.parse_args()
    raise_open_files()
    launcher = Launcher(next(c for c in CONFIGURATIONS if c.name == given.model))
    with tempfile.TemporaryDirectory(prefix="rollouts-") as name:
        folder, port = Path(name), free_port()
        fleet = Fleet(launcher, SERVERS, LAME_DUCK_S)
        balancer = Balancer(COMMANDS[given.balancer](folder, port, list(fleet.servers)), port)
        try:
            print(f"{given.model}, {SERVERS} servers behind {given.balancer}, {given.rate:g} requests/s")
            steady = Load(balancer.address, given.rate, given.connections, folder, given.steady).end(False)
            p99 = tell("steady", steady)
            load = Load(balancer.address, given.rate, given.connections, folder, LONGEST_S)
            for _ in range(given.rolls):
                roll(fleet, balancer)
            rolling = load.end(True)
            rolling_p99 = tell(f"{given.rolls} roll-outs", rolling)
        finally:
            balancer.stop()
            launcher.kill()
    good = not failed(steady) and not failed(rolling) and rolling_p99 <= FACTOR * p99
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
