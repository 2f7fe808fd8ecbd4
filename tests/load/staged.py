# SPDX-License-Identifier: MIT
"""Servers that do what a test says: one thread, one event loop, a behaviour for each request."""

from __future__ import annotations

import re
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Optional, Tuple, Union

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")

KEEP, CLOSE, RESET, LEAVE = "keep", "close", "reset", "leave"
# Of a request, head and body: the bytes of the answer, and what becomes of the connection. LEAVE: it is
# closed, and before the answer the server has ceased to listen.
Behaviour = Callable[[bytes], Tuple[bytes, str]]


def good(_request: bytes) -> Tuple[bytes, str]:
    return OK, KEEP


def path_of(request: bytes) -> str:
    return request.split(b" ", 2)[1].decode()


class Staged:
    """A context: it serves until it is left. requests: all that came, in order. left: how many connections
    the client was the first to close."""

    def __init__(self, behaviour: Behaviour = good, unix: Optional[Path] = None) -> None:
        self.behaviour = behaviour
        self.requests: list[bytes] = []
        self.connections = self.open = self.left = 0
        self.addresses: set[str] = set()  # of its clients
        if unix is None:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
            self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(unix))
            self.listener.listen(1024)
            self.url = "http://unix/"
        self.selector = selectors.DefaultSelector()
        self.stop, self._stopped = socket.socketpair()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Staged:
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self._stopped, selectors.EVENT_READ)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.close()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self.selector.close()
        self.listener.close()
        self._stopped.close()

    def _run(self) -> None:
        while True:
            for key, _events in self.selector.select():
                if key.fileobj is self._stopped:
                    return
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    self._read(key.fileobj, key.data)

    def _accept(self) -> None:
        client, address = self.listener.accept()
        if address:
            self.addresses.add(address[0])
        self.connections += 1
        self.open += 1
        self.selector.register(client, selectors.EVENT_READ, bytearray())

    def _read(self, client: Union[socket.socket, object], unread: bytearray) -> None:
        assert isinstance(client, socket.socket)
        try:
            piece = client.recv(65536)
        except ConnectionError:
            piece = b""
        unread += piece
        head = unread.find(b"\r\n\r\n") + 4
        length = LENGTH.search(unread)
        whole = head + (int(length[1]) if length else 0)
        if not piece:
            self.left += 1
            self._end(client)
        elif head > 3 and len(unread) >= whole:
            request = bytes(unread[:whole])
            del unread[:whole]
            self.requests.append(request)
            self._answer(client, *self.behaviour(request))

    def _answer(self, client: socket.socket, answer: bytes, then: str) -> None:
        if then == LEAVE:
            self.selector.unregister(self.listener)
            self.listener.close()
        try:
            client.sendall(answer)
        except ConnectionError:
            then = CLOSE
        if then == RESET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if then != KEEP:
            self._end(client)

    def _end(self, client: socket.socket) -> None:
        self.selector.unregister(client)
        client.close()
        self.open -= 1
