# SPDX-License-Identifier: MIT
"""A Redis for tests, of GET and SET, that misbehaves when told to."""

import socket
import threading
from pathlib import Path
from typing import Callable, Dict, List, Optional


class FakeRedis:
    """Listens on a Unix socket below folder, or a port of loopback, from the beginning to the end of a
    with block.

    What it answers goes through `spoil`, which is given a command's words and the right reply to it,
    and returns what to send; None: nothing, now or later.
    """

    def __init__(self, folder: Optional[Path] = None) -> None:
        self.rows: Dict[bytes, bytes] = {}
        self.spoil: Callable[[List[bytes], bytes], Optional[bytes]] = lambda _, reply: reply
        self.connections = 0
        self.port = 0
        if folder is not None:
            self.address = f"unix:{folder}/fake-redis"
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(f"{folder}/fake-redis")
        else:
            self._socket = socket.create_server(("127.0.0.1", 0))
            self.port = self._socket.getsockname()[1]
            self.address = f"127.0.0.1:{self.port}"

    def __enter__(self) -> "FakeRedis":
        self._socket.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rwb") as stream:
                while line := stream.readline():
                    words = []
                    for _ in range(int(line[1:])):
                        length = int(stream.readline()[1:])
                        words.append(stream.read(length + 2)[:-2])
                    reply = self.spoil(words, self._reply(words))
                    if reply is not None:
                        stream.write(reply)
                    stream.flush()
        except OSError:
            pass

    def _reply(self, words: List[bytes]) -> bytes:
        if words[0] == b"SET":
            self.rows[words[1]] = words[2]
            return b"+OK\r\n"
        value = self.rows.get(words[1])
        return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
