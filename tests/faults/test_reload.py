# SPDX-License-Identifier: MIT
"""SIGHUP: the configuration is read again and the workers replaced; no client notices."""

import operator
import os
import signal
from functools import partial
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from support import processes
from support.client import Closed, message
from support.configurations import NONE, only, per_request
from support.flood import clients_of, flood
from support.load import IDLE, Load
from support.server import Launcher, Server
from support.variant import VARIANT, fewer, patience
from support.waiting import eventually

RELOADS = int(os.environ.get("SERVER_RELOADS", "20"))


def _settings(server: Server) -> Dict[str, str]:
    settings: Dict[str, str] = server.status()["settings"]
    return settings


@per_request
def test_reload_under_load(launch: Launcher, tmp_path: Path) -> None:
    """No connection is refused or reset, and no request is lost."""
    file = tmp_path / "server.conf"
    file.write_text("keepalive-timeout = 50\n")
    server = launch(f"--config={file}")
    workers = server.wait_for_workers()
    with Load(server.address, 8, message("GET", "/sleep?ms=2")) as kept, \
            Load(server.address, 8, fresh=True) as fresh:
        for timeout in ("51", "52", "53"):
            answers = kept.answers + fresh.answers
            file.write_text(f"keepalive-timeout = {timeout}\n")
            server.signal(signal.SIGHUP)
            workers = server.wait_for_workers(but=workers)
            eventually("the new setting is in force",
                       lambda: _settings(server)["keepalive-timeout"], lambda v: v == timeout)
            eventually("requests are answered",
                       lambda: kept.answers + fresh.answers > answers + 100)
    # A connection may be closed between two requests, which a client has to expect.
    assert not [f for f in kept.failures if f != IDLE]
    assert not fresh.failures
    assert fresh.longest < patience(2)


def test_reload_of_a_bad_configuration(launch: Launcher, tmp_path: Path) -> None:
    """It is reported and the old one stays."""
    file = tmp_path / "server.conf"
    file.write_text("keepalive-timeout = 50\n")
    server = launch(f"--config={file}", expected=["keepalive-tmeout"])
    workers = server.wait_for_workers()
    file.write_text("keepalive-tmeout = 60\n")
    server.signal(signal.SIGHUP)
    server.wait_for_line("keepalive-tmeout")
    assert _settings(server)["keepalive-timeout"] == "50"
    assert server.worker_pids() == workers
    # And a good one is taken again.
    file.write_text("keepalive-timeout = 70\n")
    server.signal(signal.SIGHUP)
    eventually("the new setting is in force",
               lambda: _settings(server)["keepalive-timeout"], lambda v: v == "70", within=10)


def test_request_in_progress_survives_a_reload(launch: Launcher) -> None:
    server = launch()
    workers = server.wait_for_workers()
    with server.connect() as connection:
        connection.begin()
        reload(server)
        connection.finish()
    server.wait_for_workers(but=workers)
    assert server.get("/hello").status == 200


def test_many_reloads(launch: Launcher) -> None:
    """In quick succession they neither end the server nor leave workers behind."""
    server = launch()
    server.wait_for_workers()
    for _ in range(5):
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGUSR1)
        assert server.get("/hello").status == 200
    before = set(server.worker_pids())
    server.signal(signal.SIGHUP)
    server.wait_for_workers(but=sorted(before))
    assert server.get("/hello").status == 200


def reloaded(server: Server) -> int:
    """How many reloads the log tells of."""
    return sum("reloaded:" in line for line in list(server.lines))


def reload(server: Server) -> None:
    """SIGHUP; waits until the new workers serve."""
    before = reloaded(server)
    server.signal(signal.SIGHUP)
    eventually("reloaded", lambda: reloaded(server) > before, within=10)


def test_many_reloads_under_a_flood(launch: Launcher) -> None:
    """Connections come and go, others stay: none is refused or reset, no answer is wrong."""
    server = launch("--shutdown-timeout=20")
    with flood(server) as fresh:
        for _ in range(fewer(RELOADS)):
            answers = fresh.answers
            reload(server)
            eventually("the flood goes on", lambda: fresh.answers > answers + 5)
    server.wait_for_workers()


@only("prefork")
def test_parked_connections_survive(launch: Launcher, tmp_path: Path) -> None:
    """Used, unused, and with half a head: the pool passes them on to the new workers."""
    file = tmp_path / "server.conf"
    file.write_text("workers = 8\n")
    server = launch(f"--config={file}")
    unused, used, half = [server.connect() for _ in range(3)]
    assert used.get("/hello").status == 200
    half.send(b"GET /hello HTTP/1.1\r\nHost:")
    eventually("all are parked", server.open_connections, lambda n: n == 3)
    try:
        for _ in range(5):
            workers = server.worker_pids()
            reload(server)
            server.wait_for_workers(but=workers)
            answer = used.get("/whoami")
            assert answer.status == 200 and not answer.closes
        assert not unused.get("/hello").closes
        assert not half.request(b" x\r\n\r\n").closes
    finally:
        for connection in (unused, used, half):
            connection.close()


@only("threads", "coro", "stealing", "coro-2", "prefork-connection", "threads-connection", "coro-connection", *NONE)
def test_idle_connections_may_ask_once_more(launch: Launcher) -> None:
    """By the workers they are with; the answer says that it is the last."""
    server = launch()
    unused, used, half = [server.connect() for _ in range(3)]
    assert used.get("/hello").status == 200
    half.send(b"GET /hello HTTP/1.1\r\nHost:")
    eventually("all are accepted", server.open_connections, lambda n: n == 3)
    try:
        reload(server)
        for answer in (unused.get("/hello"), used.get("/hello"), half.request(b" x\r\n\r\n")):
            assert answer.status == 200 and answer.closes
        for connection in (unused, used, half):
            assert connection.read_to_end() == b""
    finally:
        for connection in (unused, used, half):
            connection.close()


@only("threads", "coro", "stealing", "coro-2", "prefork-connection", "threads-connection", "coro-connection", *NONE)
def test_idle_connections_are_closed_in_the_end(launch: Launcher) -> None:
    server = launch("--shutdown-timeout=1")
    workers = server.wait_for_workers()
    with server.connect() as unused, server.connect() as used:
        assert used.get("/hello").status == 200
        eventually("both are accepted", server.open_connections, lambda n: n == 2)
        reload(server)
        assert used.read_to_end() == b"" and unused.read_to_end() == b""
        server.wait_for_workers(but=workers)


def test_the_old_ones_end_in_time(launch: Launcher) -> None:
    """What a request in progress may take is bounded by --shutdown-timeout, as at a stop."""
    server = launch("--shutdown-timeout=0.5")
    workers = server.wait_for_workers()
    with server.connect() as connection:
        connection.send(message("GET", "/sleep?ms=50000"))
        eventually("it is being served", server.contexts, lambda n: n >= 1)
        reload(server)
        server.wait_for_workers(but=workers)
        try:
            assert connection.read_response().status == 503
        except Closed as closed:
            assert "timed out" not in str(closed)
    assert server.get("/hello").status == 200


def _model_and_workers(server: Server) -> Tuple[str, int]:
    status = server.status()
    return status["model"], int(status["settings"]["workers"])


@only("coro")
def test_workers_and_model_may_change(launch: Launcher, tmp_path: Path) -> None:
    """In a file the model is as good a setting as any; counters go on over it."""
    file = tmp_path / "server.conf"
    file.write_text("model = coro\nworkers = 1\n")
    server = launch(f"--config={file}", model_options=[])
    with Load(server.address, 4, echo=True, fresh=True) as fresh, \
            Load(server.address, 4, echo=True) as kept:
        for text, model, workers in (
            ("model = prefork\nworkers = 4\n", "prefork", 4),
            ("model = prefork\nworkers = 6\nmax-header = 32k\n", "prefork", 6),
            ("model = threads\nworkers = 12\ngil = on\n", "threads", 12),
            ("model = prefork\nworkers = 20\ndispatch = connection\n", "prefork", 20),
            ("model = prefork\nworkers = 2\n", "prefork", 2),
            ("model = coro\nworkers = 2\n", "coro", 2),
        ):
            file.write_text(text)
            reload(server)
            # Until then an old worker may answer that was accepting as it was told to finish.
            eventually("answered by the new workers", partial(_model_and_workers, server),
                       partial(operator.eq, (model, workers)))
            answers = kept.answers
            eventually("all go on", lambda: kept.answers > answers + 20)
    assert fresh.failures + kept.failures == []
    eventually("the old workers are gone", server.worker_pids, lambda pids: len(pids) == 2)
    eventually("no connection is left", server.open_connections, lambda n: n == 0)
    assert server.status()["requests"] >= fresh.answers + kept.answers


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers need /proc themselves")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide /proc")
@only("coro")
def test_no_worker_keeps_what_is_others(launch: Launcher, tmp_path: Path) -> None:
    """Neither /proc nor a free descriptor is needed for that: an idle connection of the model before
    ends for its client when that closes it, whatever processes have been made meanwhile."""
    file = tmp_path / "server.conf"
    hide = 'mount -t tmpfs tmpfs /proc && exec "$@"'
    for model in ("coro", "threads", "prefork\ndispatch = connection", "prefork\npool = none"):
        file.write_text("model = prefork\nworkers = 4\n")
        server = launch(f"--config={file}", "--shutdown-timeout=1", model_options=[],
                        prefix=["unshare", "--mount", "sh", "-c", hide, "sh"])
        with server.connect(10) as idle:
            assert idle.get("/hello").status == 200
            file.write_text(f"model = {model}\nworkers = 2\n")
            reload(server)
            assert idle.read_to_end() == b""  # times out if one keeps a copy
            for pid in server.worker_pids():
                try:
                    kinds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
                except FileNotFoundError:
                    kinds = []
                if not kinds:
                    continue  # one of the generation before, which has ended meanwhile
                sockets = sum(kind.startswith("socket:") for kind in kinds)
                assert sockets == 1, f"one to listen on: {kinds}"
        server.stop()


def test_listening_elsewhere(launch: Launcher, tmp_path: Path) -> None:
    """What can be opened is; those who came by the old address are served to the end."""
    file = tmp_path / "server.conf"
    old, new = tmp_path / "old", tmp_path / "new"
    file.write_text(f"listen = unix:{old}\n")
    server = launch(f"--config={file}", listen=None)
    with server.connect() as connection:
        assert connection.get("/hello").status == 200
        connection.begin()
        file.write_text(f"listen = unix:{new}\n")
        reload(server)
        connection.finish()
    eventually("the old path is gone", lambda: not old.exists())
    server.address = str(new)
    assert server.get("/hello").status == 200
    file.write_text(f"listen = unix:{tmp_path}/none/such\n")
    server.expected.append("none/such")
    server.signal(signal.SIGHUP)
    server.wait_for_line("reload: cannot listen on .*none/such.*the server goes on as it was")
    assert server.get("/hello").status == 200


def test_what_cannot_be_applied(launch: Launcher, tmp_path: Path) -> None:
    """One line says why, and nothing has changed."""
    file = tmp_path / "server.conf"
    file.write_text("")
    server = launch(f"--config={file}", expected=["reload: "])
    workers = server.wait_for_workers()
    for text, said in (
        ("root = /none/folder\n", "/none/folder"),
        ("access-log = /none/log\n", "/none/log"),
        ("no line\n", "server.conf"),
        ("write-timeout = soon\n", "soon"),
    ):
        file.write_text(text)
        server.signal(signal.SIGHUP)
        server.wait_for_line(f"reload: .*{said}.*the server goes on as it was")
        assert server.worker_pids() == workers
    file.unlink()
    server.signal(signal.SIGHUP)
    server.wait_for_line("reload: .*No such file")
    assert server.worker_pids() == workers
    assert server.get("/hello").status == 200


@pytest.mark.skipif(VARIANT != "release", reason="sanitizers need address space themselves")
@only("threads")
def test_workers_that_cannot_start(launch: Launcher, tmp_path: Path) -> None:
    """Their gate has not been opened: nobody was with them, and the old ones go on."""
    file = tmp_path / "server.conf"
    file.write_text("")
    server = launch(f"--config={file}", expected=["thread", "cannot make the pool", "while starting", "reload: "],
                    model_options=["--model=threads"], prefix=["prlimit", "--as=3000000000"])
    file.write_text("workers = 4096\nmax-header = 1M\n")
    with Load(server.address, 4, echo=True, fresh=True) as fresh:
        answers = fresh.answers
        server.signal(signal.SIGHUP)
        server.wait_for_line("reload: its worker processes do not start", within=20)
        eventually("requests go on", lambda: fresh.answers > answers + 20)
    assert fresh.failures == []
    file.write_text("workers = 3\n")
    reload(server)


def test_storm(launch: Launcher) -> None:
    """A hundred signals are as many reloads as there is time for, and no more workers than ever."""
    server = launch()
    with Load(server.address, clients_of(server), echo=True, fresh=True) as fresh:
        for _ in range(100):
            server.signal(signal.SIGHUP)
            server.signal(signal.SIGUSR1)
        answers = fresh.answers
        eventually("requests go on", lambda: fresh.answers > answers + 50)
        reload(server)
    assert fresh.failures == []
    server.wait_for_workers()
    workers = server.worker_pids()
    reload(server)
    server.wait_for_workers(but=workers)


def _newcomers(server: Server, workers: List[int]) -> List[int]:
    return [pid for pid in server.worker_pids() if pid not in workers]


def test_a_worker_is_killed_meanwhile(launch: Launcher) -> None:
    """Whichever it is, new or old: the reload comes to its end."""
    server = launch(expected=["worker process"])
    for turn in range(max(2, fewer(6))):
        workers = server.wait_for_workers()
        before = reloaded(server)
        server.signal(signal.SIGHUP)
        if turn % 2:  # one of the new ones, if it is seen in time
            eventually("the new ones come", partial(_newcomers, server, workers))
            victims = _newcomers(server, workers) or workers
        else:
            victims = workers
        try:
            os.kill(victims[0], signal.SIGKILL)
        except ProcessLookupError:
            pass
        eventually("reloaded", lambda: reloaded(server) > before, within=10)
        assert server.get("/hello").status == 200
        server.wait_for_workers(but=workers)


def test_stop_during_a_reload(launch: Launcher) -> None:
    """At whatever moment it comes: requests in progress are finished, exit status 0."""
    for delay in (0, 5, 20, 60):
        server = launch()
        with server.connect() as connection:
            assert connection.get("/hello").status == 200
            connection.begin()
            with server.connect() as pause:
                server.signal(signal.SIGHUP)
                if delay:
                    pause.get(f"/sleep?ms={delay}")
                server.signal(signal.SIGTERM)
            connection.finish()
        assert server.wait() == 0


def test_reload_while_stopping(launch: Launcher) -> None:
    """It is said that it is ignored, and the request in progress goes on."""
    server = launch()
    with server.connect() as connection:
        connection.begin()
        server.signal(signal.SIGTERM)
        eventually("it has begun to stop", server.refuses)
        server.signal(signal.SIGHUP)
        server.wait_for_line("SIGHUP ignored: this server is finishing")
        server.signal(signal.SIGUSR2)
        server.wait_for_line("SIGUSR2 ignored: this server is finishing")
        connection.finish()
    assert server.wait() == 0


def test_nothing_is_left_over(launch: Launcher) -> None:
    """Descriptors of the master and of each worker are as they were."""
    server = launch()

    def descriptors() -> List[int]:
        return [processes.descriptors(server.pid)] + sorted(
            processes.descriptors(pid) for pid in server.wait_for_workers())

    def cycle() -> None:  # two, as slots alternate
        for _ in range(2):
            workers = server.worker_pids()
            reload(server)
            server.wait_for_workers(but=workers)

    def after_one_more() -> List[int]:  # a worker has copies of what its predecessor still held
        cycle()
        return descriptors()

    # Of a few, as the master too may hold one for a moment that is gone soon after.
    before = [min(counts) for counts in zip(*(after_one_more() for _ in range(3)))]
    for _ in range(fewer(max(2, RELOADS // 10))):
        cycle()

    eventually(f"as before, {before}", after_one_more, lambda now: now == before)
