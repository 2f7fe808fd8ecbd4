# SPDX-License-Identifier: MIT
"""Databases for tests, and the rules that answers about their data must keep."""

import html
import json
import re
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List

from support.client import Address, Connection, Response
from support.variant import ROOT, patience

sys.path.append(str(ROOT / "scripts"))

import databases as databases  # noqa: E402

Postgres = databases.Postgres
Redis = databases.Redis
ROWS = databases.ROWS

_ROW = r'\{"id":[1-9]\d*,"randomNumber":[1-9]\d*\}'
_ADDED = "Additional fortune added at request time."


def number_of(row: int) -> int:
    """What a test lets row `row` hold, so that an answer meant for another question shows."""
    return (row * 7919) % ROWS + 1


def read_rows(response: Response, count: int) -> List[Dict[str, int]]:
    """The rows of an answer of `count` rows; it must be in the exact form."""
    assert response.status == 200, (response.status, response.body)
    assert response.field("Content-Type") == "application/json"
    assert re.fullmatch(rf"\[{_ROW}(,{_ROW})*\]", response.text), response.text[:200]
    rows: List[Dict[str, int]] = json.loads(response.text)
    assert len(rows) == count
    for row in rows:
        assert 1 <= row["id"] <= ROWS and 1 <= row["randomNumber"] <= ROWS, row
    return rows


def read_row(response: Response) -> Dict[str, int]:
    """The row of an answer of one row, in the exact form."""
    assert response.status == 200, (response.status, response.body)
    assert response.field("Content-Type") == "application/json"
    assert re.fullmatch(_ROW, response.text), response.text[:200]
    row: Dict[str, int] = json.loads(response.text)
    assert 1 <= row["id"] <= ROWS and 1 <= row["randomNumber"] <= ROWS, row
    return row


def assert_spread(ids: List[int]) -> None:
    """Ids drawn at random: from all over the range, hardly any twice (500 draws or more).

    With 500 draws out of 10,000 the chance that a tenth of the range is missed is 1e-22, that of
    more than 50 repeats (12 are expected) below 1e-12.
    """
    assert len(ids) >= 500
    assert {(number - 1) * 10 // ROWS for number in ids} == set(range(10))
    if len(ids) == 500:
        assert len(set(ids)) >= 450


def fortunes_page() -> str:
    """What /fortunes must answer."""
    rows = {0: _ADDED, **databases.fortunes()}
    order = sorted(rows, key=lambda number: rows[number].encode("utf-8"))
    lines = "".join(
        f"<tr><td>{number}</td><td>{html.escape(rows[number]).replace('&#x27;', '&#39;')}</td></tr>"
        for number in order
    )
    return (
        "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>"
        f"<tr><th>id</th><th>message</th></tr>{lines}</table></body></html>"
    )


def is_unavailable(response: Response) -> bool:
    """503 as it must be: with a reason, and a time to come back."""
    return (
        response.status == 503
        and (response.field("Retry-After") or "").isdigit()
        and response.text.startswith("the database ")
    )


class Askers:
    """Clients that ask for rows from the beginning to the end of a with block.

    Each has a connection of its own and a number of rows of its own, so an answer to somebody
    else's question shows; what each row holds is number_of() it. Every answer is either right or an
    honest 503. Anything else, or no answer for very long, fails the test.
    """

    def __init__(self, address: Address, clients: int, limit: float = 30) -> None:
        self._address = address
        self._limit = limit
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._error: List[BaseException] = []
        self.right = 0
        self.unavailable = 0
        self.last_unavailable = 0.0  # time.monotonic()
        self._threads = [
            threading.Thread(target=self._run, args=(number + 1,), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> "Askers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(patience(self._limit) + 10)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"
        if self._error:
            raise self._error[0]

    def _run(self, count: int) -> None:
        try:
            with Connection(self._address, self._limit) as connection:
                while not self._stopping.is_set() and not self._error:
                    response = connection.get(f"/queries?n={count}")
                    if is_unavailable(response):
                        with self._lock:
                            self.unavailable += 1
                            self.last_unavailable = time.monotonic()
                        self._stopping.wait(0.01)  # it is told to come back later, after all
                        continue
                    for row in read_rows(response, count):
                        assert row["randomNumber"] == number_of(row["id"]), row
                    with self._lock:
                        self.right += 1
        except BaseException as error:  # shown at the end of the block
            self._error.append(error)


def server_connections(postgres: Any) -> int:
    """How many connections the server has to this PostgreSQL."""
    return int(
        postgres.psql(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'server' AND datname = 'world'"
        )
    )


class LockedTable:
    """A transaction of somebody else that lets nobody read or write table world."""

    def __init__(self, postgres: Any) -> None:
        self._postgres = postgres
        self._psql = subprocess.Popen(
            ["psql", "--no-psqlrc", "-qAt", postgres.uri],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip

    def __enter__(self) -> "LockedTable":
        assert self._psql.stdin is not None and self._psql.stdout is not None
        self._psql.stdin.write("BEGIN; LOCK TABLE world; SELECT 'locked';\n")
        self._psql.stdin.flush()
        assert self._psql.stdout.readline() == "locked\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._psql.communicate()  # the end of input ends the transaction

    def waiting(self) -> int:
        """How many of the server's connections wait for the lock."""
        return int(
            self._postgres.psql(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = 'server' AND wait_event_type = 'Lock'"
            )
        )
