# SPDX-License-Identifier: MIT
"""Many short conversations at once, each sent in given pieces.

Every piece goes out by a send() of its own with a pause before the next, in
which the server has the time to read it, so a request cut in two is in general
two reads for the server. The pauses of all conversations overlap.
"""

import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import Dict, List, Sequence

from support.client import Address, open_socket
from support.variant import patience

PAUSE = 0.0003  # seconds between two pieces of one conversation


@dataclass
class Conversation:
    """What is sent, and, once played, what came back until the connection ended."""

    label: str
    pieces: Sequence[bytes]
    half_close: bool = False  # says that no more comes when all is sent
    received: bytearray = field(default_factory=bytearray)
    end: str = ""  # "eof", "reset" or "timeout"


@dataclass
class _Line:
    """A conversation in progress."""

    conversation: Conversation
    socket: socket.socket
    deadline: float
    sent: int = 0
    next_at: float = 0.0
    rest: bytes = b""
    closed: bool = False  # for sending


def _advance(line: _Line, now: float) -> None:
    """Sends the next piece when it is due."""
    pieces = line.conversation.pieces
    if not line.rest:
        if line.sent == len(pieces) and line.conversation.half_close and not line.closed:
            line.closed = True
            _half_close(line.socket)
        if line.sent == len(pieces) or now < line.next_at:
            return
        line.rest = pieces[line.sent]
        line.sent += 1
    try:
        line.rest = line.rest[line.socket.send(line.rest) :]
    except BlockingIOError:
        return
    except (BrokenPipeError, ConnectionResetError):
        # The server takes no more; what it answered before still counts.
        line.rest = b""
        line.sent = len(pieces)
    line.next_at = time.monotonic() + PAUSE


def _half_close(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_WR)
    except OSError:  # the server was faster
        pass


def _receive(line: _Line) -> bool:
    """Reads what is there; True when the conversation is over."""
    try:
        data = line.socket.recv(65536)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        line.conversation.end = "reset"
        return True
    line.conversation.received += data
    if not data:
        line.conversation.end = "eof"
    return not data


def play(address: Address, conversations: Sequence[Conversation], width: int) -> None:
    """Plays all, at most `width` at a time; each must end within 5 s of a release build.

    When many do not, those not begun yet are left out: the server is stuck.
    """
    waiting = list(reversed(conversations))
    timeouts = 0
    active: Dict[int, _Line] = {}
    with selectors.EpollSelector() as selector:
        while waiting or active:
            while waiting and len(active) < width:
                conversation = waiting.pop()
                connected = open_socket(address)
                connected.setblocking(False)
                line = _Line(conversation, connected, time.monotonic() + patience(5))
                active[connected.fileno()] = line
                selector.register(connected, selectors.EVENT_READ, line)
            now = time.monotonic()
            unfinished = False
            for line in active.values():
                _advance(line, now)
                unfinished = unfinished or bool(line.rest) or line.sent < len(line.conversation.pieces)
            over: List[_Line] = []
            for key, _ in selector.select(PAUSE if unfinished else 0.05):
                if _receive(key.data):
                    over.append(key.data)
            now = time.monotonic()
            for line in active.values():
                if now > line.deadline and not line.conversation.end:
                    line.conversation.end = "timeout"
                    timeouts += 1
                    over.append(line)
            if timeouts > 20:
                for conversation in waiting:
                    conversation.end = "giving up on the server"
                waiting.clear()
            for line in over:
                selector.unregister(line.socket)
                del active[line.socket.fileno()]
                line.socket.close()
