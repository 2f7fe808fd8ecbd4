# SPDX-License-Identifier: MIT
"""The answers of /db, /queries, /updates, /fortunes and /cache keep the rules of the game.

Under every model, from SQLite and from PostgreSQL: rows are drawn at random and are those of the
database, updates are there afterwards, fortunes are sorted and escaped, the cache answers what it
holds and learns what it does not.
"""

import sqlite3
from typing import Any, List

import pytest

from support.client import message
from support.configurations import Configuration
from support.database import (
    ROWS,
    assert_spread,
    databases,
    fortunes_page,
    number_of,
    read_row,
    read_rows,
)
from support.server import Launcher


def test_rules(launch: Launcher, uri: str) -> None:
    server = launch(f"--db={uri}")
    ids: List[int] = []
    with server.connect() as connection:
        rows = [read_row(connection.get("/db")) for _ in range(20)]
        for count in (1, 2, 20, 500):
            rows += read_rows(connection.get(f"/queries?n={count}"), count)
        rows += read_rows(connection.get("/queries"), 1)
        for row in rows:
            assert row["randomNumber"] == number_of(row["id"]), row
        ids = [row["id"] for row in rows]
        assert len(set(ids[:20])) > 1
        assert_spread(ids[-501:-1])
        page = connection.get("/fortunes")
        assert page.field("Content-Type") == "text/html; charset=utf-8"
        assert page.text == fortunes_page()
        head = connection.get("/fortunes", method="HEAD")
        assert head.field("Content-Length") == str(len(page.body))


def test_updates(launch: Launcher, uri: str) -> None:
    server = launch(f"--db={uri}")
    expected = {row: number_of(row) for row in range(1, ROWS + 1)}
    with server.connect() as connection:
        for count in (1, 20, 500):
            rows = read_rows(connection.get(f"/updates?n={count}"), count)
            ids = [row["id"] for row in rows]
            assert len(set(ids)) == count, "a row twice: which number was to stay?"
            expected.update({row["id"]: row["randomNumber"] for row in rows})
            assert databases.world(uri) == expected
        assert_spread(ids)
        assert len({row["randomNumber"] for row in rows}) > 400


@pytest.mark.parametrize("target", ["/queries?n=0", "/queries?n=501", "/updates?n=x", "/cache?n=",
                                    "/db?n=1", "/fortunes?a=b", "/queries?queries=2"])
def test_bad_query(server: Any, target: str) -> None:
    assert server.get(target).status == 400


def test_cache(launch: Launcher, redis: Any, sqlite: str) -> None:
    server = launch(f"--db={sqlite}", f"--redis={redis.address}")
    with server.connect() as connection:
        # Nothing is in it: all is read from the database and put there.
        rows = read_rows(connection.get("/cache?n=500"), 500)
        assert_spread([row["id"] for row in rows])
        names = [("GET", f"world:{row['id']}") for row in rows]
        held = [int(text) for text in databases.redis(redis.address, names)]
        assert held == [row["randomNumber"] for row in rows]
        assert held == [number_of(row["id"]) for row in rows]
        # It holds something else than the database: that is what is answered.
        databases.fill_redis(redis.address, {row: ROWS + 1 - row for row in range(1, ROWS + 1)})
        for count in (1, 20, 500):
            for row in read_rows(connection.get(f"/cache?n={count}"), count):
                assert row["randomNumber"] == ROWS + 1 - row["id"], row


def test_no_cache(server: Any) -> None:
    assert server.get("/cache").status == 404


def test_pipelined(launch: Launcher, uri: str) -> None:
    """Requests behind each other on one connection are answered in order."""
    server = launch(f"--db={uri}")
    with server.connect() as connection:
        connection.send(b"".join(message("GET", f"/queries?n={n}") for n in range(1, 11)))
        for count in range(1, 11):
            read_rows(connection.read_response(), count)


def test_made_on_first_use(launch: Launcher, tmp_path: Any, configuration: Configuration) -> None:
    """A file that does not exist is made whole, also when many ask for it at once."""
    path = tmp_path / "new.sqlite"
    server = launch(f"--db=sqlite:{path}", "--db-connections=8")
    connections = [server.connect(timeout=20) for _ in range(configuration.width)]
    try:
        for connection in connections:
            connection.send(message("GET", "/queries?n=20"))
        for connection in connections:
            read_rows(connection.read_response(), 20)
    finally:
        for connection in connections:
            connection.close()
    databases.verify(f"sqlite:{path}")  # and makes none that is missing
    with pytest.raises(sqlite3.OperationalError):
        databases.verify(f"sqlite:{tmp_path / 'missing'}")
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left <= {"new.sqlite", "new.sqlite-wal", "new.sqlite-shm"}, left
