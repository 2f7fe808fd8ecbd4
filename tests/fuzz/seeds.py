#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Seeds for the fuzz targets out of the table of tests/http/cases.

    tests/fuzz/seeds.py FOLDER    # writes FOLDER/head/, stream/, chunked/ and database/

A row is a seed for the whole stream, behind a good request as well; its head is one for the
parser, and its body one for the chunk decoder. Files are named after the rows.
"""

import re
import struct
import sys
from pathlib import Path
from typing import Iterator, Optional, Tuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "http")]

from cases import CASES, GROUPS  # noqa: E402
from judge import CLOSER, GOOD  # noqa: E402

LIMIT = 4096  # bytes; what is longer than that is long for the limits' sake
PIPELINE = 12000  # bytes of a pipeline: more than the server's buffer for input holds


def seeds() -> Iterator[Tuple[str, str, bytes]]:
    """Target, name, content."""
    for case in CASES:
        name = re.sub("[^a-z0-9]+", "-", str(case).lower()).strip("-")[:60]
        head, end, body = case.request.partition(b"\r\n\r\n")
        if len(case.request) > LIMIT:
            continue
        yield "stream", name, case.request
        yield "stream", name + "-pipelined", GOOD + case.request + CLOSER
        yield "head", name, head + end
        if case.group == "chunks":
            yield "chunked", name, body


def pipelines() -> Iterator[Tuple[str, str, bytes]]:
    """All rows of a group that leave the connection open, behind one another."""
    for group in GROUPS:
        rows = [c.request for c in CASES if c.group == group and c.closes is False]
        joined = b""
        while rows and len(joined) < PIPELINE:
            for request in rows:
                if len(joined) + len(request) < PIPELINE + LIMIT:
                    joined += request
        yield "stream", "pipeline-" + re.sub("[^a-z0-9]+", "-", group.lower()), joined + CLOSER


# As target_database.c has them.
REDIS, STALLS, UNPREPARED, READ_ONE, READ_THREE, FORTUNES, UPDATE = 1, 2, 4, 0, 8, 16, 24
INT4, INT8, FLOAT4, TEXT = 23, 20, 700, 25


def packet(kind: str, content: bytes = b"") -> bytes:
    """A message of PostgreSQL's protocol."""
    return kind.encode() + struct.pack("!I", len(content) + 4) + content


READY = packet("Z", b"I")


def columns(*types: int) -> bytes:
    described = b"".join(b"c\0" + struct.pack("!IHIhiH", 0, 0, kind, 4, -1, 1) for kind in types)
    return packet("T", struct.pack("!H", len(types)) + described)


def row(*values: Optional[bytes]) -> bytes:
    fields = b"".join(
        struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value for value in values
    )
    return packet("D", struct.pack("!H", len(values)) + fields)


def answer(*parts: bytes) -> bytes:
    """Bound, the parts, done, ready."""
    return packet("2") + b"".join(parts) + packet("C", b"SELECT 1\0") + READY


def error(state: str, severity: str = "ERROR") -> bytes:
    return packet("E", f"S{severity}\0V{severity}\0C{state}\0Mno\0\0".encode())


def number(value: int) -> bytes:
    return struct.pack("!i", value)


def databases() -> Iterator[Tuple[str, str, bytes]]:
    """Good answers, and those that have been, or could be, taken for good."""
    two = columns(INT4, INT4)
    good = answer(two, row(number(1), number(4242)))
    postgres = {
        "good": good,
        "null": answer(two, row(number(1), None)),
        "short": answer(two, row(number(1), b"\1")),
        "three-bytes": answer(two, row(number(1), b"\0\0\2")),
        "int8": answer(columns(INT4, INT8), row(number(1), struct.pack("!q", 99999999999))),
        "float": answer(columns(INT4, FLOAT4), row(number(1), struct.pack("!f", 17))),
        "text": answer(columns(INT4, TEXT), row(number(1), b"4242")),
        "one-column": answer(columns(INT4), row(number(1))),
        "no-columns": answer(columns(), row()),
        "no-row": answer(two),
        "two-rows": answer(two, row(number(1), number(7)), row(number(1), number(8))),
        "another-row": answer(two, row(number(2), number(7))),
        "twice": good + good,
        "outside": answer(two, row(number(1), number(10001))),
        "notice": packet("N", b"SNOTICE\0Mhello\0\0") + packet("S", b"a\0b\0") + good,
        "error": error("42P01") + READY,
        "unprepared": error("26000") + READY,
        "fatal": error("57P01", "FATAL"),
        "copy": packet("2") + packet("G", b"\0\0\0") + READY,
        "empty": packet("2") + packet("n") + packet("I") + READY,
    }  # fmt: skip
    for name, content in postgres.items():
        yield "database", f"postgres-{name}", bytes([READ_ONE]) + content
        yield "database", f"postgres-{name}-stalls", bytes([READ_ONE | STALLS]) + content[:-1]
    three = b"".join(answer(two, row(number(n), number(n * 7))) for n in (1, 2, 3))
    done = (packet("2") + packet("n") + packet("C", b"UPDATE 1\0") + READY) * 3
    yield "database", "postgres-three", bytes([READ_THREE]) + three
    yield "database", "postgres-updated", bytes([UPDATE]) + three + done
    texts = columns(INT4, TEXT)
    for name, text in (("texts", b"a<b"), ("null", None), ("nul", b"a\0b")):
        yield "database", f"postgres-fortunes-{name}", bytes([FORTUNES]) + answer(texts, row(number(5), text))
    prepared = (packet("1") + packet("2") + packet("n") + packet("C", b"SET\0") + READY) * 2
    prepared += (packet("1") + READY) * 3
    yield "database", "postgres-prepared", bytes([UNPREPARED]) + prepared + good
    yield "database", "postgres-no-setting", bytes([UNPREPARED]) + (error("42704") + READY) * 2 + prepared[-33:]
    redis = {
        "good": b"$4\r\n4242\r\n", "missing": b"$-1\r\n", "status": b"+OK\r\n", "error": b"-OOM\r\n",
        "integer": b":7\r\n", "array": b"*1\r\n$1\r\n7\r\n", "many": b"*999999999\r\n",
        "surplus": b"$1\r\n7\r\n$1\r\n8\r\n", "part": b"$1\r\n7\r\n$1", "long": b"$536870911\r\n7",
        "null": b"_\r\n", "zero": b"$1\r\n0\r\n", "large": b"$11\r\n99999999999\r\n", "nested": b"*1\r\n" * 9,
    }  # fmt: skip
    for name, content in redis.items():
        yield "database", f"redis-{name}", bytes([REDIS | READ_ONE]) + content
        yield "database", f"redis-{name}-stalls", bytes([REDIS | READ_THREE | STALLS]) + content * 3
        yield "database", f"redis-{name}-set", bytes([REDIS | UPDATE]) + content * 3


def write(folder: Path) -> None:
    """Writes all of them; a seed that is the same as another is not written twice."""
    seen = set()
    for target, name, content in [*seeds(), *pipelines(), *databases()]:
        if (target, content) in seen:
            continue
        seen.add((target, content))
        (folder / target).mkdir(parents=True, exist_ok=True)
        (folder / target / name).write_bytes(content)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    write(Path(sys.argv[1]))
