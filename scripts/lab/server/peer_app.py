# SPDX-License-Identifier: MIT
"""The same routes as the server's, in Python, for gunicorn's workers: a WSGI application.

Computing is so many microseconds of this thread's CPU time, not so many rounds: what is
compared is how the workers share a core and a lock, not how fast CPython computes. Under
CPython's lock a thread's CPU time stands still while another thread has the lock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Callable, Iterable
from urllib.parse import parse_qs

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
_SITE = Path(__file__).resolve().parent / "site"


def _compute(microseconds: int) -> None:
    end = time.thread_time_ns() + microseconds * 1000
    while time.thread_time_ns() < end:
        pass


def _mix(query: dict[str, int]) -> bytes:
    for _ in range(query.get("rounds", 1)):
        _compute(query.get("cpu", 0))
        time.sleep(query.get("wait", 0) / 1e3)
    return b"mixed\n"


def _answer(path: str, query: dict[str, int]) -> tuple[str, bytes] | None:
    if path == "/hello":
        return "text/plain", b"Hello, World!"
    if path == "/json":
        return "application/json", b'{"message":"Hello, World!"}'
    if path == "/cpu":
        _compute(query["n"])
        return "text/plain", b"computed\n"
    if path == "/sleep":
        time.sleep(query["ms"] / 1e3)
        return "text/plain", b"slept %d\n" % query["ms"]
    if path == "/mix":
        return "text/plain", _mix(query)
    if path.startswith("/files/") and os.sep not in path[7:]:
        return "application/octet-stream", (_SITE / "files" / path[7:]).read_bytes()
    return None


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    query = {
        name: int(values[0]) for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()
    }
    found = _answer(environ["PATH_INFO"], query)
    status = "200 OK" if found else "404 Not Found"
    kind, body = found or ("text/plain", b"no such route\n")
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
