# SPDX-License-Identifier: MIT
"""The same routes as the server's, in Python, for gunicorn's workers: a WSGI application.

Computing is so many microseconds of this thread's CPU time, not so many rounds: what is
compared is how the workers share a core and a lock, not how fast CPython computes. Under
CPython's lock a thread's CPU time stands still while another thread has the lock.
"""

from __future__ import annotations

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


def _answer(path: str, query: dict[str, int]) -> tuple[str, bytes] | None:
    match path.split("/"):
        case ["", "hello"]:
            return "text/plain", b"Hello, World!"
        case ["", "json"]:
            return "application/json", b'{"message":"Hello, World!"}'
        case ["", "cpu"]:
            _compute(query["n"])
            return "text/plain", b"computed\n"
        case ["", "sleep"]:
            time.sleep(query["ms"] / 1e3)
            return "text/plain", b"slept %d\n" % query["ms"]
        case ["", "mix"]:
            for _ in range(query.get("rounds", 1)):
                _compute(query.get("cpu", 0))
                time.sleep(query.get("wait", 0) / 1e3)
            return "text/plain", b"mixed\n"
        case ["", "files", name]:
            return "application/octet-stream", (_SITE / "files" / name).read_bytes()
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
