# SPDX-License-Identifier: MIT
"""The clock on the wall is set while the server runs: only the Date field notices."""

import signal
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Tuple

import pytest

from support import preload
from support.client import message
from support.load import Load
from support.server import Launcher, Server
from support.waiting import eventually

DAY = 24 * 3600

pytestmark = preload.needs_release


@pytest.fixture(scope="session")
def wall_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preload.built("wall_clock", tmp_path_factory.mktemp("clock"))


def _date(server: Server) -> float:
    field = server.get("/hello").field("Date")
    assert field is not None
    return parsedate_to_datetime(field).timestamp()


def _is_near(wanted: float, date: float) -> bool:
    return abs(date - wanted) < DAY / 2


def _exceeds(wanted: Tuple[int, int], now: Tuple[int, int]) -> bool:
    return now[0] > wanted[0] and now[1] > wanted[1]


def test_clock_is_set(launch: Launcher, tmp_path: Path, wall_clock: Path) -> None:
    """A day forward and two back: no connection is expired, no request lost, no time-out wrong."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    server = launch(
        "--keepalive-timeout=60",
        environment={
            "LD_PRELOAD": str(wall_clock),
            "WALL_CLOCK_OFFSET": str(offset),
        },
    )
    count = 2 if server.configuration.per_connection else 8
    now = _date(server)
    with server.connect() as idle, server.connect() as half, \
            Load(server.address, count, echo=True) as kept, \
            Load(server.address, count, message("GET", "/sleep?ms=20"), fresh=True) as waiting:
        assert idle.get("/hello").status == 200
        half.send(b"GET /hello HTTP/1.1\r\n")
        for days in (1, -1, 0):
            offset.write_text(f"{days * DAY:+d}")
            # The Date is right again once it was looked up, at most a second later.
            eventually("the Date follows", partial(_date, server), partial(_is_near, now + days * DAY))
            wanted = kept.answers + 20, waiting.answers + 20
            eventually("all go on", lambda: (kept.answers, waiting.answers),
                       partial(_exceeds, wanted))
        assert idle.get("/hello").status == 200
        assert half.request(b"Host: x\r\n\r\n").status == 200
        waits = waiting.longest
    assert kept.failures + waiting.failures == []
    assert waits < 5
    offset.write_text(f"{-DAY:+d}")
    with server.connect() as connection:
        connection.send(message("GET", "/stream?chunks=2&ms=300&size=10"))
        assert connection.read_head().status == 200
        server.signal(signal.SIGTERM)
        offset.write_text(f"{DAY:+d}")
        assert connection.read_to_end().endswith(b"\r\n0\r\n\r\n")
    assert server.wait() == 0
