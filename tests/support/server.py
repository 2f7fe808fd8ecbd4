# SPDX-License-Identifier: MIT
"""One server under test: started, watched, stopped, and its log judged."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from support import processes
from support.client import Connection, Response, fetch
from support.configurations import Configuration
from support.variant import BINARY, patience
from support.waiting import eventually

READY = re.compile(
    r"ready model=(\S+) workers=(\d+) listen=(\S+) pid=(\d+) version=(\S+)$"
)
SANITIZER = re.compile(
    r"AddressSanitizer|ThreadSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:"
)


class Server:
    """Starts the program and waits until it says that it is ready.

    prefix is a command to run it under (prlimit …), `within` the seconds it has to be ready. Log lines that begin with
    "error" make stop() fail unless one of the patterns of `expected` is found
    in them; a sanitizer's report always does.
    """

    def __init__(
        self,
        configuration: Configuration,
        *options: str,
        listen: str = "127.0.0.1:0",
        prefix: Sequence[str] = (),
        expected: Sequence[str] = (),
        environment: Optional[Dict[str, str]] = None,
        within: float = 10,
    ) -> None:
        self.configuration = configuration
        self.expected = list(expected)
        self.lines: List[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._any_status = False
        # The kernel ends the server should the tests die without having stopped it.
        command = ["setpriv", "--pdeathsig", "KILL", *prefix, BINARY]
        command += [*configuration.options, f"--listen={listen}", *options]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            ready = self.wait_for_line(READY.pattern, within)
            found = READY.match(ready)
            assert found, f"not the ready line: {ready!r}"
            self.workers = int(found.group(2))
            self.listen = found.group(3)
            self.pid = int(found.group(4))
            assert found.group(1) == configuration.model
            assert self.pid == self.process.pid, "the process started is not the one that says ready"
        except BaseException:
            self.kill()
            raise
        self.address = self._address()

    def _address(self) -> "Tuple[str, int] | str":
        if self.listen.startswith("unix:"):
            return self.listen[len("unix:") :]
        host, port = self.listen.rsplit(":", 1)
        return host.strip("[]"), int(port)

    @property
    def tcp_address(self) -> Tuple[str, int]:
        """The address of one that does not listen on a Unix socket."""
        assert not isinstance(self.address, str)
        return self.address

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for raw in stream:
                with self._changed:
                    self.lines.append(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for_line(self, pattern: str, within: float = 5) -> str:
        """The first log line in which the pattern is found."""
        limit = time.monotonic() + patience(within)
        with self._changed:
            while True:
                for line in self.lines:
                    if re.search(pattern, line):
                        return line
                left = limit - time.monotonic()
                assert left > 0 and not self._ended, (
                    f"no log line matches {pattern!r}"
                    f" ({'the server has ended' if self._ended else 'timed out'}); log: {self.lines}"
                )
                self._changed.wait(left)

    def connect(self, timeout: float = 5) -> Connection:
        return Connection(self.address, timeout)

    def get(self, target: str, timeout: float = 5) -> Response:
        """One GET on a connection of its own."""
        return fetch(self.address, target, timeout)

    def status(self) -> Dict[str, Any]:
        """What /status says."""
        found: Dict[str, Any] = json.loads(self.get("/status").text)
        return found

    def open_connections(self) -> int:
        """As /status counts them, the one that asks left out."""
        return int(self.status()["connections"]["open"]) - 1

    def contexts(self) -> int:
        """How many contexts are serving a request, the one that asks left out."""
        return int(self.status()["contexts"]["in_use"]) - 1

    def worker_pids(self) -> List[int]:
        return processes.children(self.pid)

    def wait_for_workers(self, but: Sequence[int] = ()) -> List[int]:
        """Waits until there are as many worker processes as configured, without those in but."""
        wanted = self.configuration.worker_processes
        return eventually(
            f"{wanted} worker processes",
            self.worker_pids,
            lambda pids: len(pids) == wanted and not set(pids) & set(but),
        )

    def memory(self) -> int:
        """Bytes of memory of the master and its workers together."""
        total = 0
        for pid in [self.pid, *self.worker_pids()]:
            try:
                total += processes.memory_bytes(pid)
            except OSError:  # replaced while we looked
                continue
        return total

    def cpu(self) -> float:
        """CPU seconds used so far by the master and its living workers."""
        return sum(processes.cpu_seconds(pid) for pid in [self.pid, *self.worker_pids()])

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, within: float = 15, any_status: bool = False) -> int:
        """Waits for the end; the exit status, negative for a signal.

        any_status: the rules leave it open, so stop() will not look at it.
        """
        self._any_status = any_status
        return self.process.wait(patience(within))

    def wait_for_log_end(self, within: float = 5) -> None:
        """Waits until no process holds the log open: none has outlived the master."""
        self._reader.join(patience(within))
        assert not self._reader.is_alive(), "a process of the server outlives its master"

    def stop(self) -> None:
        """SIGTERM; the server must exit with 0 and a clean log."""
        try:
            if self.process.poll() is None:
                self.signal(signal.SIGTERM)
            try:
                status = self.process.wait(patience(15))
            except subprocess.TimeoutExpired:
                raise AssertionError(f"SIGTERM does not stop the server; log: {self.lines}") from None
            self.wait_for_log_end()
            self.check_log()
            assert status == 0 or self._any_status, f"exit status {status}; log: {self.lines}"
        finally:
            self.kill()

    def check_log(self) -> None:
        """Fails on a sanitizer's report or an error that the test did not expect."""
        text = "\n".join(self.lines)
        assert not SANITIZER.search(text), f"sanitizer report:\n{text}"
        ready = [line for line in self.lines if line.startswith("ready ")]
        assert len(ready) == 1, f"exactly one ready line wanted: {ready}"
        errors = [
            line
            for line in self.lines
            if line.startswith("error") and not any(re.search(p, line) for p in self.expected)
        ]
        assert not errors, f"unexpected in the log: {errors}"

    def kill(self) -> None:
        """Ends everything at once; for cleaning up only."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Launcher:
    """Starts servers of one configuration, to be stopped and judged together."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._servers: List[Server] = []

    def __call__(self, *options: str, **keywords: Any) -> Server:
        started = Server(self._configuration, *options, **keywords)
        self._servers.append(started)
        return started

    def stop(self) -> None:
        for started in self._servers:
            started.stop()

    def kill(self) -> None:
        for started in self._servers:
            started.kill()
