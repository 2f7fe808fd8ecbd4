# SPDX-License-Identifier: MIT
"""A row of the table, and how its usual kinds are written."""

import re
from dataclasses import dataclass, field, replace
from typing import Dict, List, Optional, Pattern, Sequence, Tuple, Union

from support.client import message

MAX_BODY = 8 * 1024 * 1024  # --max-body's default
MAX_HEADER = 16 * 1024
MAX_TARGET = 8000
MAX_FIELDS = 100

HELLO = b"Hello, World!"

# What a header field must be: this text, a match of this pattern, or None: absent.
Fact = Union[str, Pattern[str], None]


@dataclass(frozen=True)
class Case:
    """One row.

    closes: True: "C" of the rules, an orderly close after the answer; False: the
    connection must serve a further request; None: either, but as announced.
    aborts: when it comes in pieces the answer may have begun before the fault was seen;
    it then ends short and the connection closes.
    continues: a 100 may come first when the body is not there with the head.
    """

    group: str
    name: str
    request: bytes
    status: Union[int, Tuple[int, ...]]
    closes: Optional[bool] = None
    headers: Dict[str, Fact] = field(default_factory=dict)
    body: Union[bytes, Pattern[bytes], None] = None  # None: not looked at
    method: str = "GET"  # for the framing of the answer
    aborts: bool = False
    continues: bool = False

    @property
    def statuses(self) -> Tuple[int, ...]:
        return self.status if isinstance(self.status, tuple) else (self.status,)

    def __str__(self) -> str:
        return f"{self.group}: {self.name}"


TEXT = re.compile(r"text/plain(;.*)?")
ALLOW_GET = re.compile(r"(?=.*\bGET\b)(?=.*\bHEAD\b)(?!.*\bPOST\b).*")
ALLOW_ALL = re.compile(r"(?=.*\bGET\b)(?=.*\bHEAD\b)(?=.*\bPOST\b)(?=.*\bOPTIONS\b).*")
ALLOW_POST = re.compile(r"(?=.*\bPOST\b)(?!.*\bGET\b).*")


def raw(head: str, body: bytes = b"") -> bytes:
    """A head written with \\n for line ends, the empty line left out."""
    return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def hello(*fields: str) -> bytes:
    return message("GET", "/hello", *fields)


def good(name: str, request: bytes, closes: Optional[bool] = False, group: str = "") -> Case:
    """A row that must be answered like any GET /hello."""
    facts: Dict[str, Fact] = {"Content-Type": TEXT, "Content-Length": "13"}
    return Case(group, name, request, 200, closes, facts, HELLO)


def refused(name: str, request: bytes, status: Union[int, Tuple[int, ...]] = 400) -> Case:
    """A row that must be refused and the connection closed."""
    return Case("", name, request, status, True)


def in_group(group: str, rows: Sequence[Case]) -> List[Case]:
    return [replace(row, group=group) for row in rows]


def echo(name: str, body: bytes, *fields: str) -> Case:
    """The body must come back."""
    request = message("POST", "/echo", f"Content-Length: {len(body)}", *fields, body=body)
    facts: Dict[str, Fact] = {"Content-Length": str(len(body))}
    return Case("", name, request, 200, False, facts, body, "POST")


def chunked_echo(name: str, framed: bytes, body: bytes, coding: str = "chunked") -> Case:
    request = message("POST", "/echo", f"Transfer-Encoding: {coding}", body=framed)
    return Case("", name, request, 200, False, {"Transfer-Encoding": "chunked"}, body, "POST")
