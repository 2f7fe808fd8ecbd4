# SPDX-License-Identifier: MIT
"""The lab's end on another host: does what it is asked to, and answers, while somebody is there.

A request is a function of the lab with its arguments, pickled; the answer is what it returned or
raised. What holds something of its host, such as a process, a socket or a folder, is kept there:
the other end gets a number for it and gives that back. All that was entered is left when nobody
asks any more, so no server or load goes on without who wanted it; also in the middle of a request.

Who asks has come by ssh and may run anything here. That is not so the other way: see hosts.Answers.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import select
import signal
import sys
import threading
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path, PurePath
from typing import IO, Any, Callable

from . import program
from .cgroup import Memory
from .errors import LabError

ROOT = Path(__file__).resolve().parents[3]
GREETING = b"lab-agent "  # then version()
KEPT = (AbstractContextManager, Memory)
Reference = tuple[Any, ...]


def version() -> str:
    """Of the lab's sources: both ends must have the same."""
    made = hashlib.sha256()
    for pattern in ("*.py", "lab/**/*.py", "lab/server/peer_conf/*", "wrk/*.lua"):
        for path in sorted((ROOT / "scripts").glob(pattern)):
            made.update(path.read_bytes())
    return made.hexdigest()[:16]


class Writer(pickle.Pickler):
    """A path below the checkout is that below the other end's, and what `reference` knows a reference."""

    def __init__(self, file: IO[bytes], reference: Callable[[object], Reference | None]) -> None:
        super().__init__(file, protocol=5)
        self._reference = reference

    def persistent_id(self, obj: object) -> Reference | None:
        if isinstance(obj, PurePath):
            below = obj.is_relative_to(ROOT)
            return "path", below, str(obj.relative_to(ROOT) if below else obj)
        return self._reference(obj)


class Reader(pickle.Unpickler):
    def __init__(self, file: IO[bytes], referred: Callable[..., object]) -> None:
        super().__init__(file)
        self._referred = referred

    def persistent_load(self, pid: Reference) -> object:
        kind, *rest = pid
        if kind == "path":
            return ROOT / rest[1] if rest[0] else Path(rest[1])
        return self._referred(*rest)


class Agent:
    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests, self._answers = requests, answers
        self._kept: list[Any] = []
        self._numbers: dict[int, int] = {}  # of what is kept, by its id(), which is so nobody else's
        self._entered: list[Any] = []

    def serve(self) -> None:
        """Until the requests end."""
        with suppress(EOFError):
            while True:
                function, args, kwargs = Reader(self._requests, self._kept.__getitem__).load()
                answer = self._answer(function, args, kwargs)
                Writer(self._answers, self._reference).dump(answer)
                self._answers.flush()

    def _answer(self, function: Any, args: Any, kwargs: Any) -> tuple[bool, Any]:
        try:
            own: dict[Any, Any] = {"enter": self._enter, "leave": self._leave}
            return True, own.get(function, function)(*args, **kwargs)
        except Exception as error:
            ours = type(error).__module__.startswith("lab.")
            return False, error if ours else LabError(f"{type(error).__name__}: {error}")

    def _reference(self, obj: object) -> Reference | None:
        if not isinstance(obj, KEPT):
            return None
        if id(obj) not in self._numbers:
            self._numbers[id(obj)] = len(self._kept)
            self._kept.append(obj)
        kind = type(obj)
        methods = [name for name in dir(kind) if name[0] != "_" and callable(getattr(kind, name))]
        return "kept", self._numbers[id(obj)], methods

    def _enter(self, thing: Any) -> Any:
        entered = thing.__enter__()
        self._entered.append(thing)
        return entered

    def _leave(self, thing: Any, failed: bool) -> None:
        self._entered.remove(thing)
        error = LabError("left") if failed else None
        thing.__exit__(type(error) if error else None, error, None)

    def close(self) -> None:
        while self._entered:
            with suppress(Exception):
                self._leave(self._entered[-1], True)


def _watch() -> None:
    """Stops the main thread, whatever it is at, when nobody is left who could ask."""
    end = select.poll()
    end.register(sys.stdin, select.POLLRDHUP)  # a pipe tells of it unasked
    end.poll()
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    signal.pthread_kill(main_thread, signal.SIGTERM)  # which may block it for a moment


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is said is no answer
    os.chdir(ROOT)
    agent = Agent(sys.stdin.buffer, answers)
    program.interruptible()
    try:
        threading.Thread(target=_watch, daemon=True).start()
        answers.write(b"\n" + GREETING + version().encode() + b"\n")
        answers.flush()
        with suppress(BrokenPipeError):
            agent.serve()
        while True:  # _watch has seen it too, and ends this, so that it ends nothing later
            time.sleep(1.0)
    except KeyboardInterrupt:
        agent.close()
