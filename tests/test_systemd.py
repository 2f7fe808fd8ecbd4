# SPDX-License-Identifier: MIT
"""Sockets passed by a service manager, and what the manager is told: systemd's two protocols."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import stat
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

import pytest

from support import processes
from support.client import Connection, fetch, message
from support.configurations import Configuration, only
from support.server import READY, Launcher
from support.variant import BINARY, patience
from support.waiting import eventually

FIRST = 3
CORO = Configuration("coro", ("--model=coro",))


class Activated:
    """The program started with sockets at 3, 4 …, as systemd starts it."""

    def __init__(
        self, sockets: Sequence[socket.socket], *options: str, names: Optional[str] = None,
        fds: Optional[str] = None, pid: Optional[str] = None, **environment: str,
    ) -> None:
        count = str(len(sockets)) if fds is None else fds
        high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for one in sockets]
        placing = " ".join(f"{FIRST + i}<&{fd} {fd}<&-" for i, fd in enumerate(high))
        # The shell has the process number that the program is going to have.
        script = f'LISTEN_PID={pid or "$$"} LISTEN_FDS={count} exec "$@" {placing}'
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("LISTEN_", "SERVER_"))}
        if names is not None:
            clean["LISTEN_FDNAMES"] = names
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "bash", "-c", script, "bash", BINARY, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0,
            env={**clean, **environment}, pass_fds=high,
        )
        for fd in high:
            os.close(fd)
        self.log = ""
        self.last = 0

    def _lines(self) -> Iterator[str]:
        """Of the log as they come, until it ends or none comes for too long."""
        stream = self.process.stderr
        assert stream is not None
        while select.select([stream], [], [], patience(15))[0] and (raw := stream.readline()):
            self.log += raw.decode()
            yield raw.decode().rstrip("\n")

    def ready(self) -> str:
        """Waits for the ready line; what it says is listened on."""
        for line in self._lines():
            if found := READY.match(line):
                assert int(found.group(4)) == self.process.pid
                return found.group(3)
        raise AssertionError(f"no ready line: {self.log}")

    def successor(self) -> int:
        """Waits for the ready line of a server that this one, or its successor, has started; its pid."""
        for line in self._lines():
            if found := READY.match(line):
                self.last = int(found.group(4))
                return self.last
        raise AssertionError(f"no ready line: {self.log}")

    def line(self, part: str) -> str:
        """Waits for a line in which that is found."""
        for line in self._lines():
            assert not line.startswith("error"), line
            if part in line:
                return line
        raise AssertionError(f"no {part!r}: {self.log}")

    def end(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self) -> int:
        _, rest = self.process.communicate(timeout=patience(15))
        self.log += rest.decode()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        if self.last != 0 and processes.alive(self.last):
            os.kill(self.last, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def activate() -> Iterator[Callable[..., Activated]]:
    started: List[Activated] = []

    def start(*arguments: object, **keywords: str) -> Activated:
        started.append(Activated(*arguments, **keywords))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None or one.last != 0:
            one.kill()


def _answered(address: Tuple[str, int]) -> int:
    """Requests, as /status counts them."""
    return int(json.loads(fetch(address, "/status", timeout=20).text)["requests"])


def _tcp() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize(
    "options",
    [["--model=coro"], ["--model=coro", "--workers=2"], ["--model=threads", "--workers=4"],
     ["--model=prefork", "--workers=4"],
     ["--model=prefork", "--workers=4", "--dispatch=connection"]],
    ids=" ".join,
)
def test_the_socket_that_was_passed_is_served(activate: Callable[..., Activated], options: List[str]) -> None:
    """It outlives the server: who connects after it has gone waits for the next one."""
    if "--model=prefork" in options and os.environ.get("SERVER_VARIANT") == "tsan":
        pytest.skip("prefork does not run under TSan")
    with _tcp() as listener:
        address = listener.getsockname()
        for _ in range(2):
            server = activate([listener], "--listen=127.0.0.1:1", *options)
            assert server.ready() == f"127.0.0.1:{address[1]}"
            assert fetch(address, "/hello").body == b"Hello, World!"
            assert server.end() == 0, server.log
            waiting = socket.create_connection(address)  # not refused
            waiting.settimeout(patience(5))
        waiting.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        server = activate([listener], *options)
        server.ready()
        assert b"Hello, World!" in waiting.recv(4096)
        waiting.close()
        assert server.end() == 0, server.log


def test_the_socket_closes_on_exec(activate: Callable[..., Activated]) -> None:
    """It comes without that flag."""
    with _tcp() as listener:
        server = activate([listener])
        server.ready()
        status = Path(f"/proc/{server.process.pid}/fd/{FIRST}").stat()
        assert stat.S_ISSOCK(status.st_mode)
        flags = Path(f"/proc/{server.process.pid}/fdinfo/{FIRST}").read_text()
        assert int(flags.split("flags:")[1].split()[0], 8) & os.O_CLOEXEC
        assert server.end() == 0


@pytest.mark.parametrize("model", ["prefork", "threads", "coro"])
def test_the_socket_that_was_passed_outlives_upgrades(activate: Callable[..., Activated], model: str) -> None:
    """Neither the server that hands it on nor the one that ends shuts it."""
    if model == "prefork" and os.environ.get("SERVER_VARIANT") == "tsan":
        pytest.skip("prefork does not run under TSan")
    with _tcp() as listener:
        server = activate([listener], f"--model={model}")
        server.ready()
        pid = server.process.pid
        for _ in range(2):
            os.kill(pid, signal.SIGUSR2)
            last, pid = pid, server.successor()
            assert server.process.wait(patience(15)) == 0
            eventually("the old server has ended", partial(processes.alive, last), lambda alive: not alive, within=15)
            assert fetch(listener.getsockname(), "/hello").status == 200
        os.kill(pid, signal.SIGTERM)
        eventually("the last server has ended", partial(processes.alive, pid), lambda alive: not alive, within=15)
        with socket.create_connection(listener.getsockname()):  # not refused
            pass


MODELS = [
    ["--model=coro"], ["--model=coro", "--workers=2"],
    ["--model=threads", "--workers=4"], ["--model=threads", "--workers=4", "--dispatch=connection"],
    ["--model=prefork", "--workers=4"], ["--model=prefork", "--workers=4", "--dispatch=connection"],
]
each_model = pytest.mark.parametrize("options", [
    pytest.param(options, id=" ".join(options), marks=pytest.mark.skipif(
        options[0] == "--model=prefork" and os.environ.get("SERVER_VARIANT") == "tsan",
        reason="prefork does not run under TSan"))
    for options in MODELS
])


@each_model
def test_listen_is_not_used_at_a_reload_or_an_upgrade_either(
    activate: Callable[..., Activated], options: List[str], tmp_path: Path
) -> None:
    """The manual: "Then --listen is not used, at a reload or an upgrade neither"."""
    file = tmp_path / "server.conf"
    with _tcp() as listener, _tcp() as other:
        file.write_text("listen = 127.0.0.1:1\n")
        server = activate([listener], f"--config={file}", *options)
        passed = server.ready()
        for port in (1, other.getsockname()[1], 0):
            file.write_text(f"listen = 127.0.0.1:{port}\n")
            server.process.send_signal(signal.SIGHUP)
            assert server.line("reloaded: ").endswith(f" listen={passed}")
            assert fetch(listener.getsockname(), "/hello").status == 200
        file.write_text("listen = unix:/nothing/at/all\n")
        server.process.send_signal(signal.SIGUSR2)
        pid = server.successor()
        assert f" listen={passed} " in server.log.splitlines()[-1]
        assert server.process.wait(patience(15)) == 0
        assert fetch(listener.getsockname(), "/hello").status == 200
        os.kill(pid, signal.SIGTERM)
        eventually("the last server has ended", partial(processes.alive, pid), lambda alive: not alive, within=15)


@each_model
def test_who_waits_at_a_socket_that_was_passed_is_left_to_the_next_server(
    activate: Callable[..., Activated], options: List[str]
) -> None:
    with _tcp() as listener:
        address = listener.getsockname()
        server = activate([listener], "--max-connections=1", *options)
        server.ready()
        held = Connection(address)
        assert held.request(message("GET", "/hello")).status == 200  # the one place is taken
        waiting = [Connection(address) for _ in range(40)]
        assert server.end() == 0, server.log
        server = activate([listener], *options)
        server.ready()
        for one in waiting:
            assert one.request(message("GET", "/hello", "Connection: close")).status == 200
            one.close()
        held.close()
        assert server.end() == 0, server.log


@each_model
@pytest.mark.parametrize("target", ["/hello", "/sleep?ms=20"])
def test_stopping_ends_while_others_connect(
    activate: Callable[..., Activated], options: List[str], target: str
) -> None:
    """The socket is not the server's to shut, so its backlog may never be empty."""
    with _tcp() as listener:
        host, port = listener.getsockname()
        server = activate([listener], "--shutdown-timeout=60", *options)
        server.ready()
        load = subprocess.Popen(
            ["wrk", "-t1", "-c128", "-d120", "-H", "Connection: close", f"http://{host}:{port}{target}"],
            stdout=subprocess.DEVNULL,
        )
        try:
            eventually("it is under load", lambda: _answered((host, port)) > 500, within=20)
            assert server.end() == 0, server.log  # within 15 seconds
        finally:
            load.kill()
            load.wait()


def test_a_unix_socket_that_was_passed_keeps_its_file(activate: Callable[..., Activated], tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        server = activate([listener])
        assert server.ready() == f"unix:{path}"
        assert fetch(str(path), "/hello").status == 200
        assert server.end() == 0
        assert path.exists()


def test_an_abstract_socket(activate: Callable[..., Activated]) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0server-test-{os.getpid()}")
        listener.listen()
        server = activate([listener])
        assert server.ready() == f"unix:@server-test-{os.getpid()}"
        assert fetch(f"\0server-test-{os.getpid()}", "/hello").status == 200
        assert server.end() == 0


def test_a_socket_for_both_families(activate: Callable[..., Activated]) -> None:
    try:
        listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with listener:
        server = activate([listener], "--allow-root")
        port = listener.getsockname()[1]
        assert server.ready() == f"[::]:{port}"
        assert fetch(("127.0.0.1", port), "/hello").status == 200
        assert server.end() == 0


def test_of_several_the_one_named_http(activate: Callable[..., Activated]) -> None:
    with _tcp() as first, _tcp() as second:
        server = activate([first, second], names="control:http")
        assert server.ready() == f"127.0.0.1:{second.getsockname()[1]}"
        address = first.getsockname()
        first.close()  # the server has closed its own: nobody is left
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        assert server.end() == 0


@pytest.mark.parametrize(
    ("count", "keywords", "part"),
    [
        (2, {}, "exactly one must be named"),
        (2, {"names": "http:http"}, "exactly one must be named"),
        (2, {"names": "a:b"}, "exactly one must be named"),
        (1, {"fds": "0"}, "LISTEN_FDS=0"),
        (1, {"fds": "one"}, "LISTEN_FDS=one"),
        (1, {"fds": "99999999999999999999"}, "LISTEN_FDS=9999"),
        (0, {"fds": "1"}, "descriptor 3"),
    ],
)
def test_what_was_passed_cannot_be_served(
    activate: Callable[..., Activated], count: int, keywords: "dict[str, str]", part: str
) -> None:
    sockets = [_tcp() for _ in range(count)]
    try:
        server = activate(sockets, **keywords)
        assert server.finish() == 1
        assert part in server.log and server.log.count("\n") == 1, server.log
    finally:
        for one in sockets:
            one.close()


def test_what_is_no_listening_socket_is_refused(activate: Callable[..., Activated]) -> None:
    with socket.socket() as idle, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for one in (idle, datagrams):
            server = activate([one])
            assert server.finish() == 1
            assert "not a stream socket that listens" in server.log


def test_one_that_was_passed_is_not_several(activate: Callable[..., Activated]) -> None:
    with _tcp() as one:
        server = activate([one], "--model=prefork", "--dispatch=connection", "--accept=reuseport")
        assert server.finish() == 1
        assert "--accept: the listening socket was opened without reuseport" in server.log


def test_variables_for_another_process_are_ignored(activate: Callable[..., Activated]) -> None:
    with _tcp() as listener:
        server = activate([listener], "--listen=127.0.0.1:0", pid="1")
        assert server.ready() != f"127.0.0.1:{listener.getsockname()[1]}"
        assert server.end() == 0


# ---- what the manager is told -------------------------------------------------------------


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(patience(10))

    def hear(self) -> "dict[str, str]":
        """The next message."""
        lines = self.socket.recv(4096).decode("ascii").split("\n")
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = f"@server-notify-{os.getpid()}-{time.monotonic_ns()}"
    made = Manager(name if request.param == "abstract" else str(tmp_path / "notify"))
    yield made
    made.socket.close()


# With the default of --shutdown-timeout, and a margin.
STOPPING = {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "12000000"}


@only("prefork", "threads", "coro")
def test_ready_and_stopping(launch: Launcher, manager: Manager) -> None:
    server = launch(environment={"NOTIFY_SOCKET": manager.name})
    assert manager.hear() == {"READY": "1", "MAINPID": str(server.pid)}
    server.signal(signal.SIGTERM)
    assert manager.hear() == STOPPING
    assert server.wait() == 0


@only("prefork", "threads", "coro")
def test_a_lame_duck_is_stopping_and_says_for_how_long(launch: Launcher, manager: Manager) -> None:
    """Once, at its beginning, or systemd would kill it after TimeoutStopSec=."""
    server = launch("--lame-duck=100", "--shutdown-timeout=7", environment={"NOTIFY_SOCKET": manager.name})
    assert manager.hear()["READY"] == "1"
    server.signal(signal.SIGTERM)
    assert manager.hear() == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "109000000"}
    assert server.get("/hello").status == 200
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(100)


@only("prefork", "threads", "coro")
def test_a_reload_is_told(launch: Launcher, manager: Manager, tmp_path: Path) -> None:
    """Its beginning, with the time of it, and its end, whether it succeeds or not."""
    file = tmp_path / "server.conf"
    file.write_text("")
    server = launch(f"--config={file}", expected=["reload: "], environment={"NOTIFY_SOCKET": manager.name})
    ready = {"READY": "1", "MAINPID": str(server.pid)}
    assert manager.hear() == ready
    for line in ("", "body-timeout = 17\n", "nonsense = 1\n", "root = /nothing/at/all\n", ""):
        file.write_text(line)
        began = time.clock_gettime(time.CLOCK_MONOTONIC)
        server.signal(signal.SIGHUP)
        message = manager.hear()
        assert message.pop("RELOADING") == "1" and list(message) == ["MONOTONIC_USEC"]
        assert began <= int(message["MONOTONIC_USEC"]) / 1e6 + 1e-6 <= began + patience(60)
        assert manager.hear() == ready
    server.signal(signal.SIGTERM)
    assert manager.hear() == STOPPING
    assert server.wait() == 0


@only("prefork", "threads", "coro")
def test_an_upgrade_is_told(launch: Launcher, manager: Manager) -> None:
    """Who is the service now, by both; that the old server ends is not told."""
    server = launch(environment={"NOTIFY_SOCKET": manager.name})
    assert manager.hear() == {"READY": "1", "MAINPID": str(server.pid)}
    for _ in range(2):
        server.upgrade()
        heard = [manager.hear(), manager.hear()]  # from two processes, in no order
        assert {"READY": "1", "MAINPID": str(server.pid)} in heard
        assert {"MAINPID": str(server.pid), "WATCHDOG": "1"} in heard
        server.wait_for_old()
    server.signal(signal.SIGHUP)
    assert manager.hear()["RELOADING"] == "1"
    assert manager.hear()["READY"] == "1"
    server.stop()
    assert manager.hear() == STOPPING
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(100)


@only("prefork", "threads", "coro")
def test_an_upgrade_that_fails_is_not_told(launch: Launcher, manager: Manager, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.symlink_to(BINARY)
    server = launch(environment={"NOTIFY_SOCKET": manager.name}, binary=str(program),
                    expected=["upgrade: ", "cannot start"])
    assert manager.hear()["READY"] == "1"
    script = tmp_path / "script"
    script.write_text(f'#!/bin/sh\nexec prlimit --nofile=7 {BINARY} "$@"\n')
    script.chmod(0o755)
    script.rename(program)
    server.signal(signal.SIGUSR2)
    server.wait_for_line("upgrade: the new server .*; this one goes on", within=20)
    server.signal(signal.SIGTERM)
    assert manager.hear() == STOPPING
    assert server.wait() == 0


def test_nobody_is_told_before_it_is_ready(launch: Launcher, manager: Manager) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [BINARY, f"--listen=127.0.0.1:{taken.getsockname()[1]}"], capture_output=True, check=False,
            env={**os.environ, "NOTIFY_SOCKET": manager.name},
        )
    assert done.returncode == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(100)
    del launch


@only("coro")
def test_watchdog(launch: Launcher, manager: Manager) -> None:
    server = launch(environment={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "600000"})
    assert manager.hear()["READY"] == "1"
    for _ in range(3):
        assert manager.hear() == {"WATCHDOG": "1"}
    server.signal(signal.SIGSTOP)  # a master that hangs is not alive
    stat_file = Path(f"/proc/{server.pid}/stat")
    eventually("it is stopped", lambda: stat_file.read_text().rsplit(")", 1)[1].split()[0] == "T")
    manager.socket.settimeout(0)
    try:
        while True:
            manager.socket.recv(100)
    except BlockingIOError:
        pass
    manager.socket.settimeout(1.5)
    with pytest.raises(socket.timeout):
        manager.hear()
    server.signal(signal.SIGCONT)
    manager.socket.settimeout(patience(10))
    assert manager.hear() == {"WATCHDOG": "1"}


@only("coro")
def test_watchdog_over_an_upgrade(launch: Launcher, manager: Manager) -> None:
    """The manager names the process that it watches, which becomes another."""
    server = launch(environment={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "600000"},
                    prefix=["bash", "-c", 'WATCHDOG_PID=$$ exec "$@"', "bash"])
    assert manager.hear()["READY"] == "1"
    assert manager.hear() == {"WATCHDOG": "1"}
    for _ in range(2):
        server.upgrade()
        server.wait_for_old()
        due = [{"MAINPID": str(server.pid), "WATCHDOG": "1"}, {"READY": "1", "MAINPID": str(server.pid)}]
        while due:  # said by two processes, in no order
            heard = manager.hear()
            due = [message for message in due if message != heard]
        for _ in range(3):
            assert manager.hear() == {"WATCHDOG": "1"}


@only("coro")
def test_a_watchdog_for_another_process(launch: Launcher, manager: Manager) -> None:
    server = launch(environment={
        "NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "600000", "WATCHDOG_PID": "1"})
    assert manager.hear()["READY"] == "1"
    server.signal(signal.SIGTERM)
    assert manager.hear() == STOPPING


@only("coro")
@pytest.mark.parametrize("name", ["/nothing/notify", "relative", "@", "/" + "x" * 200])
def test_a_manager_that_cannot_be_told(launch: Launcher, name: str) -> None:
    """It is said in the log; the server serves."""
    server = launch(environment={"NOTIFY_SOCKET": name})
    server.wait_for_line("cannot tell NOTIFY_SOCKET")
    assert server.get("/hello").status == 200


@only("coro")
def test_a_manager_that_does_not_listen_holds_nothing_up(launch: Launcher, manager: Manager) -> None:
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    target = "\0" + manager.name[1:] if manager.name.startswith("@") else manager.name
    with filler:
        try:
            while True:
                filler.sendto(b"X", target)
        except BlockingIOError:
            pass
        server = launch(environment={"NOTIFY_SOCKET": manager.name})
        eventually("it serves", lambda: server.get("/hello").status == 200)
