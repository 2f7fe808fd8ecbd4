# SPDX-License-Identifier: MIT
"""scripts/advise: which model, and how many workers, fit a service of a given shape.

A request that computes A ms and waits B ms, C of them at a time, on N cores. Arithmetic
names the sizes worth trying; the lab runs them here, interleaved, and the answer is the
configuration with the most requests a second, or among those that are equal to it, or not known
to be less, the one that takes the least memory. Every other one is listed with what it lacks. Fewer than
3 blocks decide nothing: then there is no advice.
With --p99 it is also said which rate the best of each model carry at that promise (scripts/capacity).
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Sequence

from ..machine.children import Children
from ..machine.errors import UsageError
from ..machine.program import Parser, number, say
from ..ask import plan as planning
from ..ask.plan import Cell, Configuration, Cores
from ..ask.workloads import WORKLOADS, with_query
from ..judge import stats, words
from ..judge.capacity import Promise
from ..judge.analysis import RPS, CellResult, Row
from ..judge.stats import Comparison
from ..show import table
from ..show.document import Run
from ..measure import load
from ..measure.measurement import Bench, Programs
from . import capacity, options as choosing, run as running
from .progress import Line
from .run import Said
from .seeking import BUDGET_S, Asked, Seeker, seek

MOST_WORKERS = 1024
SIZES = 2  # of each model that are looked at with --p99


@dataclass(frozen=True)
class Service:
    cpu_ms: float
    wait_ms: int
    concurrency: int
    cores: int

    @property
    def filling_workers(self) -> int:
        """The smallest pool that keeps the cores busy: each worker computes only a part of
        the time it is taken."""
        if self.cpu_ms <= 0:
            return self.concurrency
        return math.ceil(self.cores * (self.cpu_ms + self.wait_ms) / self.cpu_ms)

    def pool_sizes(self) -> list[int]:
        """Worth trying: enough to fill the cores, half and twice that, one a request."""
        most = min(self.concurrency, MOST_WORKERS)
        filling = min(self.filling_workers, most)
        wanted = {self.cores, filling, filling * 2, math.ceil(filling / 2), most}
        return sorted({min(max(1, size), most) for size in wanted})


def cell_of(service: Service, cores: Cores) -> Cell:
    workload = replace(
        with_query(WORKLOADS["mix"], f"cpu={round(service.cpu_ms * 1e3)}&wait={service.wait_ms}&rounds=1"),
        shape=f"{service.cpu_ms:g} ms of computing, {service.wait_ms:g} ms of waiting",
    )
    models = f"prefork,threads,coro,coro:{service.cores}"
    chosen = tuple(planning.parse_models(models, service.pool_sizes(), cores))
    return Cell(workload, service.concurrency, chosen)


# --- the answer -------------------------------------------------------------------------


@dataclass(frozen=True)
class Advice:
    best: Row
    others: tuple[tuple[Row, Comparison], ...]  # most requests/s first, as parts of the best's


def decide(result: CellResult) -> Advice | None:
    """None when nothing can be believed, or too few blocks were run."""
    alive = sorted((row for row in result.models if not row.void), key=lambda row: -row.rps)
    parts = [(row, result.compare(row, alive[0], RPS)) for row in alive]
    level = [row for row, part in parts if part and part.n >= stats.ENOUGH and not part.decided]
    if not level:
        return None
    best = min(level, key=lambda row: (row.memory_bytes, row.configuration.workers))
    others = ((row, result.compare(row, best, RPS)) for row in alive if row is not best)
    return Advice(best, tuple((row, part) for row, part in others if part))


def contenders(result: CellResult) -> list[Configuration]:
    """Of each model the two sizes that did most, of those that leave the generator its cores."""
    found: dict[str, list[Configuration]] = {}
    for row in sorted(result.models, key=lambda row: -row.rps):
        if not row.void and not row.configuration.shares_cores:
            found.setdefault(row.configuration.model, []).append(row.configuration)
    return [each for sizes in found.values() for each in sizes[:SIZES]]


def explain(service: Service, result: CellResult) -> list[str]:
    advice = decide(result)
    if advice is None:
        reasons = {reason for row in result.rows for reason in row.void_reasons}
        why = "nothing that was measured can be believed"
        if not all(row.void for row in result.models):
            why = f"it takes {stats.ENOUGH} blocks that can be believed"
        return [f"No advice: {why}.", *sorted(reasons)]
    best = advice.best
    configuration = best.configuration
    option = f"--model={configuration.model} --workers={configuration.workers}"
    lines = [
        f"Use {option}: {best.rps:,.0f} requests/s, p50 {words.duration_text(best.percentiles_us['p50'])}, "
        f"p99 {words.duration_text(best.percentiles_us['p99'])}, {words.bytes_text(best.memory_bytes)}.",
        f"  limited by {best.limiter}" + (
            f"; ceiling {best.ceiling.formula}, {words.percent(best.share)} reached"
            if best.share is not None else ""
        ),
    ]  # fmt: skip
    said = {stats.EQUAL: "as fast", stats.LESS: "behind", stats.MORE: "ahead"}
    lines += [
        f"  {said.get(part.state, part.state)}: {row.label} {words.ratio_times(part)}{words.sureness(part)}, "
        f"{words.bytes_text(row.memory_bytes)}, limited by {row.limiter}"
        for row, part in advice.others
    ]
    for row in result.models:
        if row.void:
            lines.append(f"  void: {row.label}: {row.void_reasons[0]}")
    if service.cpu_ms > 0:
        lines.append(
            f"  by arithmetic {service.cores} core{'s' if service.cores > 1 else ''} can compute "
            f"{service.cores * 1e3 / service.cpu_ms:,.0f} requests/s, and a pool of "
            f"{service.filling_workers} would fill them"
        )
    if service.cpu_ms >= 10 and configuration.model == "coro":
        lines.append(
            f"  note: a coroutine that computes for {service.cpu_ms:g} ms holds up its loop: "
            "short requests beside it wait that long (scripts/bench --workloads interference)"
        )
    return lines


# --- running ----------------------------------------------------------------------------


def _parser() -> Parser:
    made = Parser("scripts/advise", __doc__)
    add = made.add_argument
    add("--cpu-ms", type=number(float, 0, 10_000), required=True, metavar="A",
        help="computed for one request")
    add("--wait-ms", type=number(int, 0, 10_000), required=True, metavar="B",
        help="waited for one request, whole milliseconds as /mix takes them")
    add("--concurrency", type=number(int, 1, 10_000), required=True, metavar="C",
        help="requests at a time")
    add("--cores", type=number(int, 1), metavar="N", help="of the server (half of all)")
    add("--p99", type=capacity.duration_us, metavar="TIME",
        help="also find the rate that the best two sizes of each model carry with 99 %% of requests answered "
        f"within TIME, such as 50ms, for at most {BUDGET_S:g} s each")
    choosing.shared(made, "advise", blocks=6, duration=1.0, results=None)
    return made


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    if 0 < options.cpu_ms < 0.001 or options.cpu_ms + options.wait_ms == 0:
        raise UsageError("--cpu-ms: 0, or at least 0.001; and not both this and --wait-ms are 0")
    cores = planning.split_cores(os.sched_getaffinity(0), options.cores)
    service = Service(options.cpu_ms, options.wait_ms, options.concurrency, len(cores.server))
    plan = choosing.plan_of(options, "advise", [cell_of(service, cores)], cores, 0.3)
    if options.list:
        say(sys.stdout, choosing.describe(plan))
        return 0
    say(sys.stderr, choosing.estimate(plan) + "\n")
    if options.p99:
        running.find(load.PROGRAM, "load generator")
    with running.prepared("scripts/advise", argv, plan, options.server, options.results) as (run, programs):
        running.perform(run, programs)
        carried = under_promise(run, programs, options.p99) if options.p99 and run.complete else []
    return running.finish(
        run, options.results, lambda run, results, _where: conclude(run, results, service, carried)
    )


def under_promise(run: Run, programs: Programs, p99_us: float) -> list[Seeker]:
    """What the contenders carry. A stop leaves what was found by then."""
    plan, result = run.plan, run.results()[0]
    asked = Asked(Promise("p99", p99_us), plan.precision, plan.seed)
    seekers = [
        Seeker(result.cell, each.label, asked, configuration=each, load_cpus=each.load_cpus)
        for each in contenders(result)
    ]
    line = Line(sys.stderr)
    with running.measuring(run), closing(line), Children() as children:
        seek(Bench(children, programs, plan), seekers, BUDGET_S * len(seekers), line)
    return seekers


def conclude(
    run: Run, results: Sequence[CellResult], service: Service, carried: Sequence[Seeker] = ()
) -> Said:
    run.conclusion_lines = explain(service, results[0]) + ([capacity.sentence(carried)] if carried else [])
    run.conclusions = {"lines": run.conclusion_lines}
    text = table.render_text(run.plan, results, table.WIDTH, run.conclusion_lines)
    return Said(text, int(decide(results[0]) is None))
