# SPDX-License-Identifier: MIT
"""The table: bytes in; status, whether the connection closes, header facts, body.

Each row is one request (or what a client might send in its place), complete:
the server can judge it without a further byte, so it may be followed by more.
test_cases.py sends every row whole, in pieces, and behind a good request.
A new row needs no code. case.py says what a row is; the other files hold the rows.
"""

from typing import Tuple

from .body import CHUNKS, CODING, LENGTH
from .case import Case
from .connection import EXPECT, OLD, PERSISTENCE
from .files import FILES
from .head import FIELDS, HOST, REQUEST_LINE, TARGETS
from .routes import METHODS, QUERIES, ROUTES

CASES: Tuple[Case, ...] = tuple(
    ROUTES + QUERIES + METHODS + REQUEST_LINE + TARGETS + FIELDS + HOST + LENGTH + CODING + CHUNKS
    + PERSISTENCE + OLD + EXPECT + FILES
)
GROUPS: Tuple[str, ...] = tuple(dict.fromkeys(c.group for c in CASES))
assert len({str(c) for c in CASES}) == len(CASES), "two rows of one name"
