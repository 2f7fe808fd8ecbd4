# SPDX-License-Identifier: MIT
"""scripts/advise: which model, and how many workers, fit a service of a given shape.

A request that computes A ms and waits B ms, C of them at a time, on N cores. Arithmetic
names the sizes worth trying; the lab runs them here, interleaved, and the answer is the
configuration with the most requests a second, or among those that are equal to it, or not known
to be less, the one that takes the least memory. Every other one is listed with what it lacks.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Sequence

from ..machine import priority, program
from ..machine.errors import UsageError
from ..machine.program import say
from ..ask import plan as planning
from ..ask.plan import Cell, Configuration, Cores, Plan
from ..ask.workloads import WORKLOADS, with_query
from ..judge import words
from ..judge.analysis import RPS, CellResult, Row
from ..judge.stats import Comparison
from ..show import table
from . import options as choosing, run as running

MOST_WORKERS = 1024


@dataclass(frozen=True)
class Service:
    cpu_ms: float
    wait_ms: float
    concurrency: int
    cores: int

    @property
    def query(self) -> str:
        return f"cpu={round(self.cpu_ms * 1e3)}&wait={round(self.wait_ms)}&rounds=1"

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


def cores_for(service: Service, available: Sequence[int]) -> Cores:
    """The service's cores; the load has the others, or shares where there are none."""
    cpus = sorted(available)
    if service.cores > len(cpus):
        raise UsageError(f"--cores {service.cores}: this process may use {len(cpus)}")
    server, rest = tuple(cpus[: service.cores]), tuple(cpus[service.cores :])
    return Cores(server, rest or server)


def configurations(service: Service, cores: Cores) -> list[Configuration]:
    loops = sorted({1, service.cores})
    pools = [
        Configuration(model, size, cores.server, cores.load)
        for model in ("prefork", "threads")
        for size in service.pool_sizes()
    ]
    return pools + [Configuration("coro", n, cores.server, cores.load) for n in loops]


def make_plan(service: Service, cores: Cores, blocks: int, duration_s: float, seed: int) -> Plan:
    workload = replace(
        with_query(WORKLOADS["mix"], service.query),
        shape=f"{service.cpu_ms:g} ms of computing, {service.wait_ms:g} ms of waiting",
    )
    cell = Cell(workload, service.concurrency, tuple(configurations(service, cores)))
    plan = Plan((cell,), blocks, duration_s, 0.3, seed, "advise", cores, preset="advise",
                nice=priority.usual())
    return planning.ordered(plan)


# --- the answer -------------------------------------------------------------------------


@dataclass(frozen=True)
class Advice:
    best: Row
    equals: tuple[Row, ...]  # as good, but with more memory
    behind: tuple[tuple[Row, Comparison], ...]  # with the part of the best's throughput


def decide(result: CellResult) -> Advice | None:
    """None when nothing can be believed."""
    alive = [row for row in result.models if not row.void]
    if not alive:
        return None
    top = max(alive, key=lambda row: row.rps)
    equal, behind = [], []
    for row in alive:
        found = result.compare(row, top, RPS)
        if found and found.decided:
            behind.append((row, found))
        else:
            equal.append(row)
    best = min(equal, key=lambda row: (row.memory_bytes, row.configuration.workers))
    rest = tuple(row for row in equal if row is not best)
    return Advice(best, rest, tuple(sorted(behind, key=lambda pair: -pair[1].ratio)))


def explain(service: Service, result: CellResult) -> list[str]:
    advice = decide(result)
    if advice is None:
        reasons = {reason for row in result.rows for reason in row.void_reasons}
        return ["No advice: nothing that was measured can be believed.", *sorted(reasons)]
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
    for row in advice.equals:
        lines.append(f"  as fast: {row.label}, {words.bytes_text(row.memory_bytes)}")
    for row, part in advice.behind:
        lines.append(f"  behind: {row.label} {words.ratio_times(part)}, limited by {row.limiter}")
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


def _parser() -> program.Parser:
    made = program.Parser("scripts/advise", __doc__)
    add = made.add_argument
    add("--cpu-ms", type=float, required=True, metavar="A", help="computed for one request")
    add("--wait-ms", type=float, required=True, metavar="B", help="waited for one request")
    add("--concurrency", type=int, required=True, metavar="C", help="requests at a time")
    add("--cores", type=int, metavar="N", help="of the server (half of all)")
    choosing.shared(made, blocks=6, duration=1.0, results="none is kept")
    return made


def _service(options: argparse.Namespace, available: Sequence[int]) -> Service:
    if options.cpu_ms < 0 or options.wait_ms < 0 or options.cpu_ms + options.wait_ms <= 0:
        raise UsageError("--cpu-ms and --wait-ms: not negative, and not both 0")
    if options.cpu_ms > 10_000 or options.wait_ms > 10_000:
        raise UsageError("--cpu-ms and --wait-ms: at most 10,000")
    if options.wait_ms != int(options.wait_ms):
        raise UsageError("--wait-ms: whole milliseconds, as /mix takes them")
    if 0 < options.cpu_ms < 0.001:
        raise UsageError("--cpu-ms: 0, or at least 0.001")
    if options.concurrency < 1 or options.concurrency > 10_000:
        raise UsageError("--concurrency: 1 to 10,000")
    choosing.check_shared(options)
    cores = options.cores or max(1, len(available) // 2)
    return Service(options.cpu_ms, options.wait_ms, options.concurrency, cores)


def _advise(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    available = sorted(os.sched_getaffinity(0))
    service = _service(options, available)
    cores = cores_for(service, available)
    plan = make_plan(service, cores, options.blocks, options.duration, options.seed)
    say(sys.stderr, choosing.estimate(plan) + "\n")
    if options.list:
        print("\n".join(c.label for c in plan.cells[0].configurations))
        return 0
    if options.results:
        running.check_writable(Path(options.results))
    with running.prepared("scripts/advise", argv, plan, options.server) as (run, programs):
        code = running.perform(run, programs)
    if not running.worth_keeping(run):
        return code
    results = run.results()
    run.conclusion_lines = explain(service, results[0])
    run.conclusions = {"lines": run.conclusion_lines}
    text = table.render_text(plan, results, table.WIDTH, run.conclusion_lines)
    if options.results:
        folder = running.write(run, results, Path(options.results))
        text += f"\nwritten to {running.shown(folder)}/\n"
    say(sys.stdout, text)
    return code or int(decide(results[0]) is None)


def main() -> int:
    return program.run("scripts/advise", _advise)
