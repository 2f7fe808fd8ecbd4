# SPDX-License-Identifier: MIT
"""Counts that do not depend on the machine's mood: instructions, calls, system calls.

Each is the difference between two runs of different length, divided by the difference in
length: what starting, connecting and stopping cost is the same in both and drops out.
"""

import contextlib
import re
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple

from support import processes
from support.client import Connection, message
from support.configurations import Configuration
from support.server import Server
from support.variant import patience

CONNECTIONS = 8
HELLO = message("GET", "/hello")
LAST_HELLO = message("GET", "/hello", "Connection: close")

_NAME = re.compile(r"(c?fn)=\((\d+)\)(?: (.*))?$")
_CALLS = re.compile(r"calls=(\d+) ")


class Profile:
    """What callgrind saw, per function: user instructions of its own, and calls of it."""

    def __init__(self, files: List[Path]) -> None:
        self.instructions: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        for file in files:
            self._read(file)

    def _read(self, path: Path) -> None:
        names: Dict[str, str] = {}
        current = callee = "?"
        called = False  # the next line is the cost of a call: the callee's own, counted there
        for line in path.read_text().splitlines():
            if found := _NAME.match(line):
                kind, number, name = found.groups()
                if name is not None:
                    names[number] = name
                if kind == "fn":
                    current = names[number]
                else:
                    callee = names[number]
            elif found := _CALLS.match(line):
                self.calls[callee] += int(found.group(1))
                called = True
            elif line[:1] in "0123456789+-*" and line:
                if not called:
                    self.instructions[current] += int(line.split()[1])
                called = False


def _load(server: Server, requests: int) -> None:
    """Asks for /hello so many times over 8 keep-alive connections."""
    host, port = server.listen.rsplit(":", 1)
    done = subprocess.run(
        ["h2load", "--h1", f"-c{CONNECTIONS}", f"-n{requests}", f"http://{host}:{port}/hello"],
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=True,
    )
    assert f" {requests} succeeded, 0 failed" in done.stdout, done.stdout


def _profile(configuration: Configuration, requests: int, folder: Path) -> Profile:
    folder.mkdir()
    server = Server(
        configuration,
        prefix=("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p"),
        within=60,
    )
    try:
        _load(server, requests)
        server.stop()
    finally:
        server.kill()
    return Profile(list(folder.iterdir()))


class PerRequest:
    """Figures per request of a warm keep-alive connection, from two profiles."""

    def __init__(self, configuration: Configuration, folder: Path) -> None:
        fewer, more = 1000, 5000
        short = _profile(configuration, fewer, folder / "short")
        long = _profile(configuration, more, folder / "long")
        self.instructions = {
            name: (count - short.instructions[name]) / (more - fewer)
            for name, count in long.instructions.items()
        }
        self.calls = {
            name: (count - short.calls[name]) / (more - fewer)
            for name, count in long.calls.items()
        }

    def total(self) -> float:
        return sum(self.instructions.values())

    def most(self, count: int) -> str:
        """The functions that take most, a line each."""
        ranked = sorted(self.instructions.items(), key=lambda item: -item[1])[:count]
        return "".join(f"  {cost:8.1f}  {name}\n" for name, cost in ranked)


def _strace_table(path: Path) -> Counter[str]:
    """Calls by name of strace -c."""
    counts: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0][0].isdigit() and fields[-1] != "total":
            counts[fields[-1]] += int(fields[3])
    return counts


@contextlib.contextmanager
def _traced(configuration: Configuration, table: Path) -> Iterator[Server]:
    """A server whose system calls are in the table once it has ended."""
    server = Server(
        configuration,
        prefix=("strace", "-D", "-f", "-qq", "-c", "-o", str(table)),  # -D: the server stays our child
        within=60,
    )
    try:
        yield server
        server.stop()
    finally:
        server.kill()


class Calls(NamedTuple):
    """System calls by name for each piece of a load, and milliseconds that it took, traced."""

    counts: Dict[str, float]
    ms: float

    def __str__(self) -> str:
        lines = [f"  {count:8.3f}  {name}\n" for name, count in sorted(self.counts.items())]
        return "".join([*lines, f"  {self.ms:8.3f}  ms\n"])


def _keep_alive(configuration: Configuration, rounds: int, depth: int, clients: int, table: Path) -> float:
    with _traced(configuration, table) as server, contextlib.ExitStack() as opened:
        connections = [opened.enter_context(server.connect(60)) for _ in range(clients)]
        began = time.monotonic()
        for _ in range(rounds):
            for connection in connections:
                connection.send(HELLO * depth)
            for connection in connections:
                for _ in range(depth):
                    assert connection.read_response().status == 200
        seconds = time.monotonic() - began
    return seconds


def _one_each(configuration: Configuration, rounds: int, table: Path) -> float:
    with _traced(configuration, table) as server:
        began = time.monotonic()
        for _ in range(rounds):
            with contextlib.ExitStack() as opened:
                connections = [opened.enter_context(server.connect(60)) for _ in range(CONNECTIONS)]
                for connection in connections:
                    connection.send(LAST_HELLO)
                for connection in connections:
                    assert connection.read_response().status == 200
                    assert connection.read_to_end() == b""
        seconds = time.monotonic() - began
    return seconds


def _difference(run: Callable[[int, Path], float], folder: Path, clients: int = CONNECTIONS) -> Calls:
    """For every round of every connection. run: returns the seconds that so many rounds took."""
    fewer, more = 20, 120
    short_s, long_s = run(fewer, folder / "short"), run(more, folder / "long")
    short, long = _strace_table(folder / "short"), _strace_table(folder / "long")
    pieces = (more - fewer) * clients
    counts = {
        name: (count - short[name]) / pieces
        for name, count in long.items()
        if (count - short[name]) / pieces >= 0.005
    }
    return Calls(counts, (long_s - short_s) * 1e3 / pieces)


def system_calls(
    configuration: Configuration, folder: Path, depth: int = 1, clients: int = CONNECTIONS
) -> Calls:
    """For every `depth` requests sent in one piece, by each of so many clients at once."""

    def run(rounds: int, at: Path) -> float:
        return _keep_alive(configuration, rounds, depth, clients, at)

    return _difference(run, folder, clients)


def system_calls_of_a_connection(configuration: Configuration, folder: Path) -> Calls:
    """For a connection that is opened, asks for one answer and the end, and gets both."""
    return _difference(lambda rounds, at: _one_each(configuration, rounds, at), folder)


def idle_bytes(server: Server, count: int) -> float:
    """Bytes of user memory for each of so many connections, answered once and then left idle."""
    connections: List[Connection] = []

    def open_more(number: int) -> None:
        for _ in range(number):
            connection = server.connect()
            connections.append(connection)
            assert connection.get("/hello").status == 200

    def memory() -> int:
        return sum(processes.memory_bytes(pid) for pid in [server.pid, *server.worker_pids()])

    try:
        open_more(64)  # touches what is touched once
        before = memory()
        open_more(count)
        return (memory() - before) / count
    finally:
        for connection in connections:
            connection.close()
