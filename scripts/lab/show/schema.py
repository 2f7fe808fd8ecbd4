# SPDX-License-Identifier: MIT
"""The shape of run.json, and a check of a document against it.

results/SCHEMA.md says what each field means. SCHEMA is raised when a field changes its
meaning or goes away; fields that are added do not raise it. Runs of the schema before are read too:
what a later one has beside is not asked of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

from ..machine.errors import LabError

SCHEMA = 3
READ = (2, SCHEMA)

NUMBER = (int, float)
TEXT, FLAG, LIST, OBJECT, WHOLE = (str,), (bool,), (list,), (dict,), (int,)
NONE = (type(None),)
Kinds = tuple[type, ...]

DOCUMENT: Mapping[str, Kinds] = {
    "schema": WHOLE, "command": TEXT, "started": TEXT, "ended": TEXT, "complete": FLAG,
    "stopped_by": TEXT + NONE, "environment": OBJECT, "plan": OBJECT, "samples": LIST,
    "syscalls": LIST, "cells": LIST, "notes": LIST, "conclusions": OBJECT,
}  # fmt: skip
PLAN: Mapping[str, Kinds] = {
    "preset": TEXT, "label": TEXT, "seed": WHOLE, "blocks": WHOLE, "duration_s": NUMBER,
    "warmup_s": NUMBER, "steady_looked_for": FLAG, "server_cpus": LIST,
    "load_cpus": LIST, "order": LIST,
}  # fmt: skip
SAMPLE: Mapping[str, Kinds] = {
    "block": WHOLE, "order": WHOLE, "workload": TEXT, "connections": WHOLE,
    "configuration": TEXT, "server_command": TEXT, "wrk_command": TEXT, "load": OBJECT + NONE,
    "usage": OBJECT, "memory_bytes": NUMBER, "master_bytes": NUMBER, "steal_s": NUMBER,
    "others_cores": NUMBER, "steady": FLAG, "warmup_s": NUMBER, "extras": OBJECT,
    "gates": LIST, "derived": OBJECT, "exit_status": WHOLE + NONE,
}  # fmt: skip
DERIVED: Mapping[str, Kinds] = {
    "rps": NUMBER, "cpu_us_per_request": NUMBER, "queued_us_per_request": NUMBER,
    "switches_per_request": NUMBER, "server_cores": NUMBER,
    "littles_law_share": NUMBER + NONE, "void": FLAG,
}  # fmt: skip
CELL: Mapping[str, Kinds] = {
    "workload": OBJECT, "connections": WHOLE, "rows": LIST, "aa": OBJECT + NONE,
    "comparisons": LIST, "notes": LIST, "verdict": TEXT,
}  # fmt: skip
ROW: Mapping[str, Kinds] = {
    "configuration": TEXT, "server_cpus": LIST, "load_cpus": LIST, "is_floor": FLAG,
    "is_peer": FLAG, "is_again": FLAG, "void": FLAG, "void_reasons": LIST,
    "blocks_valid": WHOLE, "rps": NUMBER, "cpu_us_per_request": NUMBER,
    "queued_us_per_request": NUMBER, "percentiles_us": OBJECT, "max_us": NUMBER,
    "switches_per_request": NUMBER, "syscalls_per_request": NUMBER + NONE,
    "memory_bytes": NUMBER, "memory_per_worker_bytes": NUMBER, "server_cores": NUMBER,
    "wrk_cpu_share": NUMBER, "ceiling_rps": NUMBER + NONE, "ceiling": TEXT,
    "share_of_ceiling": NUMBER + NONE, "limiter": TEXT, "phantom_samples": WHOLE,
    "steady": FLAG, "extras": OBJECT,
}  # fmt: skip
RATIO: Mapping[str, Kinds] = {
    "ratio": NUMBER, "low": NUMBER + NONE, "high": NUMBER + NONE, "n": WHOLE, "noise": NUMBER,
    "confidence": NUMBER, "state": TEXT,
}  # fmt: skip


def problems(document: Any) -> list[str]:
    """What is wrong with a document; empty for one that can be read."""
    found = _fields(document, DOCUMENT, "run")
    if found:
        return found
    if document["schema"] not in READ:
        return [f"run.schema is {document['schema']}, this lab reads {' and '.join(map(str, READ))}"]
    found += _fields(document["plan"], PLAN, "plan")
    for at, sample in enumerate(document["samples"]):
        where = f"samples[{at}]"
        wrong = _fields(sample, SAMPLE, where)
        found += wrong or _fields(sample["derived"], DERIVED, f"{where}.derived")
    for at, cell in enumerate(document["cells"]):
        found += _cell(cell, f"cells[{at}]", document["schema"] == SCHEMA)
    return found


def _cell(cell: Any, where: str, ratios: bool) -> list[str]:
    found = _fields(cell, CELL, where)
    if found:
        return found
    for at, row in enumerate(cell["rows"]):
        wrong = _fields(row, ROW, f"{where}.rows[{at}]")
        if not wrong and not row["void"] and not row["limiter"]:
            wrong = [f"{where}.rows[{at}]: neither void nor with a limiter"]
        if not wrong and row["void"] and not row["void_reasons"]:
            wrong = [f"{where}.rows[{at}]: void without a reason"]
        found += wrong
    labels = {row["configuration"] for row in cell["rows"] if isinstance(row, dict)}
    for at, pair in enumerate(cell["comparisons"]):
        here = f"{where}.comparisons[{at}]"
        if not isinstance(pair, dict) or not {pair.get("first"), pair.get("second")} <= labels:
            found.append(f"{here}: not between two rows of the cell")
            continue
        for name in ("rps", "cpu_us_per_request") if ratios else ():
            if pair.get(name) is not None:
                found += _fields(pair[name], RATIO, f"{here}.{name}")
    return found


def _fields(value: Any, wanted: Mapping[str, Kinds], where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where} is not an object"]
    found = []
    for name, kinds in wanted.items():
        if name not in value:
            found.append(f"{where}.{name} is missing")
        elif not isinstance(value[name], kinds) or (
            isinstance(value[name], bool) and bool not in kinds
        ):
            expected = " or ".join(kind.__name__ for kind in kinds)
            found.append(f"{where}.{name} is {type(value[name]).__name__}, not {expected}")
    return found


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except OSError as error:
        raise LabError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise LabError(f"{file} is not JSON: {error}") from None


def load(path: Path) -> dict[str, Any]:
    """A run's document, checked. path: the file, or its folder. Raises LabError."""
    file = path / "run.json" if path.is_dir() else path
    document = _read(file)
    wrong = problems(document)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise LabError(f"{file} is not a run this lab can read: {wrong[0]}{more}")
    loaded: dict[str, Any] = document
    return loaded


def load_version(file: Path, version: int) -> dict[str, Any]:
    """Another program's document, of that version of its schema. Raises LabError."""
    document = _read(file)
    if not isinstance(document, dict) or document.get("schema") != version:
        raise LabError(f"{file}: not of schema {version}")
    return document
