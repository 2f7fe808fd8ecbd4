# SPDX-License-Identifier: MIT
"""What becomes of requests when a worker is killed, and when the server is told to stop: a load
in which every single one is accounted for.

wrk cannot do this: it reports a refused connection, a reset and an answer cut short alike,
and says nothing of when. Here a few connections each ask, wait for the answer and ask
again, from one thread; the load is small on purpose, the accounting complete:

    answered    a whole answer came, of status 200
    errors      of another
    lost        a request was sent and the connection ended, or stood still, without one
    reset       the same on a connection that never had an answer: it was opened to a server
                that was ending, which may not have accepted it
    refused     no connection was to be had; nothing was lost, the client tries again
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import time
from dataclasses import dataclass
from typing import Callable, Collection

from ..machine import procfs
from ..ask.kinds import Kind
from ..ask.workloads import Workload
from ..server.client import ended
from ..server.servers import STOP_TIMEOUT_S, Server
from .sample import Sample

RETRY_S = 0.002
STALLED_S = 10.0  # without an answer for so long, a request counts as lost
BEFORE_S = 0.3  # of undisturbed load
RECOVERY_LIMIT_S = 10.0
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nConnection: *close", re.IGNORECASE)


@dataclass
class _Connection:
    socket: socket.socket | None = None
    sent_at: float = 0.0
    data: bytes = b""
    served: bool = False  # it has had an answer
    cut_at: float | None = None  # when it lost a request, until it has an answer again
    retry_at: float = 0.0


class Client:
    """So many connections to a port, all asking for one target."""

    def __init__(self, port: int, target: str, connections: int) -> None:
        self._port = port
        self._request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode("ascii")
        self._all = [_Connection() for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        self._reconnect = True
        self.answered = self.errors = self.lost = self.reset = self.refused = 0
        self.back_after_s = 0.0  # until every connection that was cut had an answer again
        self.lasted_s = 0.0

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Ask for so long, or until something holds, looked at often."""
        begun = time.monotonic()
        while (now := time.monotonic()) - begun < seconds and not (until and until()):
            for each in self._all:
                if each.socket is None and self._reconnect and now >= each.retry_at:
                    self._connect(each, now)
                elif each.socket is not None and now - each.sent_at > STALLED_S:
                    self._lose(each, now)
            for key, _events in self._selector.select(RETRY_S):
                self._read(key.data)
        self.lasted_s += time.monotonic() - begun

    def stop_reconnecting(self) -> None:
        self._reconnect = False

    @property
    def cut(self) -> int:
        """Connections that lost a request and have had no answer since."""
        return sum(each.cut_at is not None for each in self._all)

    @property
    def open(self) -> int:
        return sum(each.socket is not None for each in self._all)

    def close(self) -> None:
        for each in self._all:
            if each.socket is not None:
                each.socket.close()
        self._selector.close()

    def _connect(self, each: _Connection, now: float) -> None:
        try:
            made = socket.create_connection(("127.0.0.1", self._port), 1.0)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.refused += 1
            each.retry_at = now + RETRY_S
            return
        made.setblocking(False)
        each.socket, each.data, each.served = made, b"", False
        self._selector.register(made, selectors.EVENT_READ, each)
        self._ask(each)

    def _ask(self, each: _Connection) -> None:
        assert each.socket is not None
        each.sent_at = time.monotonic()
        try:
            each.socket.send(self._request)
        except OSError:
            self._lose(each, each.sent_at)

    def _read(self, each: _Connection) -> None:
        if each.socket is None:
            return
        now = time.monotonic()
        try:
            more = each.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self._lose(each, now)
            return
        each.data += more
        end = each.data.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(each.data[:end]) if end > 3 else None
        if length is None or len(each.data) < end + int(length.group(1)):
            return
        head, each.data, each.served = each.data[:end], b"", True
        if head.split(None, 2)[1] == b"200":
            self.answered += 1
        else:
            self.errors += 1
        if each.cut_at is not None:
            self.back_after_s = max(self.back_after_s, now - each.cut_at)
            each.cut_at = None
        if _CLOSE.search(head) or ended(each.socket):
            self._end(each, now)
        else:
            self._ask(each)

    def _lose(self, each: _Connection, now: float) -> None:
        if each.served:
            self.lost += 1
        else:
            self.reset += 1
        if each.cut_at is None:
            each.cut_at = now
        self._end(each, now)

    def _end(self, each: _Connection, now: float) -> None:
        if each.socket is not None:
            self._selector.unregister(each.socket)
            each.socket.close()
        each.socket, each.retry_at = None, now


def measure(
    server: Server, sample: Sample, workload: Workload, duration_s: float, cpus: Collection[int]
) -> None:
    """Fills in the sample's extras. The load is this process's own, on these cores: on the server's
    it would come before a worker that dies or starts there."""
    client = Client(server.port, workload.target, sample.connections)
    pids, allowed = server.worker_pids(), os.sched_getaffinity(0)
    before_all = procfs.machine(allowed)
    os.sched_setaffinity(0, cpus)
    try:
        client.run(max(BEFORE_S, duration_s / 2))
        client.run(RECOVERY_LIMIT_S, until=lambda: client.answered > 0)
        before = client.answered
        figures = FAULTS[workload.kind](server, client, pids, duration_s)
    finally:
        client.close()
        os.sched_setaffinity(0, allowed)
    machine = procfs.machine(allowed) - before_all
    sample.steal_s, sample.cpu_total_s = machine.steal_s, machine.total_s
    sample.processes = len(pids)
    ends = workload.kind.ends_server
    sample.extras = {
        "answered_before": before,
        "answered": client.answered,
        # The listener survives a worker: there, every connection was accepted.
        "lost": client.lost + (0 if ends else client.reset),
        "reset": client.reset if ends else 0,
        "refused": client.refused,
        "errors": client.errors,
        "still_cut": 0 if ends else client.cut,
        "rps": client.answered / client.lasted_s if client.lasted_s else 0.0,
        **figures,
    }


def _crash(
    server: Server, client: Client, pids: list[int], duration_s: float
) -> dict[str, float]:
    """SIGKILL to one worker; the time until the workers are complete, and clients served."""
    killed_at = time.monotonic()
    os.kill(pids[0], signal.SIGKILL)
    back_at = 0.0

    def complete() -> bool:
        nonlocal back_at
        now = server.worker_pids()
        if len(now) >= len(pids) and pids[0] not in now:
            back_at = time.monotonic()
        return back_at > 0

    client.run(RECOVERY_LIMIT_S, until=complete)
    client.run(max(BEFORE_S, duration_s / 2))
    client.run(RECOVERY_LIMIT_S, until=lambda: client.cut == 0)
    return {
        "workers_back_ms": (back_at - killed_at) * 1e3 if back_at else RECOVERY_LIMIT_S * 1e3,
        "served_again_ms": client.back_after_s * 1e3,
    }


def _drain(
    server: Server, client: Client, pids: list[int], duration_s: float
) -> dict[str, float]:
    """SIGTERM to the server; the clients go on asking until it has ended."""
    told_at = time.monotonic()
    server.tell(signal.SIGTERM)
    client.run(STOP_TIMEOUT_S, until=lambda: not server.alive())
    ended_at = time.monotonic()
    client.stop_reconnecting()
    client.run(0.2, until=lambda: client.open == 0)
    return {"drain_ms": (ended_at - told_at) * 1e3}


FAULTS = {Kind.CRASH: _crash, Kind.DRAIN: _drain}
