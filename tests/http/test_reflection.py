# SPDX-License-Identifier: MIT
"""Nothing a client sends reaches an outgoing header, a log or a terminal unescaped.

Hostile bytes are sent in every place of a request, in particular in those that come back
somewhere: the target (access log, Location), the query and the method (error texts), Content-Type
(/echo), Referer and User-Agent (access log).
"""

import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, Tuple
from urllib.parse import quote

from support.client import Response, parse
from support.play import Conversation, play
from support.server import Launcher
from support.waiting import eventually

# Ends of lines, controls of a terminal (in one byte, two, and UTF-8), what quotes and escapes.
BYTES = [bytes([n]) for n in (0, 7, 8, 9, 10, 11, 13, 27, 31, 34, 37, 39, 92, 127, 128, 155, 255)]
SEQUENCES = [
    b"\r\nX-Evil: 1\r\n", b"\nX-Evil: 1\n", b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"\x1b[2J\x1b]0;evil\x07",
    b"\xc2\x9b2J", b"\xe2\x80\xae", b'" 200 13 "-" "evil', b"%0d%0aX-Evil:%201", b"%1b[2J", b"\\x0a",
    b"%s%n%999999d", b"<script>alert(1)</script>",
]  # fmt: skip

# Where they stand, as %s; each is a whole request.
PLACES: Dict[str, bytes] = {
    "method": b"GET%s /hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "first byte": b"%sGET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "target": b"GET /none%s HTTP/1.1\r\nHost: x\r\n\r\n",
    "target of no form": b"GET x%s HTTP/1.1\r\nHost: x\r\n\r\n",
    "authority": b"GET http://a%s/hello HTTP/1.1\r\nHost: x\r\n\r\n",
    "file": b"GET /files/%s HTTP/1.1\r\nHost: x\r\n\r\n",
    "folder": b"GET /files/folder%s HTTP/1.1\r\nHost: x\r\n\r\n",
    "query name": b"GET /cpu?n%s=1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "query value": b"GET /cpu?n=1%s HTTP/1.1\r\nHost: x\r\n\r\n",
    "query without a value": b"GET /cpu?%s HTTP/1.1\r\nHost: x\r\n\r\n",
    "version": b"GET /hello HTTP/1.1%s\r\nHost: x\r\n\r\n",
    "field name": b"GET /hello HTTP/1.1\r\nHost: x\r\nA%s: b\r\n\r\n",
    "field value": b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b%sc\r\n\r\n",
    "Host": b"GET /hello HTTP/1.1\r\nHost: x%s\r\n\r\n",
    "User-Agent": b"GET /hello HTTP/1.1\r\nHost: x\r\nUser-Agent: %sa%s\r\n\r\n",
    "Referer": b"GET /hello HTTP/1.1\r\nHost: x\r\nReferer: %sa%s\r\n\r\n",
    "Content-Type": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: a/%sb\r\n"
    b"Content-Length: 2\r\n\r\nok",
    "Content-Length": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2%s\r\n\r\nok",
    "Transfer-Encoding": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: a%s\r\n\r\n",
    "Connection": b"GET /hello HTTP/1.0\r\nConnection: keep-alive, %s\r\n\r\n",
    "Expect": b"GET /hello HTTP/1.1\r\nHost: x\r\nExpect: %s\r\n\r\n",
    "Range": b"GET /files/a HTTP/1.1\r\nHost: x\r\nRange: bytes=9%s-\r\n\r\n",
    "If-None-Match": b'GET /files/a HTTP/1.1\r\nHost: x\r\nIf-None-Match: "%s"\r\n\r\n',
    "If-Match": b'GET /files/a HTTP/1.1\r\nHost: x\r\nIf-Match: "%s"\r\n\r\n',
    "chunk": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2%s\r\nok\r\n0\r\n\r\n",
    "chunk extension": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;a=%s\r\nok\r\n0\r\n\r\n",
    "trailer": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nok\r\n0\r\nA%s: %s\r\n\r\n",
}

# All fields that this server ever sends.
NAMES = {
    "Date", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Allow", "Location",
    "ETag", "Last-Modified", "Accept-Ranges", "Content-Range", "Retry-After",
}  # fmt: skip

# The request line is as it came, however malformed, but for what is escaped.
LINE = re.compile(
    rb"127\.0\.0\.1 - - \[[^]\"]+\] \"[^\"]*\" [1-5][0-9][0-9] [0-9]+"
    rb" \"[^\"]*\" \"[^\"]*\" [0-9.]+ w[0-9]+ [a-z]+"
)


def _requests() -> Iterator[Tuple[str, bytes]]:
    for place, request in PLACES.items():
        for hostile in BYTES + SEQUENCES:
            yield f"{hostile!r} as {place}", request.replace(b"%s", hostile)


def _judge(request: bytes, received: bytes) -> Tuple[int, List[str]]:
    """How many answers there are, and what of them a client could take for something else."""
    found: List[str] = []
    at = count = 0
    while at < len(received):
        answer = parse(received, "GET", True, at)
        count += 1
        if answer is None:
            return count, found + _aborted_faults(request, received[at:])
        response, at = answer
        found += _head_faults(response)
        if response.status >= 400 and not re.fullmatch(rb"[ -~]+\n", response.body):
            found.append(f"error text {response.body!r}")
    return count, found


def _aborted_faults(request: bytes, received: bytes) -> List[str]:
    """Only an answer that began before broken chunks came may end short."""
    head, end, _ = received.partition(b"\r\n\r\n")
    names = {line.split(b":")[0].decode("latin-1") for line in head.split(b"\r\n")[1:]}
    if b"chunked" in request and end and head.startswith(b"HTTP/1.1 200 ") and names <= NAMES:
        return []
    return [f"cut short: {received!r}"]


def _head_faults(response: Response) -> List[str]:
    found = [f"field {name}" for name, _ in response.fields if name not in NAMES]
    text = response.field("Content-Type")
    if response.status >= 400 and text != "text/plain":
        found.append(f"an error text of type {text!r}")
    return found


def test_hostile_bytes(launch: Launcher, tmp_path: Path) -> None:
    """Answers are well formed to the letter, and every line of the log is one request's."""
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "a").write_bytes(b"a")
    log = tmp_path / "access.log"
    server = launch(f"--root={root}", f"--access-log={log}")
    requests = dict(_requests())
    # Half-closed, so that what is incomplete is not waited for.
    talks = [Conversation(label, [request], half_close=True) for label, request in requests.items()]
    play(server.address, talks, server.configuration.width)
    problems = []
    answers = 0
    for talk in talks:
        count, found = _judge(requests[talk.label], bytes(talk.received))
        answers += count
        if talk.end != "eof":
            found.append(f"ended by {talk.end}")
        if found:
            problems.append(f"{talk.label}: {'; '.join(found)}")
    assert not problems, "\n".join(problems)
    assert answers >= len(talks) * 0.9  # all but those that could go on
    _check_log(log, answers)
    server.stop()
    stray = [line for line in server.lines if not re.fullmatch("[ -~]+", line) or "evil" in line]
    assert not stray


def _check_log(log: Path, answers: int) -> None:
    eventually("a line for every answer", lambda: log.read_bytes().count(b"\n"), lambda n: n == answers)
    text = log.read_bytes()
    assert not [byte for byte in set(text) if byte != 10 and not 32 <= byte < 127]
    stray = [line for line in text[:-1].split(b"\n") if not LINE.fullmatch(line)]
    assert not stray


def test_hostile_folders(launch: Launcher, tmp_path: Path) -> None:
    """A folder may be called anything: its name goes back as it was sent, escaped."""
    server = launch(f"--root={tmp_path}")
    for name in ("a\r\nX-Evil: 1", "a\x1b[2J", 'a"b', "\x9b", "é\u202e"):
        os.mkdir(os.fsencode(tmp_path) + b"/" + name.encode())
        with server.connect() as connection:
            answer = connection.get(f"/files/{quote(name)}")
        assert answer.status == 301, name
        assert answer.field("Location") == f"/files/{quote(name)}/"
        assert {field for field, _ in answer.fields} <= NAMES
