# SPDX-License-Identifier: MIT
"""One server under test: started, watched, stopped, and its log judged."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from functools import partial
from typing import Any, Dict, List, Optional, Sequence, Tuple

from support import processes, sanitizers
from support.client import Connection, Response, fetch, open_socket
from support.configurations import Configuration
from support.variant import BINARY, ROOT, patience
from support.waiting import eventually

READY = re.compile(
    r"ready model=(\S+) workers=(\d+) listen=(\S+) pid=(\d+) version=(\S+)$"
)

_STATE = str(ROOT / "build" / "state")  # of servers that are told no database


class Server:
    """Starts the program and waits until it says that it is ready.

    prefix is a command to run it under (prlimit …), `within` the seconds it has to be ready. Log lines that begin with
    "error" make stop() fail unless one of the patterns of `expected` is found
    in them; a sanitizer's report always does. model_options stand for those of the
    configuration; listen None leaves that to the options too.
    """

    def __init__(
        self,
        configuration: Configuration,
        *options: str,
        listen: Optional[str] = "127.0.0.1:0",
        model_options: Optional[Sequence[str]] = None,
        prefix: Sequence[str] = (),
        expected: Sequence[str] = (),
        environment: Optional[Dict[str, str]] = None,
        within: float = 10,
        binary: str = BINARY,
    ) -> None:
        self.configuration = configuration
        self.upgrades = 0
        self.expected = list(expected)
        self.lines: List[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._any_status = False
        # The kernel ends the server should the tests die without having stopped it.
        command = ["setpriv", "--pdeathsig", "KILL", *prefix, binary]
        command += configuration.options if model_options is None else model_options
        command += [f"--listen={listen}"] if listen is not None else []
        command += options
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "XDG_STATE_HOME": _STATE, **(environment or {})},
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
            assert found.group(1) == configuration.model or model_options is not None
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

    def ready_pids(self) -> List[int]:
        """The masters that have said they are ready, the first one first."""
        with self._changed:
            found = [READY.match(line) for line in self.lines]
        return [int(match.group(4)) for match in found if match]

    def upgrade(self, within: float = 10) -> None:
        """SIGUSR2; waits until the new program serves. The old one may still be finishing."""
        known = len(self.ready_pids())
        self.signal(signal.SIGUSR2)
        self.follow_upgrade(known, within)

    def follow_upgrade(self, known: int, within: float = 10) -> None:
        """Waits for one more master than `known`, which is the server from then on."""
        pids = eventually("the new server is ready", self.ready_pids, lambda p: len(p) > known, within)
        self.pid = pids[known]
        self.upgrades += 1

    def wait_for_old(self, within: float = 15) -> None:
        """Waits until every master before the last has ended; the first with status 0."""
        for pid in self.ready_pids()[:-1]:
            if pid == self.process.pid:
                assert self.process.wait(patience(within)) == 0, self.lines
            else:
                eventually("an old server ends", partial(processes.alive, pid),
                           lambda alive: not alive, within)

    def connect(self, timeout: float = 5) -> Connection:
        return Connection(self.address, timeout)

    def refuses(self) -> bool:
        """A new connection is refused; not so if it is only slow to be made, which raises."""
        try:
            open_socket(self.address).close()
        except (ConnectionRefusedError, ConnectionResetError, FileNotFoundError):
            return True
        return False

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
        return processes.children(self.pid, but=self.ready_pids())

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
        os.kill(self.pid, number)

    def wait(self, within: float = 15, any_status: bool = False) -> int:
        """Waits for the end; the exit status, negative for a signal.

        any_status: the rules leave it open, so stop() will not look at it.
        """
        self._any_status = any_status
        return self._wait(within)

    def _wait(self, within: float) -> int:
        """The exit status; 0 for one that an upgrade has started, which is nobody's child here."""
        if self.pid == self.process.pid:
            return self.process.wait(patience(within))
        eventually("the server ends", lambda: not processes.alive(self.pid), within=within)
        return 0

    def wait_for_log_end(self, within: float = 5) -> None:
        """Waits until no process holds the log open: none has outlived the master."""
        self._reader.join(patience(within))
        assert not self._reader.is_alive(), "a process of the server outlives its master"

    def log_has_ended(self) -> bool:
        """No process holds the log open any more."""
        return not self._reader.is_alive()

    def stop(self) -> None:
        """SIGTERM; the server must exit with 0 and a clean log."""
        try:
            if self.process.poll() is None or self.pid != self.process.pid:
                if processes.alive(self.pid):
                    self.signal(signal.SIGTERM)
            try:
                status = self._wait(15)
                self.wait_for_old()
            except (subprocess.TimeoutExpired, AssertionError):
                raise AssertionError(f"SIGTERM does not stop the server; log: {self.lines}") from None
            self.wait_for_log_end()
            self.check_log()
            assert status == 0 or self._any_status, f"exit status {status}; log: {self.lines}"
        finally:
            self.kill()

    def check_log(self) -> None:
        """Fails on a sanitizer's report or an error that the test did not expect."""
        text = "\n".join(self.lines)
        assert not sanitizers.REPORT.search(text), f"sanitizer report:\n{text}"
        ready = [line for line in self.lines if line.startswith("ready ")]
        wanted = 1 + self.upgrades
        assert len(ready) == wanted, f"exactly {wanted} ready line(s) wanted: {ready}"
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
        for pid in self.ready_pids():
            if pid != self.process.pid and processes.alive(pid):
                os.kill(pid, signal.SIGKILL)


class SharedServer:
    """A server for many tests: one that does not start, or has died, fails the test that finds it so.

    It is started anew for the next test, which so many others follow.
    """

    def __init__(self, configuration: Configuration, *options: str) -> None:
        self._start = partial(Server, configuration, *options)
        self._server: Optional[Server] = None

    def running(self) -> Server:
        if self._server is None:
            self._server = self._start()
        elif self._server.process.poll() is not None:
            log = self._server.lines
            self.stop()
            raise AssertionError(f"the server has ended between tests; log: {log}")
        return self._server

    def stop(self) -> None:
        """Stops and judges it, if it was ever started."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()


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
