# SPDX-License-Identifier: MIT
"""A run and its document, run.json: every sample, gate and command line, and what follows.

schema says what the document must hold; results/SCHEMA.md says it to people.
"""

from __future__ import annotations

import dataclasses
import shlex
import time
from dataclasses import dataclass, field
from typing import Any, Sequence

from ..ask.plan import Plan
from ..measure.sample import Count, Sample
from ..judge import analysis, distance, gates, verdict
from ..judge.analysis import CellResult, Row
from ..judge.stats import Comparison
from . import table
from .schema import SCHEMA

PLACE = "--results"


@dataclass
class Run:
    plan: Plan
    environment: dict[str, Any]
    command: str
    started: str
    samples: list[Sample] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    conclusions: dict[str, Any] = field(default_factory=dict)  # of a preset: goals, crossover
    conclusion_lines: list[str] = field(default_factory=list)  # the same, to be read
    notes: list[str] = field(default_factory=list)
    complete: bool = False
    stopped_by: str | None = None

    def results(self) -> list[CellResult]:
        """Of the cells with anything measured."""
        measured = {(sample.workload, sample.connections) for sample in self.samples}
        samples, plan = distance.evened(self.samples), self.plan
        # Whether ratios were looked at for more blocks, maybe with a budget that is no longer the plan's.
        stopped = plan.budget_s > 0 or any(step.block >= plan.blocks for step in plan.steps)
        return [
            analysis.analyse(cell, samples, self.counts, stopped)
            for cell in plan.cells
            if (cell.workload.name, cell.connections) in measured
        ]


def command_line(program: str, argv: Sequence[str]) -> str:
    """As it can be given again. Where the results were put is left out: on another machine that
    may be no place at all, and it has no part in what was measured."""
    words, place = [program], False
    for word in argv:
        if not place and word != PLACE and not word.startswith(PLACE + "="):
            words.append(word)
        place = word == PLACE and not place
    return shlex.join(words)


def utc(form: str) -> str:
    return time.strftime(form, time.gmtime())


def to_json(run: Run, results: Sequence[CellResult]) -> dict[str, Any]:
    """Also with the cells of the plan that have no results yet: --resume goes on with them."""
    plan, reached = run.plan, [result.cell for result in results]
    unseen = [analysis.analyse(cell, ()) for cell in plan.cells if cell not in reached]
    pipelines = {(c.workload.name, c.connections): c.workload.pipeline for c in plan.cells}
    return {
        "schema": SCHEMA,
        "command": run.command,
        "started": run.started,
        "ended": utc("%Y-%m-%dT%H:%M:%SZ"),
        "complete": run.complete,
        "stopped_by": run.stopped_by,
        "environment": run.environment,
        "plan": {
            "preset": plan.preset,
            "label": plan.label,
            "seed": plan.seed,
            "blocks": plan.blocks,
            "duration_s": plan.duration_s,
            "warmup_s": plan.warmup_s,
            "steady_looked_for": plan.steady,
            "nice": plan.nice,
            "budget_s": plan.budget_s,
            "precision": plan.precision,
            "capacities": plan.capacities,
            "syscalls_wanted": plan.syscalls,
            "server_cpus": plan.cores.server,
            "load_cpus": plan.cores.load,
            "two_machines": plan.cores.two_machines,
            "order": [
                [s.block, s.cell.workload.name, s.cell.connections, s.configuration.label]
                for s in plan.steps
            ],
        },
        "syscalls": [
            {**dataclasses.asdict(count), "a_request": count.a_request} for count in run.counts
        ],
        "samples": [
            sample_json(sample, pipelines[sample.workload, sample.connections])
            for sample in run.samples
        ],
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
                "aa": aa_json(result),
                "comparisons": comparisons_json(result),
                "notes": table.footnotes(result),
                "verdict": verdict.sentence(result),
            }
            for result in [*results, *unseen]
        ],
        "notes": [*table.common_lines(plan, results), *run.notes],
        "conclusions": run.conclusions,
    }


def sample_json(sample: Sample, pipeline: int) -> dict[str, Any]:
    data = dataclasses.asdict(sample)
    del data["far_share"], data["cpu_factor"]  # worked out anew from all samples
    data["derived"] = {
        "rps": sample.rps,
        "cpu_us_per_request": sample.cpu_us,
        "queued_us_per_request": sample.queued_us,
        "run_queue": sample.run_queue,
        "switches_per_request": sample.switches,
        "server_cores": sample.server_cores,
        "littles_law_share": (
            gates.little_share(sample.load, sample.connections, pipeline) if sample.load else None
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
        "others_cores": row.others_cores,
        "steal_share": row.steal_share,
        "offered_rps": row.offered_rps,
        "ceiling_rps": row.ceiling.rps,
        "ceiling": row.ceiling.formula,
        "share_of_ceiling": row.share,
        "limiter": row.limiter,
        "phantom_samples": row.phantoms,
        "queued_us_per_request": row.queued_us,
        "run_queue": row.run_queue,
        "by_time_us": row.by_time_us,
        "in_progress": row.in_progress,
        "steady": row.steady,
        "extras": row.extras,
        "syscalls_per_request": row.syscalls.a_request if row.syscalls else None,
        "is_floor": row.configuration.floor,
        "is_peer": row.configuration.peer,
        "is_again": row.configuration.again,
    }


def _ratio_json(found: Comparison | None) -> dict[str, Any] | None:
    return found.to_json() if found else None


def aa_json(result: CellResult) -> dict[str, Any] | None:
    """The configuration that ran twice, against itself: the noise floor of this cell."""
    by_rps, by_cpu = result.aa_pair(analysis.RPS), result.aa_pair(analysis.CPU)
    known = by_rps or by_cpu
    if known is None:
        return None
    return {
        "configuration": known.second,
        "rps": _ratio_json(by_rps),
        "cpu_us_per_request": _ratio_json(by_cpu),
    }


def comparisons_json(result: CellResult) -> list[dict[str, Any]]:
    """Every pair of rows that can be compared: first / second, paired within blocks."""
    return [
        {
            "first": first.label,
            "second": second.label,
            "rps": _ratio_json(result.compare(first, second, analysis.RPS)),
            "cpu_us_per_request": _ratio_json(result.compare(first, second, analysis.CPU)),
        }
        for first, second in analysis.matches(result)
    ]
