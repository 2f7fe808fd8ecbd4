# SPDX-License-Identifier: MIT
"""What a server's output goes to, with a reader that can stand still: pipes, a terminal, a socket."""

import fcntl
import os
import select
import socket
import termios
from typing import List, Sequence

from support.variant import patience


class Sink:
    """`fd` is for the server. Nothing is read from the other end but by read_line() and drain()."""

    # A command to run the server under.
    prefix: Sequence[str] = ()

    def __init__(self, fd: int, reader: int) -> None:
        self.fd = fd
        self.reader = reader
        os.set_blocking(reader, False)

    def _read(self) -> bytes:
        try:
            return os.read(self.reader, 65536)
        except BlockingIOError:
            return b""

    def read_line(self, within: float = 20) -> str:
        """The first line, up to its end and no further."""
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.reader], [], [], patience(within))
            assert ready, f"no line; so far {line!r}"
            line += os.read(self.reader, 1)
        return line.decode().strip()

    def fill(self) -> None:
        """Until there is room for nothing."""
        raise NotImplementedError

    def drain(self) -> bytes:
        """All that is there; the server can write again."""
        found = b""
        while piece := self._read():
            found += piece
        return found

    def flags(self) -> int:
        """Of the open file that the server was given, and others have too."""
        return fcntl.fcntl(self.fd, fcntl.F_GETFL)

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.reader)


class Pipe(Sink):
    def __init__(self) -> None:
        reader, fd = os.pipe()
        super().__init__(fd, reader)
        self._filler = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)

    def fill(self) -> None:
        for size in (4096, 1):
            try:
                while True:
                    os.write(self._filler, b"x" * size)
            except BlockingIOError:
                pass

    def close(self) -> None:
        os.close(self._filler)
        super().close()


class OthersPipe(Pipe):
    """One that the server may write to and not open, as when another user has made it."""

    def __init__(self) -> None:
        super().__init__()
        os.fchmod(self.fd, 0)
        if os.geteuid() == 0:
            self.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


class Terminal(Sink):
    """fill() is Ctrl-S."""

    def __init__(self) -> None:
        reader, fd = os.openpty()
        super().__init__(fd, reader)

    def fill(self) -> None:
        termios.tcflow(self.fd, termios.TCOOFF)

    def drain(self) -> bytes:
        termios.tcflow(self.fd, termios.TCOON)
        return super().drain().replace(b"\r\n", b"\n")


class Socket(Sink):
    """As systemd's journal has it."""

    def __init__(self) -> None:
        self._ends: List[socket.socket] = list(socket.socketpair())
        super().__init__(self._ends[0].fileno(), self._ends[1].fileno())

    def fill(self) -> None:
        for size in (4096, 1):
            try:
                while True:
                    self._ends[0].send(b"x" * size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass

    def close(self) -> None:
        for end in self._ends:
            end.close()


KINDS = {"pipe": Pipe, "others-pipe": OthersPipe, "terminal": Terminal, "socket": Socket}
