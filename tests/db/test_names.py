# SPDX-License-Identifier: MIT
"""A name server that is silent costs a request no more than --db-timeout, and nobody else anything."""

import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest

from support import preload
from support.client import message
from support.configurations import Configuration, only
from support.database import databases, is_unavailable, read_row, read_rows
from support.fake_redis import FakeRedis
from support.server import Launcher
from support.variant import patience
from support.waiting import eventually

each_kind = only("prefork", "threads", "coro", "prefork-connection")
TIMEOUT_S = 2.0
MOMENT_S = 1.0


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preload.built("silent_names", tmp_path_factory.mktemp("names"))


@pytest.fixture
def silence(tmp_path: Path) -> Iterator[Path]:
    """The name server is silent while this is there."""
    path = tmp_path / "silent"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def environment(library: Path, silence: Path) -> Dict[str, str]:
    return {"LD_PRELOAD": str(library), "SILENT_NAMES": str(silence),
            "ASAN_OPTIONS": "verify_asan_link_order=0"}  # fmt: skip


def timed(ask: Callable[[], Any]) -> float:
    began = time.monotonic()
    ask()
    return time.monotonic() - began


@each_kind
def test_silence(launch: Launcher, environment: Dict[str, str], configuration: Configuration) -> None:
    """The manual: --db-timeout is how long a request may wait for a connection and its answer."""
    server = launch("--db=postgresql://db.invalid/world", "--redis=cache.invalid:1",
                    f"--db-timeout={TIMEOUT_S}", environment=environment)  # fmt: skip
    connections = [server.connect(timeout=60) for _ in range(min(configuration.width, 6))]
    try:
        for _ in range(2):
            began = time.monotonic()
            for connection in connections:
                connection.send(message("GET", "/db"))
            for _ in range(4):  # with 6 that wait: more than there are helper threads
                asked = timed(lambda: server.get("/block?ms=1&offload=1", timeout=60))
                assert asked < patience(MOMENT_S)
            for connection in connections:
                assert is_unavailable(connection.read_response())
            assert time.monotonic() - began < patience(TIMEOUT_S + MOMENT_S)
            took = timed(lambda: connections[0].get("/cache?n=3"))
            assert took < patience(TIMEOUT_S + MOMENT_S)
    finally:
        for connection in connections:
            connection.close()
    server.wait_for_line(r"^warn.* --db: cannot look up db.invalid: ")
    assert timed(server.stop) < patience(5), "it waits for no name"


@each_kind
def test_names_are_found_again(
    launch: Launcher, sqlite: str, environment: Dict[str, str], silence: Path
) -> None:
    with FakeRedis() as fake:
        fake.rows = {b"world:%d" % row: b"1" for row in range(1, databases.ROWS + 1)}
        server = launch(f"--db={sqlite}", f"--redis=cache.invalid:{fake.port}",
                        f"--db-timeout={TIMEOUT_S}", environment=environment)  # fmt: skip
        with server.connect(timeout=60) as connection:
            assert timed(lambda: read_rows(connection.get("/cache?n=3"), 3)) < patience(TIMEOUT_S)
            silence.unlink()
            eventually("the cache is asked", lambda: all(
                row["randomNumber"] == 1 for row in read_rows(connection.get("/cache?n=9"), 9)),
                within=30)  # fmt: skip


@each_kind
@pytest.mark.parametrize("silent", [True, False])
def test_one_of_several_hosts(
    launch: Launcher, postgres: Any, environment: Dict[str, str], silence: Path, silent: bool
) -> None:
    """The others are tried, in their order, each with its port."""
    if not silent:
        silence.unlink()
    uri = f"postgresql://world@/world?host=db.invalid,{postgres.folder}&port=1,5432"
    server = launch(f"--db={uri}", f"--db-timeout={TIMEOUT_S}", environment=environment)
    with server.connect(timeout=60) as connection:
        for _ in range(3):
            read_row(connection.get("/db"))
