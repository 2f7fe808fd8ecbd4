# SPDX-License-Identifier: MIT
"""System calls of one configuration under one load, as strace counted them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Mapping

_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


@dataclass(frozen=True)
class Count:
    """calls: by name, over all workers and threads."""

    workload: str
    connections: int
    configuration: str
    requests: int
    calls: Mapping[str, int]

    @property
    def a_request(self) -> float:
        return sum(self.calls.values()) / self.requests if self.requests else 0.0


def parse(text: str) -> dict[str, int]:
    """The table of strace -c to calls by name."""
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and match.group(2) != "total":
            found[match.group(2)] = int(match.group(1))
    return found
