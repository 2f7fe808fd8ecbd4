# SPDX-License-Identifier: MIT
"""The exceptions the user is meant to read."""

import argparse
import difflib
from typing import Iterable


class LabError(Exception):
    """A reason to stop, said in one line: what, and what to do about it."""


class UsageError(LabError, argparse.ArgumentTypeError):
    """An option, or a value of one, that cannot be meant: what was given, what is accepted. Where
    argparse asked for the value, it says the option's name before it."""


def known(name: str, names: Iterable[str], what: str) -> str:
    """The name. Raises UsageError, with what may have been meant, where it is none of the names."""
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown {what} {name!r}: {hint}there are {', '.join(names)}")
    return name
