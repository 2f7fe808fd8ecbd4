# SPDX-License-Identifier: MIT
"""Whether what came back is what a row of the table asks for."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import List, Optional

from cases.case import HELLO, Case
from support.client import Malformed, Response, message, parse

GOOD = message("GET", "/hello")
# Sent behind a row: answered if the connection is still in use, and then its last.
CLOSER = message("GET", "/hello", "Connection: close")

_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" [0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT"
)


def date_faults(response: Response) -> List[str]:
    """Date must be there, in the preferred form, and now."""
    date = response.field("Date")
    if date is None or not _DATE.fullmatch(date):
        return [f"Date: {date!r}"]
    apart = parsedate_to_datetime(date).timestamp() - time.time()
    return [] if -60 < apart < 60 else [f"Date is {apart:g} s from now"]


def faults(case: Case, response: Response, in_pieces: bool = False) -> List[str]:
    """What of the answer is not as the row says; nothing when all is."""
    found = []
    if response.status not in case.statuses:
        found.append(f"status {response.status}, not {case.status}; {response.body[:200]!r}")
    interim = [answer.status for answer in response.interim]
    if interim and not (interim == [100] and case.continues and in_pieces):
        found.append(f"interim answers: {interim}")
    found += date_faults(response)
    for name, wanted in case.headers.items():
        value = response.field(name)
        if isinstance(wanted, re.Pattern):
            if value is None or not wanted.fullmatch(value):
                found.append(f"{name}: {value!r}, not {wanted.pattern!r}")
        elif value != wanted:
            found.append(f"{name}: {value!r}, not {wanted!r}")
    if isinstance(case.body, re.Pattern):
        if not case.body.fullmatch(response.body):
            found.append(f"body {response.body[:200]!r} does not match {case.body.pattern!r}")
    elif case.body is not None and case.body != response.body:
        found.append(f"body {response.body[:200]!r}, not {case.body[:200]!r}")
    if case.closes is True and not response.closes and not _old(case):
        found.append(f"closes without saying so: {response.head!r}")
    if case.closes is False and response.closes:
        found.append(f"says that it closes: {response.head!r}")
    return found


def _old(case: Case) -> bool:
    """An HTTP/1.0 client expects the close without being told."""
    return b" HTTP/1.0\r\n" in case.request


def aborted(case: Case, data: bytes) -> bool:
    """The row allows an answer that began well and ends short, and this is one."""
    return case.aborts and data.startswith(b"HTTP/1.1 200 ") and not data.endswith(b"\r\n0\r\n\r\n")


def conversation_faults(
    case: Case, received: bytes, end: str, good_before: int, in_pieces: bool
) -> List[str]:
    """Judges all that came on a connection: answers to good_before times GOOD, the row, CLOSER."""
    if end != "eof":
        return [f"the connection ended by {end}; received {received[-300:]!r}"]
    at = 0
    try:
        for _ in range(good_before):
            found = parse(received, "GET", False, at)
            if found is None or found[0].body != HELLO:
                return [f"the good request before is not answered: {received[:300]!r}"]
            at = found[1]
        found = parse(received, case.method, True, at)
        if found is None:
            if aborted(case, received[at:]):
                return []
            return [f"no complete answer: {received[at:at + 300]!r}"]
        response, at = found
        result = faults(case, response, in_pieces)
        last: Optional[Response] = None
        if at < len(received):
            found = parse(received, "GET", False, at)
            if found is None:
                return result + [f"more than answers: {received[at:at + 300]!r}"]
            last, at = found
    except Malformed as error:
        return [str(error)]
    if at < len(received):
        result.append(f"more than answers: {received[at:at + 300]!r}")
    if last is None:
        if case.closes is False or (case.closes is None and not response.closes):
            result.append("the next request on the connection is not answered")
    else:
        if case.closes is True or response.closes:
            result.append("the next request on the connection is answered")
        if last.status != 200 or last.body != HELLO:
            result.append(f"the next request is answered {last.status} {last.body[:100]!r}")
    return result
