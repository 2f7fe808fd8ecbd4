#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stand-in for the server: the same command line, ready line and process tree, slowly.

FAKE_FAULT in the environment stages one fault:
  exit        refuses to start          mute      never says ready
  model       says it is another model  body      answers other bytes
  status      answers 503 under load    close     closes a connection now and then
  worker      a worker ends and is replaced under load
  deaf        ignores SIGTERM           code      exits with 3 at SIGTERM
  starve      leaves every fourth connection unanswered
  slow        waits 10 ms longer than it was asked to
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

FAULT = os.environ.get("FAKE_FAULT", "")
ANEW_US = 2000  # of CPU time, of each process that is made for a request
POOL_NONE = "--pool=none" in sys.argv[1:]
UNDER_LOAD = 20  # requests after which the faults of a loaded server begin


def spin(rounds: int) -> None:
    end = time.thread_time() + rounds / 1e6
    while time.thread_time() < end:
        pass


class Worker:
    def __init__(self) -> None:
        self.requests = 0
        self.connections = 0

    async def answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        query = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
        if parts.path == "/hello":
            return b"hello?" if FAULT == "body" else b"Hello, World!"
        if parts.path == "/cpu":
            spin(query["n"])
            return b"42\n"
        if parts.path == "/sleep":
            await asyncio.sleep(query["ms"] / 1e3 + (0.01 if FAULT == "slow" else 0))
            return b"slept %d\n" % query["ms"]
        if parts.path == "/mix":
            for _ in range(query["rounds"]):
                spin(query["cpu"])
                await asyncio.sleep(query["wait"] / 1e3)
            return b"mixed\n"
        return b"?"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if FAULT == "starve" and self.connections > 4 and self.connections % 4 == 0:
            await asyncio.sleep(3600)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await self.answer(head.split()[1].decode())
                self.requests += 1
                if POOL_NONE:
                    pid = os.fork()
                    if pid == 0:
                        spin(ANEW_US)
                        os._exit(0)
                    os.waitpid(pid, 0)
                status = b"200 OK"
                if self.requests > UNDER_LOAD:
                    if FAULT == "status":
                        status = b"503 Service Unavailable"
                    if FAULT == "worker" and self.requests == UNDER_LOAD + 1:
                        os._exit(0)
                    if FAULT == "close" and self.requests % 10 == 0:
                        writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
                        break
                writer.write(
                    b"HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: text/plain\r\n"
                    b"Content-Length: %d\r\n\r\n%s"
                    % (status, formatdate(usegmt=True).encode(), len(body), body)
                )
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()


async def worker_main(listener: socket.socket) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    server = await asyncio.start_server(Worker().serve, sock=listener)
    await server.serve_forever()


def spawn(listener: socket.socket) -> int:
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})
        asyncio.run(worker_main(listener))
        os._exit(0)
    return pid


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="coro")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pool", default="before")
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--version", action="version", version="fake 1")
    options = parser.parse_args()
    if FAULT == "exit":
        sys.exit("fake: cannot bind: address in use")
    host, port = options.listen.rsplit(":", 1)
    listener = socket.create_server((host, int(port)), backlog=1024)
    listener.setblocking(False)
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    count = 1 if options.model == "threads" else options.workers
    workers = {spawn(listener) for _ in range(count)}
    if FAULT != "mute":
        model = "another" if FAULT == "model" else options.model
        print(
            f"ready model={model} workers={options.workers} "
            f"listen={host}:{listener.getsockname()[1]} pid={os.getpid()} version=fake",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    while True:
        number = signal.sigwait(signals)
        if number == signal.SIGCHLD:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            workers.discard(pid)
            if pid:
                workers.add(spawn(listener))
        elif FAULT != "deaf":
            break
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
    for pid in workers:
        os.waitpid(pid, 0)
    sys.exit(3 if FAULT == "code" else 0)


main()
