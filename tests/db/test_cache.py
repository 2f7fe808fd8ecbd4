# SPDX-License-Identifier: MIT
"""A cache is never needed, and never believed further than it can be: while it fails, is silent or
confused, /cache answers from the database."""

import time
from pathlib import Path
from typing import Any, Iterator, List, Optional

import pytest

from support.configurations import only
from support.database import databases, number_of, read_rows
from support.fake_redis import FakeRedis
from support.server import Launcher
from support.variant import patience
from support.waiting import eventually

each_kind = only("prefork", "threads", "coro")


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeRedis]:
    with FakeRedis(tmp_path) as started:
        yield started


def assert_right(connection: Any, count: int = 5) -> None:
    for row in read_rows(connection.get(f"/cache?n={count}"), count):
        assert row["randomNumber"] == number_of(row["id"]), row


def all_are_one(connection: Any) -> bool:
    """Whether rows come from the cache, where the test has let each hold 1."""
    return all(row["randomNumber"] == 1 for row in read_rows(connection.get("/cache?n=9"), 9))


@pytest.mark.parametrize("surplus", [b"$1\r\n7\r\n", b"+OK\r\n", b"$-1\r\n", b"$1"])
def test_surplus_reply(launch: Launcher, fake: FakeRedis, sqlite: str, surplus: bytes) -> None:
    """One reply too many is nobody's: it is not the answer to what is asked next."""
    server = launch(f"--db={sqlite}", f"--redis={fake.address}", "--db-connections=1", "--workers=1")

    def once(_: List[bytes], reply: bytes) -> bytes:
        fake.spoil = lambda _, right: right
        return reply + surplus

    with server.connect(timeout=20) as connection:
        assert_right(connection, 500)
        for _ in range(3):
            fake.spoil = once
            for _ in range(4):
                assert_right(connection, 1)
                assert_right(connection)
    server.wait_for_line(r"^warn.* --redis: ")


@each_kind
@pytest.mark.parametrize("error", [
    b"-NOAUTH Authentication required.", b"-OOM command not allowed when used memory > 'maxmemory'.",
    b"-WRONGTYPE Operation against a key holding the wrong kind of value",
    b"-LOADING Redis is loading the dataset in memory", b"-MISCONF", b"-READONLY",
])  # fmt: skip
@pytest.mark.parametrize("command", [b"GET", b"SET"])
def test_error_reply(
    launch: Launcher, fake: FakeRedis, sqlite: str, error: bytes, command: bytes
) -> None:
    """The rows are there. The connection is as good as before, so it stays."""
    fake.spoil = lambda words, reply: error + b"\r\n" if words[0] == command else reply
    server = launch(f"--db={sqlite}", f"--redis={fake.address}", "--db-connections=1", "--workers=1")
    with server.connect(timeout=20) as connection:
        for _ in range(5):
            assert_right(connection)
    assert fake.connections == 1
    server.wait_for_line(rf"^warn.* --redis: .*{error.split()[0].decode()[1:]}")


@each_kind
@pytest.mark.parametrize("reply", [b":7\r\n", b"*1\r\n$1\r\n7\r\n", b"*999999999\r\n", b"$9999999999\r\n",
                                   b"$536870911\r\nxxxx", b"what?\r\n", b"$5\r\n12345678\r\n"])
def test_no_reply_at_all(launch: Launcher, fake: FakeRedis, sqlite: str, reply: bytes) -> None:
    """Nothing that a GET is answered with: not used, and not waited for again and again."""
    fake.spoil = lambda words, right: reply if words[0] == b"GET" else right
    server = launch(f"--db={sqlite}", f"--redis={fake.address}", "--db-timeout=1")
    with server.connect(timeout=20) as connection:
        for _ in range(5):
            assert_right(connection)


@pytest.mark.parametrize("value", [b"0", b"10001", b"abc", b"", b"1x", b"-1", b"99999999999999999999"])
def test_no_number(launch: Launcher, fake: FakeRedis, sqlite: str, value: bytes) -> None:
    """What the cache holds and no row can: read from the database, and put right."""
    fake.rows = {b"world:%d" % row: value for row in range(1, databases.ROWS + 1)}
    server = launch(f"--db={sqlite}", f"--redis={fake.address}")
    with server.connect(timeout=20) as connection:
        assert_right(connection, 20)
    assert sum(held != value for held in fake.rows.values()) > 1


@each_kind
def test_silence(launch: Launcher, fake: FakeRedis, sqlite: str) -> None:
    """A Redis that accepts and says nothing is asked now and then, not by everybody."""
    said: List[bytes] = []

    def silent(words: List[bytes], _: bytes) -> Optional[bytes]:
        said.append(words[1])
        return None

    fake.spoil = silent
    server = launch(f"--db={sqlite}", f"--redis={fake.address}", "--db-timeout=4", "--workers=1")
    with server.connect(timeout=20) as connection:
        asked = time.monotonic()
        assert_right(connection)
        assert time.monotonic() - asked < patience(2), "the cache may take a quarter of the time"
        before = len(said)
        for _ in range(10):
            assert_right(connection)
        assert len(said) - before <= 5 * 5, "most do without the cache"
        fake.spoil = lambda _, reply: reply
        fake.rows = {b"world:%d" % row: b"1" for row in range(1, databases.ROWS + 1)}
        eventually("it is asked again", lambda: all_are_one(connection), within=30)
    server.wait_for_line(r"--redis: can be reached again")


def test_redis_goes_away(launch: Launcher, redis: Any, sqlite: str) -> None:
    """Everything is a miss meanwhile, and nobody waits for it."""
    server = launch(f"--db={sqlite}", f"--redis={redis.address}")
    with server.connect(timeout=20) as connection:
        assert_right(connection)
        redis.kill()
        for _ in range(20):
            assert_right(connection)
        redis.start()
        databases.fill_redis(redis.address, dict.fromkeys(range(1, databases.ROWS + 1), 1))
        eventually("it is asked again", lambda: all_are_one(connection), within=30)


@each_kind
def test_never_there(launch: Launcher, sqlite: str) -> None:
    server = launch(f"--db={sqlite}", "--redis=127.0.0.1:1")
    with server.connect(timeout=20) as connection:
        for _ in range(20):
            assert_right(connection)
    server.wait_for_line(r"^warn.* --redis: 127.0.0.1:1: Connection refused")


@each_kind
def test_out_of_memory(launch: Launcher, redis: Any, sqlite: str) -> None:
    """The real one, that has no room for what is to be put there."""
    server = launch(f"--db={sqlite}", f"--redis={redis.address}")
    with server.connect(timeout=20) as connection:
        databases.redis(redis.address, [("CONFIG", "SET", "maxmemory", "1")])
        try:
            assert_right(connection, 20)
        finally:
            databases.redis(redis.address, [("CONFIG", "SET", "maxmemory", "0")])
    server.wait_for_line(r"^warn.* --redis: .*OOM")


@each_kind
def test_cut_off(launch: Launcher, redis: Any, sqlite: str) -> None:
    """Connections that an administrator ends are replaced, whenever that is."""
    server = launch(f"--db={sqlite}", f"--redis={redis.address}")
    databases.fill_redis(redis.address, dict.fromkeys(range(1, databases.ROWS + 1), 1))
    with server.connect(timeout=20) as connection:
        for _ in range(10):
            assert all_are_one(connection), "answered without the cache"
            databases.redis(redis.address, [("CLIENT", "KILL", "TYPE", "normal")])
