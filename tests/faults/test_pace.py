# SPDX-License-Identifier: MIT
"""How long clients are waited for in bodies: a time-out bounds one silence, the rate is another rule."""

import socket
import threading
import time
from pathlib import Path
from typing import List

import pytest

from support.client import Connection, message
from support.configurations import each_way, only
from support.server import Launcher, Server
from support.variant import VARIANT, patience
from support.waiting import eventually, in_time

BIG_BYTES = 64 << 20
WRITE_TIMEOUT = 0.5
UNITS_HAVE_IT = "takes seconds, and its arithmetic is in the unit tests, which run in each build"


@pytest.fixture(scope="module", name="big_site")
def _big_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("big")
    with open(root / "big", "wb") as big:
        big.truncate(BIG_BYTES)
    return root


def _take_steadily(connection: Connection, size: int, rate: float) -> None:
    """Reads so many bytes without a pause, at so many a second."""
    began = time.monotonic()
    taken = 0
    while taken < size:
        piece = connection.socket.recv(int(rate / 20))
        assert piece, f"the answer ends after {taken} bytes"
        taken += len(piece)
        time.sleep(max(0.0, taken / rate - (time.monotonic() - began)))


@each_way
@pytest.mark.parametrize("family, rate", [("inet", 1 << 20), ("unix", 256 << 10)])
def test_a_steady_download_is_served(
    launch: Launcher, big_site: Path, tmp_path: Path, family: str, rate: float
) -> None:
    """Room for more is reported only after seconds at that pace, longer than a silence may last."""
    options = [f"--root={big_site}", f"--write-timeout={WRITE_TIMEOUT}"]
    listen = {} if family == "inet" else {"listen": f"unix:{tmp_path}/socket"}
    server = launch(*options, **listen)

    def download() -> None:
        with server.connect(20) as connection:
            if family == "inet":
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 << 10)
            connection.send(message("GET", "/files/big"))
            _take_steadily(connection, int(2.5 * rate), rate)
            connection.socket.settimeout(patience(20))
            rest = 0
            while rest < BIG_BYTES // 2:  # and at full speed again
                piece = connection.socket.recv(1 << 20)
                assert piece
                rest += len(piece)

    in_time(WRITE_TIMEOUT / 2, download)


@pytest.mark.skipif(VARIANT != "release", reason=UNITS_HAVE_IT)
@only("coro", "threads")
def test_a_pause_may_last_as_long_as_the_timeout(launch: Launcher, big_site: Path) -> None:
    """Longer than the rate's grace period of five seconds, in the answer and in the body."""
    server = launch(f"--root={big_site}", "--write-timeout=20", "--body-timeout=20")
    with server.connect(20) as download, server.connect(20) as upload:
        upload.send(message("POST", "/echo", "Content-Length: 200000", body=b"x" * 100000))
        download.send(message("GET", "/files/big"))
        taken = 0
        while taken < 8 << 20:
            taken += len(download.socket.recv(1 << 20))
        time.sleep(6.5)  # the pause, longer than five seconds
        while taken < BIG_BYTES:
            piece = download.socket.recv(1 << 20)
            assert piece, f"the answer ends after {taken} bytes"
            taken += len(piece)
        upload.send(b"x" * 100000)
        assert upload.read_response("POST").body == b"x" * 200000


@pytest.mark.skipif(VARIANT != "release", reason=UNITS_HAVE_IT)
@only("coro", "threads")
def test_a_slow_sender_that_reads_last(launch: Launcher) -> None:
    """It sends at a good pace for longer than the grace period before it takes any of the answer."""
    body = bytes(range(256)) * (16 << 12)  # 16 MB: no buffers take that
    seconds = 8.0
    server = launch("--max-body=16M")
    with server.connect(30) as connection:
        began = time.monotonic()
        connection.send(message("POST", "/echo", f"Content-Length: {len(body)}"))
        for at in range(0, len(body), 1 << 16):
            connection.send(body[at : at + (1 << 16)])
            time.sleep(max(0.0, at / len(body) * seconds - (time.monotonic() - began)))
        assert connection.read_response("POST").body == body


@pytest.mark.skipif(VARIANT != "release", reason=UNITS_HAVE_IT)
@only("coro", "threads")
def test_a_trickle_is_ended_by_the_rate(launch: Launcher) -> None:
    """Whatever the time-out: it is never silent for long."""
    server = launch("--body-timeout=60")
    stop = threading.Event()
    with server.connect(20) as connection:
        connection.send(message("POST", "/echo", "Content-Length: 100000"))

        def trickle() -> None:
            try:
                while not stop.wait(0.25):
                    connection.send(b"x" * 20)
            except OSError:
                pass

        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            began = time.monotonic()
            connection.read_to_end()
            assert 4 < time.monotonic() - began < patience(12)
        finally:
            stop.set()
            sender.join()


def _sockets_of(server: Server) -> List[str]:
    """The states of the server's TCP connections that hold bytes of answers, closed ones too."""
    port = f":{int(server.listen.rsplit(':', 1)[1]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[3] for row in rows if row[1].endswith(port) and not row[4].startswith("00000000:")]


@each_way
def test_what_was_sent_to_a_lost_reader_is_dropped(launch: Launcher, big_site: Path) -> None:
    """Megabytes of the kernel's would else be kept for as long as the client likes."""
    server = launch(f"--root={big_site}", f"--write-timeout={WRITE_TIMEOUT}")

    def lose() -> None:
        with server.connect(20) as connection:
            connection.send(message("GET", "/files/big"))
            eventually("the kernel holds a part of the answer", lambda: _sockets_of(server))
            eventually("the client is given up", server.open_connections, lambda n: n == 0, within=15)
            assert not _sockets_of(server)

    in_time(WRITE_TIMEOUT / 2, lose)


@only("prefork", "threads", "coro", "threads-connection")
def test_answers_that_nobody_takes_are_dropped(launch: Launcher, big_site: Path) -> None:
    """Complete ones too, at a connection that ends by agreement and at one that is idle."""
    options = [f"--write-timeout={WRITE_TIMEOUT}", "--keepalive-timeout=0.5"]
    server = launch(f"--root={big_site}", *options)
    part = "Range: bytes=0-1999999"  # more than the client's buffer takes, less than the server's

    def take_nothing() -> None:
        with server.connect(20) as ends, server.connect(20) as stays:
            for connection in (ends, stays):
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            ends.send(message("GET", "/files/big", part, "Connection: close"))
            stays.send(message("GET", "/files/big", part))
            eventually("the kernel holds both", lambda: len(_sockets_of(server)), lambda n: n == 2)
            eventually("they are given up", server.open_connections, lambda n: n == 0, within=15)
            assert not _sockets_of(server)

    in_time(WRITE_TIMEOUT / 2, take_nothing)


@only("prefork", "threads", "coro", "threads-connection")
@pytest.mark.parametrize("ends", ["", "Connection: close"])
def test_an_answer_that_is_taken_slowly_is_delivered(
    launch: Launcher, big_site: Path, ends: str
) -> None:
    """Though the server has handed all of it to the kernel long ago, and would close by now."""
    options = [f"--write-timeout={WRITE_TIMEOUT}", "--keepalive-timeout=0.5"]
    server = launch(f"--root={big_site}", *options)
    size = 2000000

    def download() -> None:
        with server.connect(20) as connection:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            connection.send(message("GET", "/files/big", f"Range: bytes=0-{size - 1}", *filter(None, [ends])))
            _take_steadily(connection, size, size / 1.6)

    in_time(WRITE_TIMEOUT / 2, download)
