# SPDX-License-Identifier: MIT
"""How long /hello takes on a server under attack, told apart from how slow the machine is.

Runs as a process of its own (`python3 -m support.probe`), so that nothing the
attack does in the test's process delays it. In each round it asks two servers at
the same moment: the one under attack and its twin, an equal one that nobody
else knows of. What delays both is the machine; only what the attacked one takes
longer than its twin is counted as its delay. (On a machine with more to do than it has
processors that is still unfair: who works waits for one longer than who sleeps. Then the
servers and the probe are to be run with real-time priority.) Every other round is on
fresh connections, the rest on kept ones.
"""

import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Optional, Sequence

from support.client import Address, open_socket, parse

INTERVAL = 0.01  # seconds between two rounds
LIMIT = 10.0  # seconds after which a round is given up
HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO_CLOSE = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass
class Delays:
    """What the probe saw; times in seconds."""

    rounds: int
    p50: float
    p99: float
    longest: float  # of the server under attack
    twin_longest: float
    delay: float  # the most by which it was later than its twin in one round
    delay_at: float  # when that was, after the probe's beginning
    failures: List[str]


class _Line:
    """One of the two servers, and the kept connection to it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.kept: Optional[socket.socket] = None
        self.socket: Optional[socket.socket] = None
        self.received = bytearray()
        self.asked_at = 0.0
        self.took: List[float] = []
        self.began: List[float] = []
        self.failures: List[str] = []

    def ask(self, fresh: bool) -> None:
        self.received.clear()
        self.asked_at = time.monotonic()
        try:
            if fresh or self.kept is None:
                self.socket = open_socket(self.address)
                self.socket.setblocking(False)
                if not fresh:
                    self.kept = self.socket
            else:
                self.socket = self.kept
            self.socket.send(HELLO_CLOSE if fresh else HELLO)
        except OSError as error:
            self.end(f"asking: {error}")

    def hear(self) -> None:
        assert self.socket is not None
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            self.end(f"hearing: {error}")
            return
        self.received += data
        found = parse(self.received, "GET", not data)
        if found is not None:
            answer, behind = found
            good = answer.status == 200 and answer.body == b"Hello, World!"
            good = good and behind == len(self.received)
            self.end("" if good else f"answered {bytes(self.received)!r}")
        elif not data:
            self.end("closed without an answer")

    def end(self, failure: str = "") -> None:
        """Notes the round; keeps the connection only where it is to be kept and went well."""
        self.took.append(time.monotonic() - self.asked_at)
        self.began.append(self.asked_at)
        if failure:
            self.failures.append(failure)
        if self.socket is not None and (failure or self.socket is not self.kept):
            if self.socket is self.kept:
                self.kept = None
            self.socket.close()
        self.socket = None


def _round(lines: List[_Line], fresh: bool) -> None:
    for line in lines:
        line.ask(fresh)
    limit = time.monotonic() + LIMIT
    while any(line.socket is not None for line in lines):
        waiting = [line for line in lines if line.socket is not None]
        poll = select.poll()
        for line in waiting:
            assert line.socket is not None
            poll.register(line.socket, select.POLLIN)
        left = limit - time.monotonic()
        ready = {fd for fd, _ in poll.poll(max(0, math.ceil(left * 1000)))}
        for line in waiting:
            if line.socket is not None and line.socket.fileno() in ready:
                line.hear()
            elif left <= 0:
                line.end(f"no answer within {LIMIT:g} s")


def _quantile(values: List[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))] if values else math.nan


def _main() -> None:
    addresses = [json.loads(text) for text in sys.argv[1:3]]
    attacked, twin = (_Line(a if isinstance(a, str) else (a[0], a[1])) for a in addresses)
    stopping: List[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    fresh = False
    print("ready", flush=True)
    while not stopping:
        _round([attacked, twin], fresh)
        fresh = not fresh
        time.sleep(INTERVAL)
    each = list(zip((a - b for a, b in zip(attacked.took, twin.took)), attacked.began))
    delay, delay_at = max(each, default=(math.nan, math.nan))
    delays = Delays(
        rounds=len(attacked.took),
        p50=_quantile(attacked.took, 0.5),
        p99=_quantile(attacked.took, 0.99),
        longest=max(attacked.took, default=math.nan),
        twin_longest=max(twin.took, default=math.nan),
        delay=delay,
        delay_at=delay_at - min(attacked.began, default=math.nan),
        failures=attacked.failures + [f"twin: {failure}" for failure in twin.failures],
    )
    print(json.dumps(asdict(delays)), flush=True)


class Probe:
    """A context manager: probes from its beginning to its end; then `delays` says what it saw."""

    def __init__(self, attacked: Address, twin: Address, prefix: Sequence[str] = ()) -> None:
        tests = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "support.probe",
             json.dumps(attacked), json.dumps(twin)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(tests)},
            text=True,
        )
        self.delays: Optional[Delays] = None
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        output, _error = self._process.communicate()
        if self._process.returncode == 0:
            self.delays = Delays(**json.loads(output))


if __name__ == "__main__":
    _main()
