# SPDX-License-Identifier: MIT
"""Clients that know what they must receive, whatever happens to the server.

Each request carries something of its own that the answer must bring back, so an
answer that is another client's, an earlier one, or cut short is noticed. A
connection that fails is counted, not judged: that is for the test.
"""

import threading
import time
from typing import List, Optional

from support.client import Address, Closed, Connection, Malformed, message


class Checked:
    """A context manager: so many clients, each in a thread, ask from its beginning to its end.

    wait_ms: what the server does for each request; 0: it gives back what was sent.
    """

    def __init__(
        self, address: Address, clients: int, wait_ms: int = 0, fresh: bool = False,
        timeout: float = 20, pause: float = 0.002,
    ) -> None:
        self._address = address
        self._wait_ms = wait_ms
        self._fresh = fresh
        self._timeout = timeout
        self._pause = pause
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.answers = 0
        self.refused: List[int] = []  # 503 and the like
        self.failures: List[str] = []  # connections that ended instead of an answer
        self.wrong: List[str] = []  # answers that are not the client's own, or malformed
        self.last_answer = 0.0
        self._threads = [
            threading.Thread(target=self._client, args=(number,), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> "Checked":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends when each client's request in progress has."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _client(self, number: int) -> None:
        connection: Optional[Connection] = None
        turn = 0
        while not self._stopping.is_set():
            turn += 1
            try:
                if connection is None:
                    connection = Connection(self._address, self._timeout)
                closes = self._ask(connection, number, turn)
            except Malformed as error:
                with self._lock:
                    self.wrong.append(str(error))
                closes = True
            except (Closed, OSError) as error:
                with self._lock:
                    self.failures.append(f"{type(error).__name__}: {error}"[:200])
                closes = True
            if (closes or self._fresh) and connection is not None:
                connection.close()
                connection = None
            self._stopping.wait(self._pause)
        if connection is not None:
            connection.close()

    def _ask(self, connection: Connection, number: int, turn: int) -> bool:
        last = ["Connection: close"] if self._fresh else []
        if self._wait_ms:
            own = self._wait_ms + number % 50
            wanted = b"slept %d\n" % own
            answer = connection.get(f"/sleep?ms={own}", *last)
        else:
            wanted = b"client %d, turn %d. " % (number, turn) * (1 + (number * 31 + turn) % 97)
            answer = connection.request(
                message("POST", "/echo", f"Content-Length: {len(wanted)}", *last, body=wanted)
            )
        with self._lock:
            if answer.status == 200 and answer.body == wanted:
                self.answers += 1
                self.last_answer = time.monotonic()
            elif answer.status in (408, 503):
                self.refused.append(answer.status)
            else:
                self.wrong.append(f"{answer.status} {answer.body[:80]!r} for {wanted[:80]!r}")
        return answer.closes
