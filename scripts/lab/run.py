# SPDX-License-Identifier: MIT
"""A whole run: every step of the plan, then what is written under results/."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Sequence

from . import analysis, gates, measure, table
from .analysis import CellResult, Row
from .children import Children
from .errors import LabError
from .measure import Answers, Programs, Sample
from .plan import Plan
from .progress import Progress
from .quiet import Patience

SCHEMA = 1
# Starting, checking, reading counters and draining, around a step's load.
OVERHEAD_S = 0.2

RESULTS_README = """\
# Results

Runs of `scripts/bench` land here, one folder each: `<UTC time>-<label>/`.

| file | holds |
|---|---|
| `table.md` | the tables as the terminal showed them, with a verdict for each workload |
| `run.json` | every sample with its gates and command lines, the environment, the plan |

`make bench` makes a run labelled `quick`, which git ignores; another label (`--label`) is
kept. These files are generated: to change them, run the lab again.
"""


@dataclass
class Run:
    plan: Plan
    environment: dict[str, Any]
    command: str
    started: str
    samples: list[Sample] = field(default_factory=list)
    complete: bool = False
    stopped_by: str | None = None

    def results(self) -> list[CellResult]:
        """Of the cells with anything measured."""
        measured = {(sample.workload, sample.connections) for sample in self.samples}
        return [
            analysis.analyse(cell, self.samples)
            for cell in self.plan.cells
            if (cell.workload.name, cell.connections) in measured
        ]


def seconds_a_step(plan: Plan) -> float:
    return plan.duration_s + plan.warmup_s + OVERHEAD_S


def utc(form: str) -> str:
    return time.strftime(form, time.gmtime())


def execute(
    plan: Plan,
    programs: Programs,
    children: Children,
    progress: Progress,
    patience: Patience,
) -> Iterator[Sample]:
    """A sample a step. One that other programs disturbed is taken again while patience lasts."""
    answers = Answers()
    for order, step in enumerate(plan.steps):
        progress.show(order, step, plan.blocks)
        for repeats in itertools.count():
            patience.await_quiet()
            sample = measure.measure(
                children,
                programs,
                step.cell,
                step.configuration,
                step.block,
                order,
                plan.duration_s * step.cell.workload.duration_factor,
                plan.warmup_s,
                answers,
            )
            if not patience.again(gates.disturbed(sample), seconds_a_step(plan)):
                break
        sample.repeats = repeats
        sample.gates = gates.check(sample, step.cell.workload, step.configuration)
        yield sample


def write(run: Run, results: Sequence[CellResult], directory: Path) -> Path:
    """The run's folder, new, below directory. Raises LabError where it cannot be made."""
    folder = directory / f"{utc('%Y%m%dT%H%M%SZ')}-{run.plan.label}"
    try:
        folder.mkdir(parents=True)
        document = json.dumps(to_json(run, results), indent=1, ensure_ascii=False)
        (folder / "run.json").write_text(document + "\n")
        (folder / "table.md").write_text(
            table.render_markdown(run.plan, results, f"Run {folder.name}", how(run))
        )
        readme = directory / "README.md"
        if not readme.exists() or readme.read_text() != RESULTS_README:
            readme.write_text(RESULTS_README)
    except OSError as error:
        raise LabError(f"cannot write results to {folder}: {error.strerror}") from None
    return folder


def how(run: Run) -> str:
    """One paragraph: with what, on what, how often."""
    plan, env = run.plan, run.environment
    words = [
        f"`{run.command}` at {run.started}, seed {plan.seed}:",
        f"{plan.blocks} blocks of {plan.duration_s:g} s a configuration,",
        f"server on core {table.cores_text(plan.cores.server)},",
        f"wrk on core {table.cores_text(plan.cores.load)};",
        f"{env.get('cpu') or 'unknown CPU'}, {env.get('cores')} cores,",
        f"Linux {env.get('kernel')}, {env.get('server_version') or 'server of unknown version'}.",
    ]
    if not run.complete:
        words.append(f"**Incomplete: stopped by {run.stopped_by or 'an error'}.**")
    return " ".join(words)


def to_json(run: Run, results: Sequence[CellResult]) -> dict[str, Any]:
    plan = run.plan
    return {
        "schema": SCHEMA,
        "command": run.command,
        "started": run.started,
        "ended": utc("%Y-%m-%dT%H:%M:%SZ"),
        "complete": run.complete,
        "stopped_by": run.stopped_by,
        "environment": run.environment,
        "plan": {
            "label": plan.label,
            "seed": plan.seed,
            "blocks": plan.blocks,
            "duration_s": plan.duration_s,
            "warmup_s": plan.warmup_s,
            "server_cpus": plan.cores.server,
            "load_cpus": plan.cores.load,
            "order": [
                [s.block, s.cell.workload.name, s.cell.connections, s.configuration.label]
                for s in plan.steps
            ],
        },
        "samples": [sample_json(sample) for sample in run.samples],
        "cells": [
            {
                "workload": dataclasses.asdict(
                    result.cell.workload,
                    dict_factory=lambda items: {
                        k: v.decode() if isinstance(v, bytes) else v for k, v in items
                    },
                ),
                "connections": result.cell.connections,
                "rows": [row_json(row) for row in result.rows],
                "notes": table.footnotes(result),
                "verdict": sentence,
            }
            for result, sentence in zip(results, table.sentences(results))
        ],
        "notes": table.common_lines(plan, results),
    }


def sample_json(sample: Sample) -> dict[str, Any]:
    data = dataclasses.asdict(sample)
    data["derived"] = {
        "rps": sample.rps,
        "cpu_us_per_request": sample.cpu_us,
        "switches_per_request": sample.switches,
        "server_cores": sample.server_cores,
        "littles_law_share": (
            gates.little_share(sample.load, sample.connections) if sample.load else None
        ),
        "void": sample.void,
    }
    return data


def row_json(row: Row) -> dict[str, Any]:
    return {
        "configuration": row.label,
        "server_cpus": row.configuration.server_cpus,
        "load_cpus": row.configuration.load_cpus,
        "void": row.void,
        "void_reasons": row.void_reasons,
        "blocks_valid": len(row.valid),
        "rps": row.rps,
        "cpu_us_per_request": row.cpu_us,
        "percentiles_us": row.percentiles_us,
        "max_us": row.max_us,
        "switches_per_request": row.switches,
        "memory_bytes": row.memory_bytes,
        "memory_per_worker_bytes": row.memory_per_worker_bytes,
        "server_cores": row.server_cores,
        "wrk_cpu_share": row.load_cpu_share,
        "ceiling_rps": row.ceiling.rps,
        "ceiling": row.ceiling.formula,
        "share_of_ceiling": row.share,
        "limiter": row.limiter,
        "phantom_samples": row.phantoms,
    }
