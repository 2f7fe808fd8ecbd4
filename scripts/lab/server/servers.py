# SPDX-License-Identifier: MIT
"""Starting a server for one measurement, and knowing that it is the one asked for."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

from ..machine import procfs
from ..machine.cgroup import Memory
from ..machine.children import Children
from ..machine.errors import LabError

READY_TIMEOUT_S = 60.0  # thousands of workers on a busy machine
STOP_TIMEOUT_S = 15.0
LAST_CHARS = 300
_POLL_S = 0.002


@dataclass(frozen=True)
class Ready:
    """The one line a server writes when all its workers can serve."""

    fields: Mapping[str, str]
    host: str
    port: int
    pid: int


def parse_ready(line: str) -> Ready:
    """Raises ValueError for anything but a complete ready line."""
    words = line.split()
    if not words or words[0] != "ready":
        raise ValueError(f"not a ready line: {line!r}")
    fields = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    try:
        host, port = fields["listen"].rsplit(":", 1)
        return Ready(fields, host.strip("[]"), int(port), int(fields["pid"]))
    except (KeyError, ValueError):
        raise ValueError(f"ready line without listen=ADDR:PORT and pid=N: {line!r}") from None


def last_words(text: str) -> str:
    """The end of a program's stderr, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = " | ".join(lines[-3:])
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff]", "?", said)[-LAST_CHARS:] or "it said nothing"


class Server:
    """A running server. A context manager: leaving it ends the server, drained if it will."""

    def __init__(self, children: Children, process: subprocess.Popen[bytes], ready: Ready,
                 log_path: Path, serves_itself: bool = False, limit: Memory | None = None) -> None:
        """serves_itself: what it has below it are helpers, not workers."""
        self.limit = limit
        self._serves_itself = serves_itself
        self._children = children
        self._process = process
        self._log_path = log_path
        self.ready = ready
        self.pid = process.pid
        self.exit_status: int | None = None

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.stop()
        else:
            self._children.kill(self._process)
        self._log_path.unlink(missing_ok=True)

    def stop(self) -> int | None:
        """Drain and end. The exit status; None if it had to be killed."""
        if self._process.poll() is None:
            self.exit_status = self._children.terminate(self._process, STOP_TIMEOUT_S)
        else:
            self.exit_status = self._process.returncode
            self._children.ended(self._process)
        return self.exit_status

    @property
    def argv(self) -> list[str]:
        """The command line as it was given."""
        words = self._process.args
        return [str(word) for word in words] if isinstance(words, list) else [str(words)]

    def tell(self, number: int) -> None:
        self._process.send_signal(number)

    def alive(self) -> bool:
        return self._process.poll() is None

    def worker_pids(self) -> list[int]:
        """The processes that serve: all below the master, or the one there is."""
        if self._serves_itself:
            return [self.pid]
        return procfs.descendants(self.pid) or [self.pid]

    def memory(self) -> tuple[int, int]:
        """(PSS of the workers, PSS of the master), in bytes; a lone process is a worker."""
        workers = self.worker_pids()
        master = 0 if workers == [self.pid] else procfs.pss_bytes(self.pid)
        return sum(procfs.pss_bytes(pid) for pid in workers), master

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")


def start(
    children: Children,
    argv: Sequence[str],
    cpus: Sequence[int],
    cwd: Path,
    expected: Mapping[str, str],
    limit: Memory | None = None,
) -> Server:
    """Start, wait for the ready line, compare it with what was asked for.

    argv: the command, listening on port 0. expected: fields the ready line must carry. limit: the
    cgroup it is to be in.
    Raises LabError, with the server's own words, when any of this fails.
    """
    command = " ".join(argv)
    # stderr goes to a file, not a pipe: a server that logs a lot must not block on the lab.
    with tempfile.NamedTemporaryFile(prefix="lab-server-", suffix=".log", delete=False) as log:
        log_path = Path(log.name)
        try:
            process = children.start(argv, cpus, cwd, stderr=log, memory=limit)
        except OSError as error:
            log_path.unlink()
            raise LabError(f"cannot run {command}: {error.strerror}") from None
    try:
        ready = _await_ready(process, log_path, command)
        _compare(ready, {**expected, "pid": str(process.pid)}, command)
    except BaseException:
        children.kill(process)
        log_path.unlink(missing_ok=True)
        raise
    return Server(children, process, ready, log_path, limit=limit)


def _await_ready(process: subprocess.Popen[bytes], log_path: Path, command: str) -> Ready:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        status = process.poll()  # before reading, so that a last line is not missed
        text = log_path.read_text(errors="replace")
        complete = text[: text.rfind("\n") + 1]
        for line in complete.splitlines():
            if line.startswith("ready "):
                try:
                    return parse_ready(line)
                except ValueError as error:
                    raise LabError(f"{command}: {error}") from None
        if status is not None:
            raise LabError(f"{command} did not start (exit {status}): {last_words(text)}")
        if time.monotonic() > deadline:
            raise LabError(
                f"{command}: no ready line within {READY_TIMEOUT_S:.0f} s: {last_words(text)}"
            )
        time.sleep(_POLL_S)


def _compare(ready: Ready, expected: Mapping[str, str], command: str) -> None:
    for name, value in expected.items():
        got = ready.fields.get(name, "nothing")
        if got != value:
            raise LabError(f"{command}: the ready line says {name}={got}, asked for was {value}")
