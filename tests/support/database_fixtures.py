# SPDX-License-Identifier: MIT
"""Databases, made when first asked for and gone with the tests."""

import sqlite3
from pathlib import Path
from typing import Any, Iterator

import pytest

import support.database as database
from support.database import ROWS, number_of


@pytest.fixture(scope="session")
def the_postgres() -> Iterator[Any]:
    made = database.Postgres()
    yield made
    made.remove()


@pytest.fixture
def postgres(the_postgres: Any) -> Any:
    """A running PostgreSQL whose row N holds number_of(N)."""
    if the_postgres.process is None or the_postgres.process.poll() is not None:
        the_postgres.start()
    the_postgres.psql(
        f"UPDATE world SET randomnumber = id::bigint * 7919 % {ROWS} + 1"
        f" WHERE randomnumber <> id::bigint * 7919 % {ROWS} + 1"
    )
    return the_postgres


@pytest.fixture(scope="session")
def the_redis() -> Iterator[Any]:
    made = database.Redis()
    yield made
    made.remove()


@pytest.fixture
def redis(the_redis: Any) -> Any:
    """A running Redis with nothing in it."""
    if the_redis.process is None or the_redis.process.poll() is not None:
        the_redis.start()
    database.databases.redis(the_redis.address, [("FLUSHALL",)])
    return the_redis


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URI of an SQLite file whose row N holds number_of(N)."""
    path = tmp_path / "world.sqlite"
    database.databases.fill_sqlite(path)
    file = sqlite3.connect(path)
    with file:
        file.executemany(
            "UPDATE world SET randomnumber = ? WHERE id = ?",
            ((number_of(row), row) for row in range(1, ROWS + 1)),
        )
    file.close()
    return f"sqlite:{path}"


@pytest.fixture(params=["sqlite", "postgres"])
def uri(request: Any) -> str:
    """A database of each kind."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else str(found.uri)
