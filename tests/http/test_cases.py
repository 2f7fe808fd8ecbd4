# SPDX-License-Identifier: MIT
"""Every row of the table, whole, in pieces, and behind good requests."""

from typing import Dict, Iterator, List, Tuple

import pytest

from cases import CASES, GROUPS
from cases.case import Case
from judge import CLOSER, GOOD, aborted, conversation_faults, faults
from support.client import Closed
from support.configurations import each_way
from support.play import Conversation, play
from support.server import Server
from support.variant import VARIANT


IN_ONE_PIECE = 16 * 1024  # bytes, at most


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whole(server: Server, case: Case) -> None:
    with server.connect() as connection:
        connection.send(case.request)
        try:
            response = connection.read_response(case.method)
        except Closed as closed:
            # What comes in one piece is judged before anything is answered.
            if len(case.request) > IN_ONE_PIECE and aborted(case, closed.received):
                return
            raise
        problems = faults(case, response)
        if case.closes is True or response.closes:
            rest = connection.read_to_end()
            if rest:
                problems.append(f"more than an answer: {rest[:200]!r}")
        else:
            following = connection.request(CLOSER)
            if following.status != 200:
                problems.append(f"the next request is answered {following.status}")
            connection.read_to_end()
    assert not problems, "\n".join(problems)


def _cuts(length: int) -> Iterator[int]:
    """Where to cut a request in two: everywhere, or evenly in a long one."""
    most = 160 if VARIANT == "release" else 40
    if length > 50000:
        most = 3
    elif length > 1000:
        most //= 4
    return iter(range(1, length, max(1, length // most)))


def _in_pieces(case: Case) -> Iterator[Conversation]:
    request = case.request
    for cut in _cuts(len(request)):
        yield Conversation(f"cut at {cut}", [request[:cut], request[cut:], CLOSER])
    step = 1 if len(request) <= 600 else 1 + len(request) // 100
    pieces = [request[i : i + step] for i in range(0, len(request), step)]
    yield Conversation(f"{step} at a time", [*pieces, CLOSER])


def _play_and_judge(server: Server, talks: List[Tuple[Case, Conversation, int]]) -> None:
    # Long ones first, so that they do not end up alone.
    talks.sort(key=lambda talk: -len(talk[1].pieces))
    play(server.address, [talk for _, talk, _ in talks], server.configuration.width)
    problems: Dict[str, List[str]] = {}
    for case, talk, before in talks:
        found = conversation_faults(case, bytes(talk.received), talk.end, before, len(talk.pieces) > 1)
        if found:
            problems.setdefault(str(case), []).append(f"{talk.label}: " + "; ".join(found))
    if problems:
        lines = [f"{name} ({len(ways)} times), {ways[0]}" for name, ways in problems.items()]
        pytest.fail("\n".join(lines), pytrace=False)


@each_way
@pytest.mark.parametrize("group", GROUPS)
def test_in_pieces(server: Server, group: str) -> None:
    rows = [c for c in CASES if c.group == group]
    _play_and_judge(server, [(c, talk, 0) for c in rows for talk in _in_pieces(c)])


@pytest.mark.parametrize("group", GROUPS)
def test_behind_a_good_request(server: Server, group: str) -> None:
    talks = []
    for case in (c for c in CASES if c.group == group):
        request = case.request
        half = len(request) // 2
        talks += [
            (case, Conversation("in one", [GOOD + request + CLOSER]), 1),
            (case, Conversation("behind three", [GOOD * 3 + request, CLOSER]), 3),
            (case, Conversation("cut in the good one", [GOOD[:9], GOOD[9:] + request, CLOSER]), 1),
            (case, Conversation("cut", [GOOD + request[:half], request[half:] + CLOSER]), 1),
        ]
    _play_and_judge(server, talks)
