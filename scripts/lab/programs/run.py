# SPDX-License-Identifier: MIT
"""A whole run: every step of the plan, then what is written under results/."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Iterator, Sequence

from ..machine.errors import LabError
from ..machine.quiet import Patience
from ..ask import workloads as work
from ..ask.plan import Plan
from ..measure import measurement, syscalls
from ..measure.measurement import Bench
from ..measure.sample import Count, Sample, Take
from ..judge import gates
from ..judge.analysis import CellResult
from ..show.document import Run, to_json, utc
from . import readme, report
from .progress import Progress

# Starting, checking, reading counters and draining, around a step's load.
OVERHEAD_S = 0.25
STARTING_S = 4e-6  # of a pool, by the square of its size: each worker finds all before it in the way
# What some kinds of workload add: connections to be parked, faults to recover from.
KIND_OVERHEAD_S = {work.PARKED: 2.0, work.BESIDE: 0.3, work.CRASH: 0.7, work.DRAIN: 0.5}
MOST_FAILURES = 5
STEADY_S = 2.6  # until a configuration is found steady, in its first block
NEEDED_S = 0.25  # that this makes a later block's warm-up longer
SYSCALLS_S = 1.3


def seconds_planned(plan: Plan) -> float:
    """An estimate of the whole run, disturbances not counted."""
    once = 0.0
    first, needed = 0.0, 0.0
    for cell in plan.cells:
        for configuration in cell.configurations:
            load_s = plan.duration_of(cell, configuration) + KIND_OVERHEAD_S.get(
                cell.workload.kind, 0.0
            )
            once += load_s + plan.warmup_s + OVERHEAD_S
            once += STARTING_S * configuration.workers**2
            first += STEADY_S - plan.warmup_s if plan.steady else 0.0
            needed += NEEDED_S if plan.steady else 0.0
    counted = sum(len(cell.configurations) for cell in plan.cells if syscalls.countable(cell))
    later = max(0, plan.blocks - 1) * needed
    return once * plan.blocks + first + later + (counted * SYSCALLS_S if plan.syscalls else 0.0)


def execute(
    bench: Bench, progress: Progress, patience: Patience
) -> Iterator[Sample]:
    """A sample a step. One that other programs disturbed is taken again, so many times and
    while patience lasts; what was given up is kept in the sample that replaced it.

    A server or a wrk that fails in the middle of a long run voids its sample; one that fails
    at once, or again and again, ends the run: raises LabError."""
    plan = bench.plan
    failures = 0  # one after the other
    for order, step in enumerate(plan.steps):
        progress.show(order, step, plan.blocks)
        takes: list[Take] = []
        for left in range(plan.retries, -1, -1):
            patience.await_quiet()
            try:
                sample = measurement.measure(bench, step, order)
                failures = 0
            except LabError as error:
                failures += 1
                if order < MOST_FAILURES or failures > MOST_FAILURES:
                    raise
                sample = measurement.failed(step, order, str(error))
            cost_s = plan.duration_of(step.cell, step.configuration) + plan.warmup_s + OVERHEAD_S
            disturbed = gates.disturbed(sample)
            if not patience.again(disturbed, cost_s) or left == 0:
                break
            takes.append(Take(gates.disturbance(sample), sample.rps, sample.cpu_us))
        sample.takes = takes
        sample.gates = gates.check(sample, step.cell.workload, step.configuration)
        yield sample


def count_syscalls(bench: Bench) -> Iterator[Count]:
    """After everything that is timed."""
    for cell in bench.plan.cells:
        if not syscalls.countable(cell):
            continue
        for configuration in cell.configurations:
            if not configuration.again:
                found = syscalls.count(bench, cell, configuration)
                if found:
                    yield found


def worth_keeping(run: Run) -> bool:
    """Whether anything can be compared: that takes the first block in full."""
    return run.complete or len(run.samples) * run.plan.blocks >= len(run.plan.steps)


def check_writable(directory: Path) -> None:
    """Before anything is measured: raises LabError where write() could not make a folder there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise LabError(f"--results {directory}: {error.strerror}") from None


def write(run: Run, results: Sequence[CellResult], directory: Path) -> Path:
    """The run's folder, new, below directory; after a reference run also what is made of the
    newest such, here and in the README.md above. Raises LabError where one cannot be written."""
    folder = directory / f"{utc('%Y%m%dT%H%M%SZ')}-{run.plan.label}"
    try:
        folder.mkdir(parents=True)
        document = json.dumps(to_json(run, results), indent=1, ensure_ascii=False)
        (folder / "run.json").write_text(document + "\n")
        report.write(folder, report.files(run, results, folder.name))
        whole = directory / "README.md"
        reference = run.plan.label.startswith(readme.REFERENCE)
        if reference or not whole.exists():
            whole.write_text(readme.results_text(directory))
        if reference:
            readme.renew(directory)
    except OSError as error:
        raise LabError(f"cannot write results to {folder}: {error.strerror}") from None
    return folder
