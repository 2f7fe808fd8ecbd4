# SPDX-License-Identifier: MIT
"""Where the server runs, and where its load: here, or on hosts that are reached by ssh.

Whatever the lab does at one of them is `host.call(function, ...)`: here that is the call itself, elsewhere
an agent makes it (see agent), started in the checkout that is to be there, by the same conventions as
those of scripts/load: `local` is no host, LOAD_SSH names another command than ssh, and nothing is asked.
Each host takes times by its own clock, and nobody compares two.
"""

from __future__ import annotations

import dataclasses
import operator
import os
import pickle
import shlex
import socket
import subprocess
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, ParamSpec, TypeVar

from .agent import GREETING, ROOT, Reader, Reference, Writer, version
from .children import Children
from .errors import LabError, UsageError

LOCAL, LOOPBACK = "local", "127.0.0.1"
READY_WITHIN_S = 30.0  # a remote shell may ask a slow name server
ENDED_WITHIN_S = 20.0  # its servers included
START = "import os, sys; sys.path[0] = os.getcwd(); from lab.machine import agent; agent.main()"

P = ParamSpec("P")
T = TypeVar("T")


class Host:
    """This machine. children: those it has of its own; None: whoever measures brings them."""

    children: Children | None = None

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)


class Answers(Reader):
    """What an agent says makes nothing here but the lab's own data and errors: another host is not
    to run anything on this one."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if module.startswith("lab.") and name.isidentifier() else None
        if isinstance(found, type) and found.__module__ == module:
            if dataclasses.is_dataclass(found) or issubclass(found, Exception):
                return found
        raise pickle.UnpicklingError(f"an answer with {module}.{name}")


class Proxy:
    """What an agent keeps. Methods and fields are those over there."""

    def __init__(self, host: "Far", number: int, methods: list[str]) -> None:
        vars(self).update(_host=host, _number=number, _methods=methods)

    def __getattr__(self, name: str) -> Any:
        if name not in self._methods:
            return self._host.call(getattr, self, name)
        return lambda *args, **kwargs: self._host.call(operator.methodcaller(name, *args, **kwargs), self)

    def __setattr__(self, name: str, value: object) -> None:
        self._host.call(setattr, self, name, value)

    def __enter__(self) -> Any:
        return self._host.ask("enter", self)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._host.over is None:  # else the agent leaves all that was entered
            self._host.ask("leave", self, kind is not None)


class Far(Host):
    """A host with an agent. A context manager: leaving it ends the agent and all that runs there."""

    def __init__(self, name: str, checkout: Path) -> None:
        self.name = name
        self.over: BaseException | None = None  # why nothing can be asked any more
        place = shlex.quote(str(checkout))
        missing = shlex.quote(f"no checkout at {checkout}: --checkout says where it is")
        command = "exec /bin/sh -c " + shlex.quote(  # whatever its user's shell is
            f"cd {place}/scripts/lab 2>/dev/null && cd .. || {{ echo {missing} >&2; exit 1; }}; "
            f"exec /usr/bin/python3 -c {shlex.quote(START)}"
        )
        self._said = tempfile.TemporaryFile()
        shell = (os.environ.get("LOAD_SSH") or "ssh").split()
        try:
            self._process = subprocess.Popen(
                [*shell, name, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise LabError(f"{name}: {shell[0]}: {error.strerror}") from None
        assert self._process.stdin and self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def __enter__(self) -> "Far":
        try:
            self._greet()
            self.children = self.call(Children).__enter__()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _greet(self) -> None:
        patience = threading.Timer(READY_WITHIN_S, self._process.kill)
        patience.start()
        try:  # a shell may speak first
            said = next((line for line in self._answers if line.startswith(GREETING)), b"")
        finally:
            patience.cancel()
        if not said:
            raise self._lost()
        if said.removeprefix(GREETING).strip().decode() != version():
            raise LabError(f"{self.name}: its checkout is of another version than this one")

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._requests.close()
        try:
            self._process.wait(ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._said.close()

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        answer: T = self.ask(function, *args, **kwargs)
        return answer

    def ask(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Raises LabError, also where the host is lost; then, and once interrupted, the same ever after."""
        if self.over:
            raise self.over
        try:
            Writer(self._requests, self._reference).dump((function, args, kwargs))
            self._requests.flush()
            good, value = Answers(self._answers, lambda *kept: Proxy(self, *kept)).load()
        except Exception as error:
            gone = isinstance(error, (EOFError, OSError))
            self.over = self._lost() if gone else LabError(f"{self.name}: {error}")
            raise self.over from None
        except BaseException as stop:  # an answer that nobody waited for would be taken for the next one's
            self.over = stop
            with suppress(OSError):
                self._requests.close()
            raise
        if good:
            return value
        raise type(value)(f"{self.name}: {value}") if isinstance(value, LabError) else value

    def _reference(self, obj: object) -> Reference | None:
        if not isinstance(obj, Proxy):
            return None
        assert obj._host is self, "another host's"
        return "kept", obj._number

    def _lost(self) -> LabError:
        """The reason is what its shell or its agent said last."""
        why = "its agent does not answer"
        with suppress(subprocess.TimeoutExpired):
            why = f"its agent has ended (exit status {self._process.wait(ENDED_WITHIN_S)})"
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        return LabError(f"{self.name}: {next((line.strip() for line in lines[::-1] if line.strip()), why)}")


@dataclass(frozen=True)
class Hosts:
    """address: by which the load reaches the server. two_machines: each has cores of its own; hosts that are
    containers or namespaces of one machine share them."""

    server: Host = Host()
    load: Host = server
    address: str = LOOPBACK
    two_machines: bool = False

    @property
    def each(self) -> list[Host]:
        return [self.server, self.load] if self.two else [self.server]

    @property
    def two(self) -> bool:
        return self.server is not self.load


def address_of(name: str) -> str:
    """As this machine resolves it. Raises LabError."""
    try:
        return str(socket.getaddrinfo(name, None, socket.AF_INET)[0][4][0])
    except OSError as error:
        raise LabError(f"{name}: {error.strerror}: --server-address says where the server is to be reached") from None


def booted() -> str:
    """The same on all hosts that are one machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text()


@contextmanager
def opened(server: str, load: str, address: str | None, checkout: Path) -> Iterator[Hosts]:
    """Raises LabError for the first that cannot be used."""
    if server == load == LOCAL:
        if address:
            raise UsageError("--server-address: with --server-host or --load-host; else all is on loopback")
        yield Hosts()
        return
    for name in (server, load):
        if not name or name.startswith("-"):
            raise UsageError(f"host {name!r}: expected a name for ssh, or {LOCAL}")
    if server == load:
        raise UsageError(f"server and load both on {server}: run this program there")
    if server == LOCAL and not address:
        raise UsageError("--server-address: which of this machine's has the load to ask?")
    with ExitStack() as stack:
        here, there = (
            Host() if name == LOCAL else stack.enter_context(Far(name, checkout)) for name in (server, load)
        )
        where = there.call(address_of, address or server.rpartition("@")[2])
        yield Hosts(here, there, where, here.call(booted) != there.call(booted))
