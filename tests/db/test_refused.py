# SPDX-License-Identifier: MIT
"""What waiting does not mend is a 500, its reason in the log; and no answer holds what no row does."""

import os
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from support.client import Response
from support.configurations import only
from support.database import databases, is_unavailable, number_of, read_row, read_rows
from support.server import Launcher, Server
from support.waiting import eventually

each_kind = only("prefork", "threads", "coro")


def is_refused(response: Response) -> bool:
    """500 as it must be: in words, without a time to come back, and with nothing of the rows."""
    return (
        response.status == 500
        and response.field("Retry-After") is None
        and re.fullmatch(r"the database [a-z;' ]+\n?", response.text) is not None
    )


def execute(uri: str, sql: str) -> None:
    """The statements, by somebody else."""
    if uri.startswith("sqlite:"):
        file = sqlite3.connect(uri[len("sqlite:") :])
        file.executescript(sql)
        file.close()
    else:
        databases.psql(uri, sql)


@pytest.fixture
def own(uri: str) -> Iterator[str]:
    """A database of each kind that the test may spoil."""
    yield uri
    if not uri.startswith("sqlite:"):
        databases.fill_postgres(uri)


def refused(server: Server, targets: List[str], reason: str) -> None:
    for _ in range(2):  # also from what is remembered of the first time
        for target in targets:
            answer = server.get(target, timeout=20)
            assert is_refused(answer), (target, answer.status, answer.text)
    server.wait_for_line(rf"^warn.* --db: .*{reason}")
    assert server.get("/hello").status == 200


# A column that holds nothing; numbers that are too large for an int; another type of column.
WRONG = {
    "null": "UPDATE world SET randomnumber = NULL",
    "large": "UPDATE world SET randomnumber = 99999999999",
    "outside": "UPDATE world SET randomnumber = 0",
    "text": "UPDATE world SET randomnumber = 'abcd'",
    "float": "UPDATE world SET randomnumber = 17.5",
}
COLUMN = {"large": "bigint", "text": "text", "float": "float4"}


@each_kind
@pytest.mark.parametrize("wrong", WRONG)
def test_world_holds_something_else(launch: Launcher, own: str, wrong: str) -> None:
    if own.startswith("sqlite:"):
        execute(own, "DROP TABLE world; CREATE TABLE world (id INTEGER PRIMARY KEY, randomnumber);")
        values = ", ".join(f"({number}, 1)" for number in range(1, databases.ROWS + 1))
        execute(own, f"INSERT INTO world VALUES {values}")
    else:
        execute(own, "ALTER TABLE world ALTER randomnumber DROP NOT NULL")
        if wrong in COLUMN:
            execute(own, f"ALTER TABLE world ALTER randomnumber TYPE {COLUMN[wrong]}")
    execute(own, WRONG[wrong])
    server = launch(f"--db={own}")
    refused(server, ["/db", "/queries?n=20", "/updates?n=3"], "holds no number from 1 to 10000")


@each_kind
@pytest.mark.parametrize("value", ["NULL", "17"])
def test_fortune_holds_something_else(launch: Launcher, own: str, value: str) -> None:
    if own.startswith("sqlite:"):
        execute(own, "DROP TABLE fortune; CREATE TABLE fortune (id INTEGER PRIMARY KEY, message)")
        execute(own, f"INSERT INTO fortune VALUES (1, 'a'), (2, {value})")
    else:
        execute(own, "ALTER TABLE fortune ALTER message DROP NOT NULL")
        if value != "NULL":
            execute(own, "ALTER TABLE fortune ALTER message TYPE integer USING 17")
        else:
            execute(own, "UPDATE fortune SET message = NULL WHERE id = 3")
    server = launch(f"--db={own}")
    refused(server, ["/fortunes"], "fortune holds something else than ids and texts")


def test_missing_table(launch: Launcher, own: str) -> None:
    """A database that is not ours is refused, and the reason is in the log."""
    execute(own, "DROP TABLE world")
    server = launch(f"--db={own}")
    refused(server, ["/db", "/queries?n=3", "/updates?n=2"], "world")


@each_kind
@pytest.mark.parametrize("path", ["/nonexistent/world.sqlite", "/proc/self/mem"])
def test_no_such_file(launch: Launcher, path: str) -> None:
    """No folder to make it in; no file that SQLite can read."""
    refused(launch(f"--db=sqlite:{path}"), ["/db", "/updates?n=2"], path)


@each_kind
def test_failing_trigger(launch: Launcher, own: str) -> None:
    """Of a database that can be read, and says no to every change."""
    if own.startswith("sqlite:"):
        execute(own, "CREATE TRIGGER no BEFORE UPDATE ON world"
                     " BEGIN SELECT RAISE(ABORT, 'not today'); END")  # fmt: skip
    else:
        execute(own, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
                     " $$BEGIN RAISE 'not today'; END$$;"
                     " CREATE TRIGGER no BEFORE UPDATE ON world EXECUTE FUNCTION no()")  # fmt: skip
    try:
        server = launch(f"--db={own}")
        refused(server, ["/updates?n=1", "/updates?n=5"], "not today")
        read_rows(server.get("/queries?n=5"), 5)
    finally:
        if not own.startswith("sqlite:"):
            execute(own, "DROP FUNCTION no CASCADE")


@each_kind
def test_full_disk_of_postgres(launch: Launcher, postgres: Any) -> None:
    """What it says of a full disk, said by a trigger."""
    postgres.psql(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END$$;"
        " CREATE TRIGGER full_disk BEFORE UPDATE ON world EXECUTE FUNCTION full_disk()"
    )
    try:
        refused(launch(f"--db={postgres.uri}"), ["/updates?n=2"], "could not extend file")
    finally:
        postgres.psql("DROP FUNCTION full_disk CASCADE")


@each_kind
def test_full_disk_of_sqlite(launch: Launcher, tmp_path: Path) -> None:
    """On a file system of its own, which somebody else fills up."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs to mount a file system: root's to do")
    try:
        databases.fill_sqlite(folder / "world.sqlite")
        server = launch(f"--db=sqlite:{folder}/world.sqlite")
        read_row(server.get("/db"))
        with open(folder / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
            while filler.write(b"x" * 4096) == 4096:
                pass
        refused(server, ["/updates?n=500"], "full")
        read_row(server.get("/db"))
        (folder / "filler").unlink()
        eventually("changes again", lambda: server.get("/updates?n=5").status == 200)
        server.stop()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@each_kind
def test_read_only_database(launch: Launcher, postgres: Any) -> None:
    postgres.psql("ALTER DATABASE world SET default_transaction_read_only = on")
    try:
        server = launch(f"--db={postgres.uri}")
        refused(server, ["/updates?n=2"], "read-only transaction")
        read_row(server.get("/db"))
    finally:
        postgres.psql("ALTER DATABASE world RESET default_transaction_read_only", "postgres")


@each_kind
def test_read_only_file(launch: Launcher, sqlite: str, tmp_path: Path) -> None:
    """As root, who may write anything, a file that cannot be changed by any."""
    path = Path(sqlite[len("sqlite:") :])
    file = sqlite3.connect(path)
    file.execute("PRAGMA journal_mode = DELETE")
    file.close()
    if os.geteuid() == 0:
        mounted = tmp_path / "mounted.sqlite"
        mounted.touch()
        script = f"mount --bind {path} {mounted} && mount -o remount,bind,ro {mounted}"
        if subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode != 0:
            pytest.skip("root writes read-only files, and may not mount here")
        path = mounted
    else:
        path.chmod(0o444)
    try:
        server = launch(f"--db=sqlite:{path}")
        refused(server, ["/updates?n=2"], "readonly")
        row = read_row(server.get("/db"))
        assert row["randomNumber"] == number_of(row["id"])
        server.stop()
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", str(path)], check=True)


@each_kind
def test_no_such_name(launch: Launcher, postgres: Any) -> None:
    """PostgreSQL is there, and will refuse as often as it is asked."""
    server = launch(f"--db={postgres.uri.replace('/world?', '/nosuch?')}")
    refused(server, ["/db", "/fortunes"], 'database "nosuch" does not exist')
    server = launch(f"--db={postgres.uri.replace('world@', 'nobody:hushhush@')}")
    refused(server, ["/db"], 'role "nobody" does not exist')
    assert not any("hushhush" in line for line in server.lines)


@each_kind
def test_too_many_connections_pass(launch: Launcher, postgres: Any) -> None:
    """The one refusal that waiting does mend."""
    postgres.psql("CREATE ROLE guest LOGIN CONNECTION LIMIT 0; GRANT SELECT ON world, fortune TO guest")
    try:
        server = launch(f"--db={postgres.uri.replace('world@', 'guest@')}")
        assert is_unavailable(server.get("/db"))
        assert is_unavailable(server.get("/db"))
        postgres.psql("ALTER ROLE guest CONNECTION LIMIT 100; GRANT UPDATE ON world TO guest")
        read_row(eventually("is let in", lambda: server.get("/db"), lambda answer: not is_unavailable(answer)))
        server.stop()
    finally:
        postgres.psql("DROP OWNED BY guest; DROP ROLE guest")
