# SPDX-License-Identifier: MIT
"""A run.json back into the Run that wrote it, so that every output can be made again.

Only the samples and the plan are taken from the document; medians, ratios and verdicts are
worked out anew by the same code as after a measurement. Fields that an older run does not
have keep their defaults, fields that this lab does not know are left alone.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Mapping, Type, TypeVar, cast

from ..machine.errors import LabError
from ..machine.procfs import Machine, Usage
from ..ask.plan import AGAIN, Cell, Configuration, Cores, Plan, Step, with_flag
from ..ask.kinds import Kind
from ..ask.workloads import Workload
from ..measure.sample import Count, Sample
from ..measure.load import OpenLoad, Times
from ..measure.wrk import Load
from ..judge import conclusions
from . import schema, table
from .document import Run

T = TypeVar("T")
_LABEL = re.compile(
    r"(?P<model>.*?)(?:\((?P<workers>\d+)\))?(?P<flags>(?:\+\w+)*)(?: at (?P<percent>[\d.]+) %)?", re.DOTALL
)


def read(path: Path) -> Run:
    """path: run.json or its folder. Raises LabError where it cannot be read."""
    return from_json(schema.load(path))


def from_json(document: Mapping[str, Any]) -> Run:
    """document: checked by schema. Raises LabError where it does not fit together."""
    try:
        return _run(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LabError(f"the run cannot be put together again: {error!r}") from None


def configuration(row: Mapping[str, Any], two_machines: bool = False) -> Configuration:
    """From its label and cores, as they stand in a row of a cell."""
    label: str = row["configuration"]
    once = label[: -len(AGAIN)] if row["is_again"] else label
    match = _LABEL.fullmatch(once)
    if match is None:
        raise ValueError(f"configuration {label!r}")
    flags = match["flags"].split("+")[1:]
    made = Configuration(
        match["model"],
        int(match["workers"] or 1),
        tuple(row["server_cpus"]),
        tuple(row["load_cpus"]),
        suffix=AGAIN if row["is_again"] else "",
        offered=float(match["percent"]) / 100 if match["percent"] else None,
        two_machines=two_machines,
    )
    for flag in flags:
        made = with_flag(made, flag)
    if made.label != label:
        raise ValueError(f"configuration {label!r} is read as {made.label!r}")
    return made


def _fields(made: Type[T], data: Mapping[str, Any], **others: Any) -> T:
    """An instance of a dataclass from those items that it has fields for."""
    names = {field.name for field in dataclasses.fields(cast(Any, made))}
    return made(**{**{k: v for k, v in data.items() if k in names}, **others})


def _workload(data: Mapping[str, Any]) -> Workload:
    body = data.get("body")
    return _fields(
        Workload, data, body=body.encode() if body is not None else None, kind=Kind(data["kind"])
    )


def _sample(data: Mapping[str, Any]) -> Sample:
    return _fields(
        Sample,
        data,
        load=_fields(Load, data["load"]) if data["load"] else None,
        usage=_fields(Usage, data["usage"]),
        open=_open(data["open"]) if data.get("open") else None,
        warmup_windows=tuple(data.get("warmup_windows", ())),
        apart_ns=tuple(data.get("apart_ns", ())),
        hosts={name: _fields(Machine, machine) for name, machine in data.get("hosts", {}).items()},
    )


def _open(data: Mapping[str, Any]) -> OpenLoad:
    times = {name: _fields(Times, data[name]) for name in ("lag", "latency", "service")}
    ends = {"void": tuple(data["void"]), "backlog": tuple((at, age) for at, age in data["backlog"])}
    return _fields(OpenLoad, data, **times, **ends)


def _plan(document: Mapping[str, Any]) -> Plan:
    data = document["plan"]
    two_machines = data.get("two_machines", False)
    cells = tuple(
        Cell(
            _workload(cell["workload"]),
            cell["connections"],
            tuple(configuration(row, two_machines) for row in cell["rows"]),
        )
        for cell in document["cells"]
    )
    # Of a run that was cut short earlier labs left out the cells that it had not reached.
    known = {
        (cell.workload.name, cell.connections, c.label): (cell, c)
        for cell in cells
        for c in cell.configurations
    }
    steps = tuple(Step(block, *known[key]) for block, *rest in data["order"]
                  if (key := (rest[0], rest[1], rest[2])) in known)  # fmt: skip
    return _fields(
        Plan,
        data,
        cells=cells,
        steps=steps,
        cores=Cores(tuple(data["server_cpus"]), tuple(data["load_cpus"]), two_machines),
        steady=data["steady_looked_for"],
        syscalls=data.get("syscalls_wanted", bool(document["syscalls"])),
    )


def _run(document: Mapping[str, Any]) -> Run:
    run = _fields(
        Run,
        document,
        plan=_plan(document),
        samples=[_sample(sample) for sample in document["samples"]],
        counts=[_fields(Count, count) for count in document["syscalls"]],
    )
    results = run.results()
    common = {*table.common_lines(run.plan, results), table.interval_line(run.plan.blocks)}
    run.notes = [note for note in document["notes"] if note not in common]
    drawn, run.conclusion_lines = conclusions.draw(run.plan, results)
    if drawn:
        run.conclusions = drawn
    else:
        lines = run.conclusions.get("lines", run.conclusions.get("advice", []))
        run.conclusion_lines = [str(line) for line in lines]
    return run
