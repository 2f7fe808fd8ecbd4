# SPDX-License-Identifier: MIT
"""The one exception the user is meant to read."""


class LabError(Exception):
    """A reason to stop, said in one line: what, and what to do about it."""
