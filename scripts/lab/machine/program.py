# SPDX-License-Identifier: MIT
"""What every program of the lab shares: options, messages, exit statuses, signals.

Exit status 0: done. 1: could not run, or what was asked for does not hold; a line says why.
64: a bad option, or a bad value of one. 130: interrupted. 141: nobody reads the output.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
from types import FrameType
from typing import Callable, NoReturn, Sequence, TextIO, TypeVar

from .errors import LabError, UsageError

EX_USAGE = 64
EX_INTERRUPTED = 128 + signal.SIGINT
EX_UNREAD = 128 + signal.SIGPIPE
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Number = TypeVar("Number", int, float)


class Parser(argparse.ArgumentParser):
    """Texts are kept as they are written, options are not abbreviated, a wrong one is one line."""

    def __init__(self, prog: str, description: str | None, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog, description=description, epilog=epilog, allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def number(kind: type[Number], least: float, most: float = math.inf) -> Callable[[str], Number]:
    """An option's type: a number from least to most."""

    def parse(text: str) -> Number:
        value: Number | None = None
        with contextlib.suppress(ValueError):
            value = kind(text)
        if value is None or not least <= value <= most:
            bounds = f"from {least:g}" + (f" to {most:g}" if most < math.inf else "")
            raise UsageError(f"{text!r}: expected a {'whole ' if kind is int else ''}number {bounds}")
        return value

    return parse


def parse_numbers(text: str) -> list[int]:
    """Whole numbers from 1, separated by commas, none twice."""
    return list(dict.fromkeys(map(number(int, 1), text.split(","))))


def split_list(text: str) -> list[str]:
    """What commas separate, none twice."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def say(stream: TextIO, text: str) -> None:
    """Writes to a stream that may be a terminal closed meanwhile, or a pipe that nobody reads any
    more: then this and all that follows is dropped, so that what was measured is not lost for it.
    In a locale without the signs used, the nearest ASCII is written."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        text = text.translate({ord("µ"): "u", ord("×"): "x", ord("–"): "-"})
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """What the stream still holds, and Python writes at the end, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def interruptible() -> None:
    """From now on a stopping signal raises KeyboardInterrupt, with its name."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)  # a second must not cut the clearing up short
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in STOPPING:
        # nohup has it ignored: the end of the terminal is then not to stop it.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def run(name: str, body: Callable[[Sequence[str]], int], cannot: int = 1) -> int:
    """The whole of a program: body with the command line's arguments. Its exit status, which is
    `cannot` where a LabError says so."""
    interruptible()
    try:
        return body(sys.argv[1:])
    except LabError as error:
        say(sys.stderr, f"{name}: {error}\n")
        return EX_USAGE if isinstance(error, UsageError) else cannot
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except BrokenPipeError:
        _silence(sys.stdout)
        return EX_UNREAD
