# SPDX-License-Identifier: MIT
"""The lab's own clients against a server that does exactly as it is told.

The server runs in a thread, a script a connection: so what becomes of each request is known
beforehand, and the accounting has to come out at exactly that.
"""

import os
import socket
import threading
import types
from typing import Any, Callable, Iterator

import made
import pytest
from lab.ask.kinds import Kind
from lab.ask.workloads import WORKLOADS
from lab.server.client import BadAnswer, Client
from lab.measure import counted
from lab.measure.parked import Parked

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[[int, socket.socket], None]


def read_request(each: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        more = each.recv(4096)
        if not more:
            return False
        data += more
    return True


class Scripted:
    """Runs script(number, connection) for each connection, in the order of accepting."""

    def __init__(self, script: Script) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.accepted = 0
        self._script = script
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            number = self.accepted
            threading.Thread(target=self._one, args=(number, connection), daemon=True).start()

    def _one(self, number: int, connection: socket.socket) -> None:
        with connection:
            try:
                self._script(number, connection)
            except OSError:
                pass

    def close(self) -> None:
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()


@pytest.fixture
def scripted() -> Iterator[Callable[[Script], Scripted]]:
    running: list[Scripted] = []

    def start(script: Script) -> Scripted:
        running.append(Scripted(script))
        return running[-1]

    yield start
    for each in running:
        each.close()


def forever(_number: int, each: socket.socket) -> None:
    while read_request(each):
        each.sendall(ANSWER)


def run(server: Scripted, connections: int, until: Callable[[counted.Client], bool]) -> Any:
    client = counted.Client(server.port, "/x", connections)
    client.run(60.0, until=lambda: until(client))
    assert until(client)
    client.close()
    return client


def test_its_load_leaves_the_servers_cores_alone(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies or starts there would have to wait for the lab, which comes first."""
    allowed = os.sched_getaffinity(0)
    mine, on = {min(allowed)}, set()
    faults: dict[Kind, Any] = {Kind.CRASH: lambda *_: {}}
    monkeypatch.setattr(counted.Client, "run", lambda *_, **__: on.add(frozenset(os.sched_getaffinity(0))))
    monkeypatch.setattr(counted, "FAULTS", faults)
    server = types.SimpleNamespace(port=scripted(forever).port, worker_pids=lambda: [os.getpid()])
    sample, crash = made.sample(made.CORO, "crash"), WORKLOADS["crash"]
    counted.measure(server, sample, crash, 0.0, mine)  # type: ignore[arg-type]
    assert on == {frozenset(mine)} and os.sched_getaffinity(0) == allowed


def test_every_answer_is_counted(scripted: Any) -> None:
    outcome = run(scripted(forever), 3, lambda c: c.answered >= 30)
    assert (outcome.lost, outcome.reset, outcome.refused, outcome.errors) == (0, 0, 0, 0)


def test_a_request_read_and_never_answered_is_lost(scripted: Any) -> None:
    def drops_third(number: int, each: socket.socket) -> None:
        if number > 2:
            forever(number, each)
        for _ in range(2):
            read_request(each)
            each.sendall(ANSWER)
        read_request(each)  # and closes

    outcome = run(scripted(drops_third), 2, lambda c: c.lost == 2 and c.cut == 0)
    assert (outcome.lost, outcome.reset) == (2, 0)
    assert outcome.cut == 0 and outcome.back_after_s > 0


def test_an_answer_cut_short_is_lost(scripted: Any) -> None:
    def cuts(number: int, each: socket.socket) -> None:
        if number > 1:
            forever(number, each)
        read_request(each)
        each.sendall(ANSWER)
        read_request(each)
        each.sendall(ANSWER[:-1])

    assert run(scripted(cuts), 1, lambda c: c.answered >= 5 and c.cut == 0).lost == 1


def test_a_connection_that_was_said_to_end_loses_nothing(scripted: Any) -> None:
    def polite(_number: int, each: socket.socket) -> None:
        read_request(each)
        each.sendall(LAST)

    server = scripted(polite)
    outcome = run(server, 2, lambda c: c.answered >= 6)
    assert (outcome.lost, outcome.reset) == (0, 0) and server.accepted >= 6


def test_a_new_connection_that_is_cut_unserved_is_reset(scripted: Any) -> None:
    def refuses_second(number: int, each: socket.socket) -> None:
        if number == 2:
            read_request(each)
            return
        if number > 2:
            forever(number, each)
        read_request(each)
        each.sendall(LAST)

    outcome = run(scripted(refuses_second), 1, lambda c: c.answered >= 4)
    assert (outcome.lost, outcome.reset) == (0, 1)


def test_nobody_listening_is_refused_and_tried_again(scripted: Any) -> None:
    server = scripted(forever)
    server.close()
    outcome = run(server, 1, lambda c: c.refused >= 3)
    assert (outcome.answered, outcome.lost, outcome.reset) == (0, 0, 0)


def test_a_status_other_than_200_is_an_error(scripted: Any) -> None:
    def unwell(_number: int, each: socket.socket) -> None:
        while read_request(each):
            each.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    outcome = run(scripted(unwell), 1, lambda c: c.errors >= 3)
    assert outcome.answered == 0


# --- parked -------------------------------------------------------------------------------


def test_parked_connections_are_answered_once_and_kept(
    scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.measure.parked.ANSWER_S", 60.0)
    server = scripted(forever)
    with Parked(server.port, 30, "/x") as parked:
        assert parked.answered == 30
        assert server.accepted == 30


def test_parked_connections_that_the_server_closed_are_not_open(scripted: Any) -> None:
    closed = threading.Barrier(11)

    def half(number: int, each: socket.socket) -> None:
        if number % 2 == 0:
            return forever(number, each)
        read_request(each)
        each.sendall(ANSWER)
        each.close()
        closed.wait(60)

    with Parked(scripted(half).port, 20, "/x", ("127.0.0.1", "127.0.0.2")) as parked:
        closed.wait(60)
        assert parked.open == 10


def test_starved_ones_are_told_apart(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.measure.parked.ANSWER_S", 0.3)
    enough = threading.Event()

    def every_second(number: int, each: socket.socket) -> None:
        if number % 2:
            forever(number, each)
        enough.wait(60)

    with Parked(scripted(every_second).port, 20, "/x") as parked:
        assert parked.answered <= 10
    enough.set()


# --- the checking client ------------------------------------------------------------------


def answering(answer: bytes) -> Script:
    def script(_number: int, each: socket.socket) -> None:
        while read_request(each):
            for at in range(0, len(answer), 7):  # in pieces, as a network may deliver it
                each.sendall(answer[at : at + 7])

    return script


def test_chunked_answers_are_read_to_their_end(scripted: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"
    with Client(scripted(answering(head + body)).port) as client:
        for _ in range(2):  # the second shows that nothing of the first was left
            assert client.get("/x").body == body


@pytest.mark.parametrize(
    "answer, words",
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "without Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not a chunk's size"),
    ],
)
def test_answers_without_an_end_are_bad(scripted: Any, answer: bytes, words: str) -> None:
    with Client(scripted(answering(answer)).port) as client:
        with pytest.raises(BadAnswer, match=words):
            client.get("/x")
