# SPDX-License-Identifier: MIT
"""scripts/acceptance: the server's promises about speed, each measured and judged.

  4   waiting: a pool of 64 reaches 64/20 ms, one loop 256/20 ms, at 256 connections
  5   who answers: several processes, several threads, or several coroutines of one thread
  6   computing on two cores: two workers are twice one, except behind one lock or one loop
  11  /hello: CPU time per request as a multiple of the floor server's

All of 4, 6 and 11 is interleaved in blocks; a figure is a median over the blocks that can
be believed, with its range. Throughput (4, 6) cannot be believed while other programs work on
the same cores: then the line says VOID, and the machine has to be quieter. CPU time per
request (11) bears such company. Exit status 0 when all that was asked for passes.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import Iterator, Sequence

from ..machine import priority, program
from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.quiet import QUIET_CORES, Patience
from ..ask import plan as planning
from ..ask.plan import Cell, Configuration, Cores
from ..ask.workloads import WORKLOADS
from ..server import servers, site
from ..server.client import BadAnswer, Client
from ..measure import environment, wrk
from ..measure.measurement import Bench, Programs
from ..measure.sample import Sample
from ..judge import analysis
from ..judge.analysis import CellResult
from ..judge.judging import Line, judge, paired, percent
from . import run as running
from .cli import find_programs, server_path
from .progress import Progress

PINNED = " pinned"
WHO_SAMPLES = 400
WHO_CONNECTIONS = 8
RETRIES = 20  # of one disturbed figure; patience is what bounds them all
CRITERIA = ("4", "5", "6", "11")


def cells(cores: Cores, asked: Sequence[str]) -> dict[str, Cell]:
    """What has to be run for the criteria asked for."""
    both = cores.together

    def one(model: str, workers: int = 1) -> Configuration:
        return Configuration(model, workers, cores.server, cores.load)

    def wide(model: str, workers: int = 1, gil: bool = False) -> Configuration:
        return Configuration(model, workers, both, both, gil=gil)

    waiting = replace(WORKLOADS["sleep"], duration_factor=4.0)
    compute = replace(WORKLOADS["cpu"], target="/cpu?n=1000", compute_target=None)
    every = {
        "4": Cell(waiting, 256, (one("prefork", 64), one("threads", 64), one("coro"))),
        "6": Cell(
            compute, 8,
            (
                wide("prefork"), wide("prefork", 2), wide("threads"), wide("threads", 2),
                wide("threads", 2, gil=True), wide("coro"), wide("coro", 2),
                replace(one("coro"), suffix=PINNED),
            ),
        ),
        "11": Cell(
            WORKLOADS["hello"], 64,
            (
                one("prefork", 4), one("threads", 4), one("coro"),
                Configuration("floor", 1, cores.server, cores.load, floor=True),
            ),
        ),
    }  # fmt: skip
    return {name: cell for name, cell in every.items() if name in asked}


def void_disturbed(sample: Sample) -> None:
    """Where throughput is judged, other programs on the same cores are a fault."""
    if sample.others_cores >= QUIET_CORES:
        sample.gates.append(f"other programs used {sample.others_cores * 100:.0f} % of a core")


# --- judging ---------------------------------------------------------------------------


def judge_waiting(result: CellResult) -> list[Line]:
    lines = []
    for row in result.models:
        coro = row.configuration.model == "coro"
        ceiling = row.configuration.contexts(result.cell.connections) / 0.020
        text = f"/sleep?ms=20, 256 connections: {row.label} of {ceiling:,.0f}/s"
        shares = [s.rps / ceiling for s in row.valid]
        line = judge("4", text, shares, 0.95 if coro else 0.97, True, percent)
        cores = statistics.median([s.server_cores for s in row.valid] or [0.0])
        if coro and line.passed is False and cores >= 0.95:
            excuse = f"; its core is full ({percent(cores)})"
            line = replace(line, passed=True, text=line.text + excuse)
        lines.append(line)
        if coro:
            medians = [s.load.percentiles_us["p50"] for s in row.valid if s.load]
            values = [value / 1e3 for value in medians if value is not None]
            lines.append(judge("4", f"{row.label} p50 in ms", values, 25.0, False))
    return lines


def judge_cores(result: CellResult) -> list[Line]:
    def compare(text: str, first: str, second: str, goal: float, at_least: bool) -> Line:
        values = paired(result.row(first), result.row(second), analysis.rps)
        return judge("6", f"/cpu?n=1000 on two cores: {text}", values, goal, at_least)

    return [
        compare("prefork, 2 workers × 1", "prefork(2)", "prefork(1)", 1.8, True),
        compare("threads, 2 workers × 1", "threads(2)", "threads(1)", 1.8, True),
        compare("threads, 2 with --gil × 1", "threads(2)+gil", "threads(1)", 1.1, False),
        compare("coro, 1 loop × 1 loop on one core", "coro", "coro" + PINNED, 1.05, False),
        compare("coro, 2 loops × 1", "coro(2)", "coro", 1.8, True),
    ]


def judge_floor(result: CellResult) -> list[Line]:
    lines = []
    for row in result.models:
        goal = 1.25 if row.configuration.model == "coro" else 1.5
        values = paired(row, result.floor, analysis.cpu_us)
        costs = [s.cpu_us for s in row.valid]
        cost = f" ({statistics.median(costs):.2f} µs)" if costs else ""
        text = f"/hello, 64 connections: CPU per request, {row.label}{cost} × floor"
        lines.append(judge("11", text, values, goal, False))
    return lines


JUDGES = {"4": judge_waiting, "6": judge_cores, "11": judge_floor}


# --- who answers -----------------------------------------------------------------------


def who_answers(children: Children, programs: Programs, configuration: Configuration) -> Line:
    """Asks /whoami while other requests wait inside the server."""
    with servers.start(
        children, programs.argv(configuration), configuration.server_cpus, programs.root,
        configuration.expected_ready(),
    ) as server:  # fmt: skip
        port = server.ready.port
        url = f"http://127.0.0.1:{port}/sleep?ms=5"
        argv = wrk.command(programs.wrk, 64, 1, 60, url)
        load = children.start(argv, configuration.load_cpus, programs.root)
        seen: dict[str, set[int]] = {"pid": set(), "tid": set(), "context": set()}
        models = set()
        clients = [Client("127.0.0.1", port) for _ in range(WHO_CONNECTIONS)]
        try:
            for number in range(WHO_SAMPLES):
                answer = clients[number % len(clients)].json("/whoami")
                models.add(str(answer.get("model")))
                for name, values in seen.items():
                    values.add(int(answer[name]))
        finally:
            children.kill(load)
            for client in clients:
                client.close()
        alien = seen["pid"] - set(server.worker_pids())
    return judge_who(configuration, models, seen, alien)


def judge_who(
    configuration: Configuration, models: set[str], seen: dict[str, set[int]], alien: set[int]
) -> Line:
    pids, tids, contexts = (len(seen[name]) for name in ("pid", "tid", "context"))
    passed = {
        "prefork": pids > 1,
        "threads": pids == 1 and tids > 1,
        "coro": pids == 1 and tids == 1 and contexts > 1,
    }[configuration.model]
    wanted = {
        "prefork": "several pids",
        "threads": "one pid, several tids",
        "coro": "one pid, one tid, several contexts",
    }[configuration.model]
    counts = {"pid": pids, "tid": tids, "context": contexts}
    found = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items())
    text = f"/whoami under load: {configuration.label}: {found}"
    if models != {configuration.model}:
        passed, text = False, f"{text}, model {'/'.join(sorted(models))}"
    if alien:
        passed, text = False, f"{text}, of which {len(alien)} pids are not its workers"
    return Line(passed, "5", f"{text}; goal: {wanted}")


# --- running ---------------------------------------------------------------------------


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = program.Parser("scripts/acceptance", __doc__)
    add = parser.add_argument
    add("--only", metavar="LIST", default=",".join(CRITERIA), help="criteria (%(default)s)")
    add("--blocks", type=int, metavar="N", default=5, help="(%(default)s)")
    add("--duration", type=float, metavar="S", default=2.0,
        help="seconds of load for one figure; waiting takes four times as long (%(default)s)")
    add("--server", metavar="PATH", default="./server", help="(%(default)s)")
    add("--seed", type=int, metavar="N", help="of the random order; by default a new one")
    add("--patience", type=float, metavar="S", default=120.0,
        help="to spend on waiting until other programs leave the cores alone (%(default)s)")
    add("--verbose", action="store_true", help="print every sample")
    return parser.parse_args(argv)


def _accept(argv: Sequence[str]) -> int:
    options = _options(argv)
    asked = planning.parse_list(options.only, CRITERIA, "criterion")
    cores = planning.split_cores(sorted(os.sched_getaffinity(0)))
    if len(cores.together) != 2 and "6" in asked:
        print("note: criterion 6 is meant for two cores; here there are "
              f"{len(cores.together)}", file=sys.stderr)  # fmt: skip
    chosen = cells(cores, asked)
    seed = options.seed if options.seed is not None else secrets.randbelow(1_000_000)
    plan = planning.Plan(
        tuple(chosen.values()), options.blocks, options.duration, 0.5, seed, "acceptance", cores
    )
    plan = planning.ordered(replace(plan, retries=RETRIES, nice=priority.usual()))
    environment.raise_open_files()
    lines: list[Line] = []
    with site.Folder() as folder, Children() as children, wrong_answers():
        programs = find_programs(plan, server_path(options.server), wrk.find(), folder)
        if "5" in asked:
            for model, workers in (("prefork", 8), ("threads", 8), ("coro", 1)):
                configuration = Configuration(model, workers, cores.server, cores.load)
                lines.append(who_answers(children, programs, configuration))
        patience = Patience(options.patience, cores.together)
        samples = _run(children, programs, plan, patience, options.verbose)
    for sample in samples:
        if sample.workload != WORKLOADS["hello"].name:
            void_disturbed(sample)
    for name, cell in chosen.items():
        result = analysis.analyse(cell, samples)
        lines += JUDGES[name](result)
        for row in result.rows:
            for reason in row.void_reasons:
                print(f"note: {cell.name}: {row.label}: block left out: {reason}")
    for line in sorted(lines, key=lambda line: int(line.criterion)):
        print(line)
    counts = [sum(line.passed is state for line in lines) for state in (True, False, None)]
    print(f"{counts[0]} passed, {counts[1]} failed, {counts[2]} void (seed {seed})")
    return 0 if counts[0] == len(lines) else 1


def _run(
    children: Children, programs: Programs, plan: planning.Plan, patience: Patience, verbose: bool
) -> list[Sample]:
    progress = Progress(sys.stderr, len(plan.steps), running.seconds_planned(plan))
    samples = []
    for sample in running.execute(Bench(children, programs, plan), progress, patience):
        samples.append(sample)
        if verbose:
            print(
                f"block {sample.block} {sample.workload} {sample.configuration}: "
                f"{sample.rps:,.0f}/s, {sample.cpu_us:.2f} µs a request, "
                f"others {sample.others_cores:.2f} cores{' VOID' if sample.void else ''}"
            )
    progress.clear()
    return samples


@contextmanager
def wrong_answers() -> Iterator[None]:
    try:
        yield
    except BadAnswer as error:
        raise LabError(str(error)) from None


def main() -> int:
    return program.run("scripts/acceptance", _accept)
