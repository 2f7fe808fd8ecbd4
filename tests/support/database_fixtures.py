# SPDX-License-Identifier: MIT
"""Databases, made when first asked for and gone with the tests."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

import support.database as database
from support.database import ROWS, number_of


def _running(made: List[Any], make: Callable[[], Any]) -> Any:
    """The one in `made`, made if there is none yet, started again if a test has ended it."""
    if not made:
        made.append(make())
    if made[0].process is None or made[0].process.poll() is not None:
        made[0].start()
    return made[0]


@pytest.fixture(scope="session")
def the_postgres() -> Iterator[List[Any]]:
    """The one that was made, if one was: making it fails one test, not all that follow."""
    made: List[Any] = []
    yield made
    for one in made:
        one.remove()


@pytest.fixture
def postgres(the_postgres: List[Any]) -> Any:
    """A running PostgreSQL whose row N holds number_of(N)."""
    running = _running(the_postgres, database.Postgres)
    running.psql(
        f"UPDATE world SET randomnumber = id::bigint * 7919 % {ROWS} + 1"
        f" WHERE randomnumber <> id::bigint * 7919 % {ROWS} + 1"
    )
    return running


@pytest.fixture(scope="session")
def the_redis() -> Iterator[List[Any]]:
    """The one that was made, if one was: making it fails one test, not all that follow."""
    made: List[Any] = []
    yield made
    for one in made:
        one.remove()


@pytest.fixture
def redis(the_redis: List[Any]) -> Any:
    """A running Redis with nothing in it."""
    running = _running(the_redis, database.Redis)
    database.databases.redis(running.address, [("FLUSHALL",)])
    return running


@pytest.fixture(scope="session")
def the_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that nobody has open, so that it is whole without its log."""
    path = tmp_path_factory.mktemp("sqlite") / "world.sqlite"
    database.databases.fill_sqlite(path)
    file = sqlite3.connect(path)
    with file:
        file.executemany(
            "UPDATE world SET randomnumber = ? WHERE id = ?",
            ((number_of(row), row) for row in range(1, ROWS + 1)),
        )
    file.close()
    return path


@pytest.fixture
def sqlite(the_sqlite: Path, tmp_path: Path) -> str:
    """The URI of an SQLite file whose row N holds number_of(N)."""
    return f"sqlite:{shutil.copy(the_sqlite, tmp_path)}"


@pytest.fixture(params=["sqlite", "postgres"])
def uri(request: Any) -> str:
    """A database of each kind."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else str(found.uri)
