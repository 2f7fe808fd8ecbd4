# SPDX-License-Identifier: MIT
"""A question that only reads does not fail for what a new connection mends. A change is never tried
twice: it may have been made."""

from typing import Any

from support.client import message
from support.configurations import only
from support.database import LockedTable, is_unavailable, read_row, read_rows
from support.server import Launcher
from support.waiting import eventually

READS = ("/db", "/queries?n=20", "/fortunes")
one_connection = only("prefork", "threads", "coro")


def terminate(postgres: Any) -> None:
    """Ends all that the server has open, and waits for that."""
    postgres.psql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'server'",
        "postgres",
    )


def test_terminated(launch: Launcher, postgres: Any) -> None:
    server = launch(f"--db={postgres.uri}")
    with server.connect(timeout=20) as connection:
        for target in READS * 2:
            assert connection.get(target).status == 200
            terminate(postgres)
            assert connection.get(target).status == 200, target


@one_connection
def test_terminated_in_a_question(launch: Launcher, postgres: Any) -> None:
    """In the middle of a row of statements."""
    server = launch(f"--db={postgres.uri}", "--db-timeout=20", "--workers=1", "--db-connections=1")
    with server.connect(timeout=30) as connection:
        assert connection.get("/fortunes").status == 200  # the connection is an old one then
        with LockedTable(postgres) as lock:
            connection.send(message("GET", "/queries?n=3"))
            eventually("it waits for the lock", lock.waiting, lambda n: n == 1)
            terminate(postgres)
        read_rows(connection.read_response(), 3)


@one_connection
def test_no_longer_prepared(launch: Launcher, postgres: Any) -> None:
    """DEALLOCATE ALL on the server's own connection: by a trigger of its updates."""
    server = launch(f"--db={postgres.uri}", "--db-connections=1", "--workers=1")
    postgres.psql(
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN NEW; END$$;"
        " CREATE TRIGGER forget AFTER UPDATE ON world EXECUTE FUNCTION forget()"
    )
    try:
        with server.connect(timeout=20) as connection:
            for target in READS:
                read_rows(connection.get("/updates?n=1"), 1)
                assert connection.get(target).status == 200, target
    finally:
        postgres.psql("DROP FUNCTION forget CASCADE")


@one_connection
def test_table_changed(launch: Launcher, postgres: Any) -> None:
    """What was prepared for the table as it was is prepared anew."""
    server = launch(f"--db={postgres.uri}", "--db-connections=1", "--workers=1")
    with server.connect(timeout=20) as connection:
        read_row(connection.get("/db"))
        postgres.psql("ALTER TABLE world ALTER id TYPE smallint")
        assert connection.get("/db").status == 500
        postgres.psql("ALTER TABLE world ALTER id TYPE integer")
        read_row(connection.get("/db"))


@one_connection
def test_changes_are_not_repeated(launch: Launcher, postgres: Any) -> None:
    """Each is counted by a sequence, which no failure takes back."""
    server = launch(f"--db={postgres.uri}", "--db-connections=1", "--workers=1")
    postgres.psql(
        "CREATE SEQUENCE changes;"
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM nextval('changes'); PERFORM pg_terminate_backend(pg_backend_pid());"
        " PERFORM pg_sleep(60); RETURN NEW; END$$;"
        " CREATE TRIGGER die BEFORE UPDATE ON world EXECUTE FUNCTION die()"
    )
    try:
        with server.connect(timeout=20) as connection:
            read_row(connection.get("/db"))
            assert is_unavailable(connection.get("/updates?n=1"))
            assert int(postgres.psql("SELECT last_value FROM changes")) == 1
            read_row(connection.get("/db"))
    finally:
        postgres.psql("DROP FUNCTION die CASCADE; DROP SEQUENCE changes")
