# SPDX-License-Identifier: MIT
"""A server with one worker that takes the same time for each request, in order of arrival.

    fixed_service.py SECONDS

Writes its port, serves until its standard input ends. Its answers leave when they would if a machine were
ideal: the next one's service begins at the time at which the one before was to end, not at that at which this
process got around to ending it. So what a noisy machine adds does not add up.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections import deque

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def serve(service_s: float, listener: socket.socket) -> None:
    clients: list[socket.socket] = []
    waiting: deque[tuple[socket.socket, float]] = deque()  # with the time of its arrival
    free_at = 0.0  # when the worker ends the request before
    while True:
        due = max(free_at, waiting[0][1]) + service_s if waiting else None
        left = None if due is None else max(0.0, due - time.monotonic())
        ready, _, _ = select.select([sys.stdin, listener, *clients], [], [], left)
        now = time.monotonic()
        if due is not None and now >= due:
            waiting.popleft()[0].send(ANSWER)
            free_at = due
        for source in ready:
            if source is sys.stdin:
                return
            if source is listener:
                clients.append(listener.accept()[0])
            elif source.recv(65536):  # one request: the next is asked when it is answered
                waiting.append((source, now))
            else:
                clients.remove(source)
                source.close()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=512) as at:
        print(at.getsockname()[1], flush=True)
        serve(float(sys.argv[1]), at)
