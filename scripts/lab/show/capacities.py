# SPDX-License-Identifier: MIT
"""What scripts/capacity found, in words: of a server as its capacity.json has it, and of the models in
README.md's table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Collection, Mapping

from ..ask.plan import MODELS
from ..judge import words
from ..judge.capacity import Promise
from . import schema

SCHEMA = 1
FILE = "capacity.json"


def load(folder: Path) -> dict[str, Any]:
    """Raises LabError."""
    return schema.load_version(folder / FILE, SCHEMA)


def carries(server: Mapping[str, Any]) -> str:
    """The rate of one server."""
    if server["problem"]:
        return "void"
    if server["less_than"]:
        return f"< {server['less_than']:,.0f}/s"
    if server["at_least"]:
        return f"≥ {server['at_least']:,.0f}/s"
    if server["carries"] is None:
        return "nothing" if server["decided"] else words.NONE
    return f"{'' if server['decided'] else '~ '}{server['carries']['rate']:,.0f}/s"


def column(document: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The head, and for each workload what each of the models carries, the first pool of each."""
    found: dict[str, dict[str, str]] = {}
    for server in document["servers"]:
        model = server["server"].partition("(")[0]
        found.setdefault(server["workload"], {}).setdefault(model, carries(server).removesuffix("/s"))
    cells = {name: " / ".join(each.get(model, words.NONE) for model in MODELS) for name, each in found.items()}
    return f"carries at {Promise(**document['promise'])}", cells


def reading_line(document: Mapping[str, Any], place: Path, workloads: Collection[str]) -> str:
    """Of what the column has of these. place: the run's folder, as a link has it."""
    labels = dict.fromkeys(s["server"] for s in document["servers"] if s["workload"] in workloads)
    named = [next((label for label in labels if label.partition("(")[0] == m), m) for m in MODELS]
    return (
        f"Carries, of {words.listed(list(workloads))}: requests/s that come by themselves (an open loop), {' / '.join(named)}, "
        f"at which the promise still holds, by `{document['command']}`: [intervals and limits]({place}/table.txt)."
    )
