# SPDX-License-Identifier: MIT
"""SIGUSR2: another program takes the listening socket over; no client notices."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import List

import pytest

from support import processes
from support.client import message
from support.configurations import Configuration, only
from support.flood import clients_of, flood
from support.load import Load
from support.server import Launcher, Server
from support.variant import BINARY, VARIANT, fewer, patience
from support.waiting import eventually

UPGRADES = int(os.environ.get("SERVER_UPGRADES", "5"))


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """A copy of the program, to be replaced."""
    copy = tmp_path / "program"
    shutil.copy2(BINARY, copy)
    return copy


def replace(binary: Path, script: str) -> None:
    """Puts a shell script in the program's place, as an installer would: by renaming."""
    other = binary.with_name("other")
    other.write_text(f"#!/bin/sh\n{script}\n")
    other.chmod(0o755)
    other.rename(binary)


def restore(binary: Path) -> None:
    other = binary.with_name("other")
    shutil.copy2(BINARY, other)
    other.rename(binary)


def test_many_upgrades_under_a_flood(launch: Launcher) -> None:
    """Connections come and go, others stay: none is refused or reset, no answer is wrong."""
    server = launch("--shutdown-timeout=20")
    with flood(server) as fresh:
        for _ in range(fewer(UPGRADES)):
            answers = fresh.answers
            server.upgrade()
            eventually("the flood goes on", lambda: fresh.answers > answers + 20)
        server.wait_for_old()
    server.wait_for_workers()


def test_request_in_progress(launch: Launcher) -> None:
    """It is finished by the old server, which says that it is the last on its connection."""
    server = launch()
    with server.connect() as connection:
        assert connection.get("/hello").status == 200
        connection.send(message("POST", "/echo", "Content-Length: 5"))  # its answer begins when its body comes
        eventually("it is being served", server.contexts, lambda n: n >= 1)
        server.upgrade()
        server.wait_for_line("this one finishes what it has begun")
        server.process.send_signal(signal.SIGHUP)  # which is refused once its workers are told
        server.wait_for_line("SIGHUP ignored: this server is finishing")
        assert server.get("/hello").status == 200
        connection.send(b"hello")
        answer = connection.read_response("POST")
        assert answer.text == "hello" and answer.closes
    server.wait_for_old()


def test_unix_socket(launch: Launcher, tmp_path: Path) -> None:
    """The path stays from the first server to the last, and goes with that."""
    path = tmp_path / "socket"
    server = launch(listen=f"unix:{path}")
    inode = path.stat().st_ino
    for _ in range(2):
        server.upgrade()
        server.wait_for_old()
        assert path.stat().st_ino == inode
        assert server.get("/hello").status == 200
    server.stop()
    assert not path.exists()


def test_another_address(launch: Launcher, tmp_path: Path) -> None:
    """A server that listens elsewhere opens that itself, and the old one shuts its own."""
    file = tmp_path / "server.conf"
    old, new = tmp_path / "old", tmp_path / "new"
    file.write_text(f"listen = unix:{old}\n")
    server = launch(f"--config={file}", listen=None)
    file.write_text(f"listen = unix:{new}\n")
    server.upgrade()
    server.wait_for_old()
    assert not old.exists()
    server.address = str(new)
    assert server.get("/hello").status == 200


LATE = "the new server was not ready within --start-timeout"


@pytest.mark.parametrize("script, said", [
    ("exit 1", "the new server exited with status 1; this one goes on"),
    ("kill -9 $$", "the new server was killed by signal 9"),
    ("exec sleep 600", LATE),
    (f"exec {sys.executable} -c 'import os, time; "
     "os.close(int(os.environ[\"SERVER_UPGRADE\"].split(\":\")[0])); time.sleep(600)'",
     "the new server was killed by signal 9"),
], ids=["exits", "dies", "hangs", "closes the pipe"])
def test_program_that_fails(launch: Launcher, binary: Path, script: str, said: str) -> None:
    """The old one goes on, says so, and can be told again."""
    limit = 1 if said == LATE else 60
    server = launch(f"--start-timeout={limit}", expected=["upgrade: "], binary=str(binary))
    workers = server.wait_for_workers()
    with Load(server.address, clients_of(server), echo=True, fresh=True) as fresh:
        replace(binary, script)
        server.signal(signal.SIGUSR2)
        server.wait_for_line(f"upgrade: {said}", within=20)
        assert server.worker_pids() == workers
        restore(binary)
        answers = fresh.answers
        eventually("the old one serves", lambda: fresh.answers > answers + 20)
    assert fresh.failures == []


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers need descriptors themselves")
def test_server_that_cannot_start(launch: Launcher, binary: Path, tmp_path: Path) -> None:
    """It has taken the socket up by then; giving up, it leaves that as it is."""
    path = tmp_path / "socket"
    server = launch(listen=f"unix:{path}", expected=["upgrade: ", "cannot start"], binary=str(binary))
    replace(binary, f'exec prlimit --nofile=7 {BINARY} "$@"')
    server.signal(signal.SIGUSR2)
    server.wait_for_line("upgrade: the new server exited with status 1; this one goes on", within=20)
    server.wait_for_line("cannot start --model=.*Too many open files")
    assert server.get("/hello").status == 200
    restore(binary)
    server.upgrade()
    server.wait_for_old()
    assert server.get("/hello").status == 200
    server.stop()
    assert not path.exists()


def test_program_that_is_gone(launch: Launcher, binary: Path) -> None:
    server = launch(expected=["upgrade: "], binary=str(binary))
    binary.unlink()
    server.signal(signal.SIGUSR2)
    server.wait_for_line("upgrade: cannot execute .*program: No such file")
    server.wait_for_line("this one goes on")
    assert server.get("/hello").status == 200
    restore(binary)
    server.upgrade()
    server.wait_for_old()
    assert server.get("/hello").status == 200


def test_bad_configuration(launch: Launcher, tmp_path: Path) -> None:
    """The new server refuses it, in its own words, and the old one goes on."""
    file = tmp_path / "server.conf"
    file.write_text("")
    server = launch(f"--config={file}", expected=["upgrade: ", "soon"])
    file.write_text("body-timeout = soon\n")
    server.signal(signal.SIGUSR2)
    server.wait_for_line("upgrade: the new server exited with status 64; this one goes on")
    assert server.get("/hello").status == 200
    file.write_text("body-timeout = 17\n")
    server.upgrade()
    server.wait_for_old()  # until then it may answer, too
    assert server.status()["settings"]["body-timeout"] == "17"


def test_stop_during_an_upgrade(launch: Launcher, binary: Path) -> None:
    """Both end, whatever the new one does by then."""
    server = launch(binary=str(binary))
    script = binary.with_name("started")
    replace(binary, f"echo $$ > {script}.part; mv {script}.part {script}; exec sleep 600")
    server.signal(signal.SIGUSR2)
    eventually("the new program runs", script.exists)
    pid = int(script.read_text())
    with server.connect() as connection:
        connection.begin()
        server.signal(signal.SIGTERM)
        connection.finish()
    assert server.wait() == 0
    eventually("the new program has ended", lambda: not processes.alive(pid))


def _is_decided(server: Server) -> bool:
    return server.log_has_ended() or len(server.ready_pids()) > 1


def test_stop_at_any_moment_of_an_upgrade(launch: Launcher) -> None:
    """The old one ends; the new one too if it was told to, or it had taken over before."""
    for delay in (0, 5, 15, 40, 80):
        server = launch()
        with server.connect() as pause:
            assert pause.get("/hello").status == 200
            server.signal(signal.SIGUSR2)
            if delay:
                pause.get(f"/sleep?ms={delay}")
            server.signal(signal.SIGTERM)
        assert server.wait() == 0
        # The new one is gone, too, or says that it is ready and then is on its own.
        eventually("one of them", partial(_is_decided, server))
        for pid in server.ready_pids()[1:]:
            server.upgrades += 1
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        server.wait_for_log_end(15)


def test_reload_during_an_upgrade(launch: Launcher, binary: Path, tmp_path: Path) -> None:
    """The configuration is the new server's by then: it reads it once more."""
    file = tmp_path / "server.conf"
    file.write_text("keepalive-timeout = 50\n")
    go = tmp_path / "go"
    server = launch(f"--config={file}", binary=str(binary))
    os.mkfifo(go)
    # Takes its time, having read the configuration as it was.
    replace(binary, f'cp {file} {file}.old; read line < {go}; exec {BINARY} "$@"')
    server.signal(signal.SIGUSR2)
    known = len(server.ready_pids())
    writer = threading.Thread(target=lambda: go.write_text("\n"), daemon=True)
    server.wait_for_line("upgrade: starting")
    server.signal(signal.SIGUSR2)
    server.wait_for_line("upgrade: one is under way already")
    server.signal(signal.SIGHUP)
    writer.start()
    server.follow_upgrade(known)
    server.wait_for_line("reloaded:")
    server.wait_for_old()
    assert server.get("/hello").status == 200


@only("coro", "prefork")
def test_both_at_once(launch: Launcher) -> None:
    """A reload and an upgrade asked for together are done one after the other."""
    server = launch()
    with Load(server.address, 8, echo=True, fresh=True) as fresh, \
            Load(server.address, 8, echo=True) as kept:
        for turn in range(max(2, fewer(4))):
            known = len(server.ready_pids())
            numbers: List[int] = [signal.SIGHUP, signal.SIGUSR2]
            for number in numbers if turn % 2 else reversed(numbers):
                server.signal(number)
            server.follow_upgrade(known)
            answers = fresh.answers
            eventually("the flood goes on", lambda: fresh.answers > answers + 20)
    assert fresh.failures + kept.failures == []


def _fill(name: str) -> socket.socket:
    """Sends into a datagram socket until it takes no more; to be kept open."""
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    sender.connect(name)
    try:
        while True:
            sender.send(b"STATUS=full")
    except BlockingIOError:
        return sender


@only("prefork", "threads", "coro")
def test_the_pid_file_names_who_serves(launch: Launcher, tmp_path: Path) -> None:
    """However late an upgrade fails: here a service manager is slow to listen to the new server, for
    longer than --start-timeout allows."""
    file, name = tmp_path / "pid", str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        server = launch(f"--pid-file={file}", "--start-timeout=0.5", "--shutdown-timeout=1",
                        environment={"NOTIFY_SOCKET": name}, expected=["upgrade: "])
        assert file.read_text() == f"{server.pid}\n"
        with _fill(name):
            known = len(server.ready_pids())
            server.signal(signal.SIGUSR2)
            eventually("the upgrade has succeeded or failed", lambda: len(server.ready_pids()) > known
                       or any("this one goes on" in line for line in server.lines))
            if len(server.ready_pids()) > known:  # unless this machine is too slow for the time-out
                server.follow_upgrade(known)
            eventually("the pid file names it", file.read_text, lambda t: t == f"{server.pid}\n")
            time.sleep(1)  # by when it would have been given up
            assert processes.alive(server.pid) and server.get("/hello").status == 200
            assert file.read_text() == f"{server.pid}\n"


@only("prefork", "threads", "coro")
def test_a_server_that_was_given_up_serves_nobody(configuration: Configuration, tmp_path: Path) -> None:
    """The one it was to replace waits no longer and goes on: the byte that decides cannot be sent."""
    file = tmp_path / "pid"
    file.write_text("1\n")
    waiting, ready = socket.socketpair()
    with waiting, ready, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        name = f"127.0.0.1:{listener.getsockname()[1]}"
        waiting.shutdown(socket.SHUT_RD)
        ready.setblocking(False)
        done = subprocess.run(
            [BINARY, *configuration.options, f"--listen={name}", f"--pid-file={file}"],
            env={**os.environ, "SERVER_UPGRADE": f"{ready.fileno()}:{listener.fileno()}:0:{name}"},
            pass_fds=(ready.fileno(), listener.fileno()), stderr=subprocess.PIPE, text=True,
            timeout=patience(20), check=False)
        assert done.returncode == 1, done.stderr
        assert "the server that started this one has given it up" in done.stderr
        assert "ready " not in done.stderr and file.read_text() == "1\n"
        with socket.create_connection(listener.getsockname()):  # it was not shut either
            listener.accept()[0].close()


@only("coro")
def test_variable_that_makes_no_sense(launch: Launcher) -> None:
    """It may come from anywhere; the server starts as if it were not there."""
    for value in ("", "x", "3", "7:8:127.0.0.1:0", "1:2:127.0.0.1:0", "-1:-1:", "9999999999:3:"):
        server = launch(environment={"SERVER_UPGRADE": value})
        assert server.get("/hello").status == 200
        server.stop()
