# SPDX-License-Identifier: MIT
"""Starting a server for one measurement, and knowing that it is the one asked for."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Callable, Mapping, Sequence

from ..machine import procfs
from ..machine.cgroup import Memory
from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.procfs import Usage

READY_TIMEOUT_S = 60.0  # thousands of workers on a busy machine
STOP_TIMEOUT_S = 15.0
LAST_CHARS = 300
_POLL_S = 0.002


def parse_ready(line: str) -> dict[str, str]:
    """The fields of the one line a server writes when all its workers can serve, with listen=ADDR:PORT
    and pid=N among them. Raises LabError for anything else."""
    words = line.split()
    fields = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    complete = "pid" in fields and re.search(r":\d+$", fields.get("listen", ""))
    if words[:1] != ["ready"] or not complete:
        raise LabError(f"not a ready line with listen=ADDR:PORT and pid=N: {line!r}")
    return fields


def last_words(text: str) -> str:
    """The end of a program's stderr, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = " | ".join(lines[-3:])
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff]", "?", said)[-LAST_CHARS:] or "it said nothing"


class Server:
    """A running server. A context manager: leaving it ends the server, drained if it will."""

    serves_itself = False  # what it has below it are helpers, not workers
    makes_anew = False  # workers end when they have served
    port = 0  # where it serves, once it is ready
    exit_status: int | None = None

    def __init__(
        self, children: Children, process: subprocess.Popen[bytes], argv: Sequence[str],
        log_path: Path, limit: Memory | None,
    ) -> None:  # fmt: skip
        self.argv = argv
        self.limit = limit
        self.pid = process.pid
        self._children = children
        self._process = process
        self._log_path = log_path

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.stop()
        self.kill()

    def kill(self) -> None:
        """Nothing is left of it."""
        self._children.kill(self._process)
        self._log_path.unlink(missing_ok=True)

    def stop(self) -> int | None:
        """Drain and end. The exit status; None if it had to be killed."""
        self.exit_status = self._children.terminate(self._process, STOP_TIMEOUT_S)
        return self.exit_status

    def tell(self, number: int) -> None:
        self._process.send_signal(number)

    def alive(self) -> bool:
        return self._process.poll() is None

    def worker_pids(self) -> list[int]:
        """The processes that serve: all below the master, or the one there is."""
        if self.serves_itself:
            return [self.pid]
        return procfs.descendants(self.pid) or [self.pid]

    def lasting_pids(self) -> list[int]:
        """Of these, those directly below the master: what they start may come and go."""
        return [pid for pid in self.worker_pids() if procfs.parent_of(pid) == self.pid]

    def usage(self) -> Usage:
        """Of all workers so far. Those made anew have ended before they could be looked at: of them,
        only CPU time is known."""
        if self.makes_anew:
            return Usage(cpu_s=procfs.spent_below(self.pid))
        return procfs.usage(self.worker_pids())

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
    port_of: Callable[[Server], int | None],
    limit: Memory | None = None,
) -> Server:
    """A server that is ready, which it is when port_of says where it serves. limit: the cgroup it is
    to be in. Raises LabError, with its own words, where it ends or does not get ready."""
    command = " ".join(argv)
    # stderr goes to a file, not a pipe: a server that logs a lot must not block on the lab.
    with tempfile.NamedTemporaryFile(prefix="lab-server-", suffix=".log", delete=False) as log:
        log_path = Path(log.name)
        try:
            process = children.start(argv, cpus, cwd, stderr=log, memory=limit)
        except OSError as error:
            log_path.unlink()
            raise LabError(f"cannot run {command}: {error.strerror}") from None
    server = Server(children, process, argv, log_path, limit)
    deadline = time.monotonic() + READY_TIMEOUT_S
    try:
        while True:
            status = process.poll()  # before it is asked, so that a last line is not missed
            server.port = port_of(server) or 0
            if server.port and status is None:
                return server
            problem = f"did not start (exit {status})" if status is not None else ""
            if time.monotonic() > deadline:
                problem = f"not ready within {READY_TIMEOUT_S:.0f} s"
            if problem:
                raise LabError(f"{command}: {problem}: {last_words(server.log())}")
            time.sleep(_POLL_S)
    except BaseException:
        server.kill()
        raise


def ready_line(expected: Mapping[str, str]) -> Callable[[Server], int | None]:
    """For start(): our own servers say where they serve, and what they are, which must be what is
    expected; with the right pid, port 0 having been asked for, it is the one that was started."""
    return partial(_said_port, expected)


def _said_port(expected: Mapping[str, str], server: Server) -> int | None:
    complete, _, _ = server.log().rpartition("\n")
    line = next((each for each in complete.splitlines() if each.startswith("ready ")), None)
    if line is None:
        return None
    fields = parse_ready(line)
    for name, value in {**expected, "pid": str(server.pid)}.items():
        got = fields.get(name, "nothing")
        if got != value:
            raise LabError(
                f"{' '.join(server.argv)}: the ready line says {name}={got}, asked for was {value}"
            )
    return int(fields["listen"].rpartition(":")[2])
