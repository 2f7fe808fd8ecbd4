# SPDX-License-Identifier: MIT
"""The configurations of deploy/ with servers of this machine in them, and clients that count what fails."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

from support.client import fetch
from support.server import Server
from support.variant import ROOT, patience
from support.waiting import eventually

DEPLOY = ROOT / "deploy"
LAME_DUCK_S = 4  # longer than HAProxy takes to see a 503 twice
# Users, folders and sockets of the system, which the tests leave alone.
SYSTEMS = re.compile(r"^ *(user|group|chroot|stats socket) .*\n", re.MULTILINE)
KEPT: List[socket.socket] = []
SERVERS = re.compile(r"(?s)(?<=# BEGIN servers\n).*?(?=^ *# END servers)", re.MULTILINE)


def free_port() -> int:
    """That nobody else is given who asks for any, until the tests end: a socket keeps it that does not listen."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    KEPT.append(kept)
    return int(kept.getsockname()[1])


def haproxy(port: int, servers: Sequence[int]) -> str:
    """deploy/haproxy/haproxy.cfg on that port, with servers on those."""
    text, replaced = SYSTEMS.subn("", (DEPLOY / "haproxy/haproxy.cfg").read_text())
    assert replaced == 4
    lines = "".join(f"    server s{each} 127.0.0.1:{each}\n" for each in servers)
    text, replaced = SERVERS.subn(lines, text)
    assert replaced == 1 and text.count("bind :80\n") == 1
    return text.replace("bind :80\n", f"bind 127.0.0.1:{port}\n")


def nginx(port: int, servers: Sequence[int], folder: Path) -> str:
    """deploy/nginx/nginx.conf on that port, with servers on those and its files below folder."""
    text, replaced = SYSTEMS.subn("", (DEPLOY / "nginx/nginx.conf").read_text())
    assert replaced == 1
    lines = "".join(f"        server 127.0.0.1:{each} max_fails=2 fail_timeout=2s;\n" for each in servers)
    text, replaced = SERVERS.subn(lines, text)
    assert replaced == 1 and text.count("listen 80;") == 1 and text.count("pid /run/nginx.pid;") == 1
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("pid /run/nginx.pid;", f"pid {folder}/nginx.pid;")
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        text = text.replace("http {\n", f"http {{\n    {kind}_temp_path {folder}/{kind};\n", 1)
    return text


class Balancer:
    """HAProxy or nginx, until it is stopped."""

    def __init__(self, command: List[str], port: int) -> None:
        self.address = ("127.0.0.1", port)
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            eventually("the balancer passes requests on", self._answers, within=15)
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        try:
            return fetch(self.address, "/hello").status == 200
        except (OSError, AssertionError):
            return False

    def stop(self) -> None:
        self.process.terminate()  # nginx's workers would survive it if it were killed
        self.process.wait(patience(10))


def _haproxy(folder: Path, port: int, servers: List[int]) -> List[str]:
    file = folder / "haproxy.cfg"
    file.write_text(haproxy(port, servers))
    return ["haproxy", "-db", "-f", str(file)]


def _nginx(folder: Path, port: int, servers: List[int]) -> List[str]:
    file = folder / "nginx.conf"
    file.write_text(nginx(port, servers, folder))
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(file), "-g", "daemon off;"]


COMMANDS: Dict[str, Callable[[Path, int, List[int]], List[str]]] = {"haproxy": _haproxy, "nginx": _nginx}


class Fleet:
    """Servers on ports of their own, each of which can be started anew on its port."""

    def __init__(self, launch: Callable[..., Server], count: int, lame_duck_s: int = LAME_DUCK_S) -> None:
        self._launch = launch
        self._lame_duck_s = lame_duck_s
        self._options = (f"--lame-duck={lame_duck_s}", "--trusted-proxies=127.0.0.1")
        self.servers: Dict[int, Server] = {}
        for _ in range(count):
            self.start(free_port())

    def start(self, port: int) -> None:
        self.servers[port] = self._launch(*self._options, listen=f"127.0.0.1:{port}")

    def restart(self, port: int) -> None:
        """As systemctl restart: SIGTERM, its end, a start."""
        server = self.servers[port]
        server.signal(signal.SIGTERM)
        assert server.wait(self._lame_duck_s + 20) == 0
        self.start(port)

    def kill(self, port: int) -> int:
        """As a power cut: the master's process number, which is gone. Its workers go with it."""
        server = self.servers.pop(port)
        server.signal(signal.SIGKILL)
        server.wait(any_status=True)
        return server.pid

    def tell_to_stop(self) -> None:
        """The first signal of two; the launcher sends the other, so that no test waits for a lame duck."""
        for server in self.servers.values():
            server.signal(signal.SIGINT)

    def accepted(self) -> int:
        """Connections of all of them."""
        return sum(int(w["accepted"]) for s in self.servers.values() for w in s.status()["workers"])


class Clients:
    """So many that ask for a target without end, each on connections of its own, through a balancer."""

    def __init__(self, address: "tuple[str, int]", target: str, count: int = 4) -> None:
        self._address = address
        self._target = target
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.answered = 0
        self.failed: List[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._over.is_set():
            problem: Optional[str] = None
            try:
                answer = fetch(self._address, self._target, timeout=20)
                if answer.status != 200:
                    problem = f"{answer.status}: {answer.text!r}"
            except (OSError, AssertionError) as error:
                problem = repr(error)
            with self._lock:
                self.answered += problem is None
                if problem is not None:
                    self.failed.append(problem)

    def wait_for(self, more: int) -> None:
        """Until so many more were answered."""
        wanted = self.answered + more
        eventually(f"{more} more answers", lambda: self.answered, lambda count: count >= wanted, within=30)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
