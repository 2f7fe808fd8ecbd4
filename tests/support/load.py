# SPDX-License-Identifier: MIT
"""Clients in numbers: each keeps asking and notes what it had to wait.

All connections of a Load are driven by one thread. A client sends its next
request a pause after the answer to the last one, so a Load never asks more of
the machine than it gives. A connection that fails is counted and replaced.
"""

import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Callable, List, Optional

from support.client import Address, Malformed, Response, message, open_socket, parse
from support.limits import need_open_files

HELLO = message("GET", "/hello")

# What a failure is called when the server closed a connection between two requests, as it may.
IDLE = "closed while idle"
# And when it was not the server's doing: the answer was somebody else's, or no answer at all.
WRONG = "wrong"


@dataclass
class Client:
    """One connection's record, over all the sockets it has had."""

    number: int
    answers: int = 0
    asked: int = 0
    longest: float = 0.0  # seconds between a request and its answer
    failures: List[str] = field(default_factory=list)
    connected: Optional[socket.socket] = None
    asked_at: float = 0.0  # 0: not waiting for an answer
    ask_at: float = 0.0
    expected: bytes = b""  # the answer's body, where requests differ
    received: bytearray = field(default_factory=bytearray)


class Load:
    """A context manager: the clients ask from its beginning to its end.

    fresh: each request on a connection of its own. accept judges an answer.
    echo: each request is a POST /echo of words that no other request has, and the answer must
    be those; so an answer that is another's, or not all there, is noticed.
    """

    def __init__(
        self,
        address: Address,
        clients: int,
        request: bytes = HELLO,
        pause: float = 0.005,
        fresh: bool = False,
        accept: Callable[[Response], bool] = lambda answer: answer.status == 200,
        echo: bool = False,
    ) -> None:
        self._address = address
        self._request = request
        self._pause = pause
        self._fresh = fresh
        self._echo = echo
        self._accept = accept
        self._stopping = threading.Event()
        self._selector = selectors.EpollSelector()
        self._error: Optional[BaseException] = None
        self.clients = [Client(number) for number in range(clients)]
        self.turns = 0  # in each all are heard that were answered
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the load; a request still waiting counts with what it has waited."""
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    @property
    def answers(self) -> int:
        return sum(client.answers for client in self.clients)

    @property
    def failures(self) -> List[str]:
        return [failure for client in self.clients for failure in client.failures]

    @property
    def longest(self) -> float:
        return max(client.longest for client in self.clients)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                now = time.monotonic()
                for client in self.clients:
                    if client.asked_at == 0 and now >= client.ask_at:
                        self._ask(client)
                for key, _ in self._selector.select(min(self._pause, 0.005)):
                    self._hear(key.data)
                self.turns += 1
            now = time.monotonic()
            for client in self.clients:
                if client.asked_at != 0:
                    client.longest = max(client.longest, now - client.asked_at)
                self._drop(client)
        except BaseException as error:  # shown by stop()
            self._error = error
        finally:
            self._selector.close()

    def _ask(self, client: Client) -> None:
        client.asked_at = time.monotonic()
        try:
            if client.connected is None:
                client.connected = open_socket(self._address)
                client.connected.setblocking(False)
                self._selector.register(client.connected, selectors.EVENT_READ, client)
            client.connected.send(self._next_request(client))
        except OSError as error:
            self._fail(client, f"asking: {error}")

    def _next_request(self, client: Client) -> bytes:
        if not self._echo:
            return self._request
        client.asked += 1
        client.expected = b"%d of %d " % (client.asked, client.number) * 20
        fields = [f"Content-Length: {len(client.expected)}"]
        if self._fresh:
            fields.append("Connection: close")
        return message("POST", "/echo", *fields, body=client.expected)

    def _hear(self, client: Client) -> None:
        if client.connected is None:
            return
        try:
            data = client.connected.recv(65536)
            client.received += data
            found = parse(client.received, "GET", not data)
        except OSError as error:
            self._fail(client, f"hearing: {error}")
            return
        except Malformed as error:
            self._fail(client, f"{WRONG}: {error}")
            return
        if found is not None:
            answer, behind = found
            now = time.monotonic()
            client.longest = max(client.longest, now - client.asked_at)
            client.asked_at = 0.0
            client.ask_at = now + self._pause
            client.answers += 1
            del client.received[:behind]
            if self._echo and answer.body != client.expected:
                self._fail(client, f"{WRONG}: {answer.status} {answer.body!r}")
            elif not self._accept(answer) or client.received:
                self._fail(client, f"status {answer.status} and {len(client.received)} bytes more")
            elif self._fresh or answer.closes:
                self._drop(client)
        elif not data:
            waited = client.asked_at != 0
            self._fail(client, "closed in a request" if waited else IDLE)

    def _fail(self, client: Client, why: str) -> None:
        client.failures.append(why)
        client.asked_at = 0.0
        client.ask_at = time.monotonic() + self._pause
        self._drop(client)

    def _drop(self, client: Client) -> None:
        if client.connected is not None:
            if client.connected in self._selector.get_map():
                self._selector.unregister(client.connected)
            client.connected.close()
        client.connected = None
        client.received.clear()


def crowd(address: Address, count: int, first_bytes: bytes = b"") -> List[socket.socket]:
    """So many connections, each having sent the same first bytes."""
    need_open_files(count)
    opened: List[socket.socket] = []
    try:
        for _ in range(count):
            connected = open_socket(address)
            opened.append(connected)
            if first_bytes:
                connected.sendall(first_bytes)
    except BaseException:
        disperse(opened)
        raise
    return opened


def disperse(crowd_of: List[socket.socket]) -> None:
    for connected in crowd_of:
        connected.close()


def hear_out(crowd_of: List[socket.socket], within: float) -> List[bytes]:
    """All that each receives until its connection is closed in good order.

    Fails when one is reset, or still open after `within` seconds.
    """
    received = [bytearray() for _ in crowd_of]
    limit = time.monotonic() + within
    open_count = len(crowd_of)
    with selectors.EpollSelector() as selector:
        for index, connected in enumerate(crowd_of):
            connected.setblocking(False)
            selector.register(connected, selectors.EVENT_READ, index)
        while open_count > 0:
            left = limit - time.monotonic()
            assert left > 0, f"{open_count} of {len(crowd_of)} connections still open"
            for key, _ in selector.select(left):
                data = crowd_of[key.data].recv(65536)
                received[key.data] += data
                if not data:
                    selector.unregister(key.fileobj)
                    open_count -= 1
    return [bytes(data) for data in received]
