# SPDX-License-Identifier: MIT
"""Who reads the server's output stands still, or there is nobody: it loses lines, and nothing else."""

import os
import re
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Iterator, Sequence

import pytest

from support import processes
from support.client import fetch
from support.configurations import Configuration, flooded, only
from support.server import READY, Launcher
from support.sinks import KINDS, Sink, Terminal
from support.variant import BINARY, patience
from support.waiting import eventually

LINE = re.compile(rb'127\.0\.0\.1 - - \[[^]]+\] "GET /\S* HTTP/1\.1" 200 \d+ "-" "[^"]*" \d+\.\d{6} w\d+ \w+')


@pytest.fixture(params=list(KINDS))
def sink(request: Any) -> Iterator[Sink]:
    made = KINDS[request.param]()
    yield made
    made.close()


class Process:
    """A server whose standard output or error is the sink."""

    def __init__(self, configuration: Configuration, sink: Sink, *options: str,
                 output: bool = False) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", *sink.prefix, BINARY, *configuration.options]
        self.configuration = configuration
        self.process = subprocess.Popen(
            [*command, "--listen=127.0.0.1:0", *options],
            stdin=subprocess.DEVNULL,
            stdout=sink.fd if output else subprocess.DEVNULL,
            stderr=subprocess.PIPE if output else sink.fd,
        )
        try:
            if self.process.stderr is not None:
                line = self.process.stderr.readline().decode().strip()
            else:
                line = sink.read_line()
            ready = READY.match(line)
            assert ready, line
            host, port = ready.group(3).rsplit(":", 1)
            self.address = (host, int(port))
        except BaseException:
            self.process.kill()
            raise

    def workers(self, but: Sequence[int] = ()) -> Any:
        return eventually(
            "all workers run", lambda: processes.children(self.process.pid),
            lambda found: len(found) == self.configuration.worker_processes and not set(found) & set(but),
            within=20,
        )

    def serves(self) -> bool:
        try:
            return fetch(self.address, "/hello", patience(5)).status == 200
        except OSError:
            return False

    def status(self, name: str) -> int:
        """A number in /status."""
        return int(re.findall(rf'"{name}":(\d+)', fetch(self.address, "/status").text)[0])

    def lost(self) -> int:
        """Lines of the access log."""
        return self.status("lines_lost")

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            if kind is None:
                self.process.terminate()
                assert self.process.wait(patience(15)) == 0
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stderr is not None:
                self.process.stderr.close()


def test_standard_error(configuration: Configuration, sink: Sink) -> None:
    """The master says that workers died, which nobody reads; they are replaced, and it ends when told to."""
    flags = sink.flags()
    with Process(configuration, sink) as server:
        workers = server.workers()
        sink.fill()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        server.workers(but=workers)
        eventually("it serves", server.serves)
        sink.drain()
        os.kill(server.workers()[0], signal.SIGKILL)
        said = b""

        def hears() -> bool:
            nonlocal said
            said += sink.drain()
            return b" was killed by signal 9" in said

        eventually("what is said once somebody reads", hears)
        assert sink.flags() == flags, "others who have the open file see another"


def test_access_log_on_standard_output(configuration: Configuration, sink: Sink) -> None:
    """The log never holds up an answer; lines that find no room are counted."""
    with Process(configuration, sink, "--access-log=-", output=True) as server:
        assert server.serves()
        assert LINE.fullmatch(eventually("a line", sink.drain).strip())
        sink.fill()
        for _ in range(200):
            assert server.serves()
        eventually("all lines are lost", server.lost, lambda lost: lost >= 200)
        sink.drain()
        assert server.serves()
        last = eventually("a line", sink.drain).splitlines()[-1]
        assert LINE.fullmatch(last), last


@flooded
def test_many_workers_fill_it(configuration: Configuration, sink: Sink) -> None:
    """All who find the last room in it together get it, or lose a line; none is stopped by another."""
    requests, agent = 5000, "user-agent: " + "x" * 400  # more than any of them has room for; a pipe's is 1 MB
    with Process(configuration, sink, "--access-log=-", output=True) as server:
        with subprocess.Popen(
            ["h2load", "--h1", "-c16", f"-n{requests}", "-H", agent, f"http://127.0.0.1:{server.address[1]}/hello"],
            stdout=subprocess.PIPE, text=True,
        ) as load:
            assert f" {requests} succeeded" in load.communicate(timeout=patience(60))[0]
        assert server.lost() > 0
        # A terminal takes a part of a line, and the rest once somebody reads. Whoever wrote meanwhile, after
        # his answer, would write into that line.
        eventually("all have written", partial(server.status, "in_use"), lambda contexts: contexts == 1)
        got = b""

        def count() -> int:
            nonlocal got
            got += sink.drain()
            return got.count(b"\n") + server.lost()

        eventually("each line is there or lost", count, lambda found: found >= requests)
        lines = got.splitlines()
        assert sum(LINE.fullmatch(line) is None for line in lines) <= 1, "lines are whole, but for a terminal's last"


@only("coro")
def test_terminal_that_stops_the_background(configuration: Configuration) -> None:
    """With `stty tostop` a line would stop the server (SIGTTOU), and nobody be served."""
    sink = Terminal()
    command = ["setpriv", "--pdeathsig", "KILL", BINARY, *configuration.options, "--listen=127.0.0.1:0"]
    shell = subprocess.Popen(
        ["setsid", "--ctty", "bash", "-c", 'set -m; stty tostop; "$@" & wait', "bash", *command],
        stdin=sink.fd, stdout=subprocess.DEVNULL, stderr=sink.fd,
    )
    try:
        ready = READY.match(sink.read_line())
        assert ready
        host, port = ready.group(3).rsplit(":", 1)
        assert fetch((host, int(port)), "/hello").status == 200
        os.kill(int(ready.group(4)), signal.SIGTERM)
        assert shell.wait(patience(15)) == 0
    finally:
        shell.kill()
        shell.wait()
        sink.close()


def _read(reader: BinaryIO) -> bytes:
    return reader.read() or b""


def test_fifo_as_access_log(launch: Launcher, tmp_path: Path) -> None:
    """Start, SIGUSR1 and service wait for no reader; it may come, stand still, go and come again."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    server = launch(f"--access-log={path}", expected=["cannot write the access log: its reader does not keep up"])
    for _ in range(2):
        assert server.get("/hello").status == 200
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
            assert b"/hello" in eventually("a line", partial(_read, reader))
        server.signal(signal.SIGUSR1)
    while server.status()["access_log"]["lines_lost"] == 0:
        with server.connect() as connection:
            for _ in range(200):
                connection.get("/hello?" + "x" * 2000)
    server.signal(signal.SIGUSR1)
    server.signal(signal.SIGHUP)
    server.wait_for_line("reloaded")
    assert server.get("/hello").status == 200


@only("coro")
def test_fifo_as_configuration(launch: Launcher, tmp_path: Path) -> None:
    """A reload does not wait without end for who writes to it, nor take silence for an empty file."""
    path = tmp_path / "config"
    path.write_text("max-header = 8k\n")
    server = launch(f"--config={path}", expected=["nobody writes to it; accepted"])
    path.unlink()
    os.mkfifo(path)
    server.signal(signal.SIGHUP)
    server.wait_for_line("reload: cannot read config file .* nobody writes to it", within=15)
    assert server.status()["settings"]["max-header"] == "8k"
    server.signal(signal.SIGHUP)
    path.write_text("max-header = 4k\n")
    server.wait_for_line("reloaded")
    eventually("a new worker answers", lambda: bool(server.status()["settings"]["max-header"] == "4k"))


def test_file_that_may_not_grow(launch: Launcher, tmp_path: Path) -> None:
    """A limit to the size of files (ulimit -f) loses lines, as a full disk does, and kills nobody."""
    server = launch(f"--access-log={tmp_path}/log", prefix=["prlimit", "--fsize=4096"],
                    expected=["cannot write the access log: File too large"])
    workers = server.wait_for_workers()
    for _ in range(100):
        assert server.get("/hello").status == 200
    assert server.status()["access_log"]["lines_lost"] > 0
    assert server.worker_pids() == workers
