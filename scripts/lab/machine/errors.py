# SPDX-License-Identifier: MIT
"""The exceptions the user is meant to read."""


class LabError(Exception):
    """A reason to stop, said in one line: what, and what to do about it."""


class UsageError(LabError):
    """An option, or a value of one, that cannot be meant: what was given, what is accepted."""
