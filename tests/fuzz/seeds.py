#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Seeds for the fuzz targets out of the table of tests/http/cases.

    tests/fuzz/seeds.py FOLDER    # writes FOLDER/head/, FOLDER/stream/, FOLDER/chunked/

A row is a seed for the whole stream, behind a good request as well; its head is one for the
parser, and its body one for the chunk decoder. Files are named after the rows.
"""

import re
import sys
from pathlib import Path
from typing import Iterator, Tuple

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


def write(folder: Path) -> None:
    """Writes all of them; a seed that is the same as another is not written twice."""
    seen = set()
    for target, name, content in [*seeds(), *pipelines()]:
        if (target, content) in seen:
            continue
        seen.add((target, content))
        (folder / target).mkdir(parents=True, exist_ok=True)
        (folder / target / name).write_bytes(content)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    write(Path(sys.argv[1]))
