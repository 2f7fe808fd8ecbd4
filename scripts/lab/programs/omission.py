# SPDX-License-Identifier: MIT
"""scripts/omission: coordinated omission, shown. One server that stands still for a moment, as an open
loop (scripts/load) and a closed one (wrk) see it.

Under each a server of its own answers /hello and is stopped by SIGSTOP once, in the middle, for as
long as the other. What both saw is written below results/; results/LOOPS.md, which explains it, takes
its figures and plots from the newest such folder.

0: done. 1: it could not be measured, or other programs were in the way. 64: bad option.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Callable, Iterator, Sequence, TypeVar

from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.program import Parser, number, say
from ..ask import plan as planning
from ..ask.plan import Cell, Configuration
from ..ask.workloads import WORKLOADS
from ..server.servers import Server
from ..measure import load, wrk
from ..measure.environment import ROOT
from ..measure.measurement import Bench, Programs
from ..show import omission as showing
from ..show.document import Run
from . import options as choosing, report, results as documents, run as running

NAME = "scripts/omission"
WORKLOAD = WORKLOADS["hello"]
TOLERANCE = 0.1  # of the time for which it is to stand still
T = TypeVar("T")


@contextmanager
def standing_still(server: Server, after_s: float, for_s: float) -> Iterator[list[float]]:
    """Meanwhile the server is stopped once; it goes on before this ends. Yields what will hold for how
    many seconds that was, by the clock."""
    over, pids = threading.Event(), server.worker_pids()
    lasted: list[float] = []

    def tell(number: int) -> None:
        for pid in pids:
            os.kill(pid, number)

    def stop() -> None:
        if over.wait(after_s):
            return
        begun = time.monotonic()
        tell(signal.SIGSTOP)
        over.wait(for_s)
        lasted.append(time.monotonic() - begun)
        tell(signal.SIGCONT)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield lasted
    finally:
        over.set()
        thread.join()


def seen(
    bench: Bench, configuration: Configuration, stop_s: float, under: Callable[[Server], T]
) -> tuple[T, float]:
    """What a load says of a server that is stopped in the middle of it, and for how long it was. Raises
    LabError."""
    with bench.start(configuration, WORKLOAD) as server:
        problem = bench.problem(WORKLOAD, configuration, server.port)
        if problem:
            raise LabError(f"{configuration.label}: {problem}")
        with standing_still(server, (bench.plan.duration_s - stop_s) / 2, stop_s) as lasted:
            found = under(server)
    if not lasted or lasted[0] > stop_s * (1 + TOLERANCE):
        raise LabError(f"the server was not stopped for {stop_s:g} s: {lasted}")
    return found, lasted[0]


def measure(
    run: Run, programs: Programs, configuration: Configuration, rate: float, stop_s: float
) -> dict[str, Any]:
    """Both, one after the other. Raises LabError."""
    plan = run.plan
    with Children() as children:
        bench = Bench(children, programs, plan)
        asked = load.Command(WORKLOAD, rate, plan.duration_s, configuration.load_cpus, seed=plan.seed)
        opened, opened_s = seen(
            bench, configuration, stop_s, lambda server: asked.run(children, f"http://127.0.0.1:{server.port}")
        )
        if opened.void:
            raise LabError(f"{load.PROGRAM} cannot vouch for its figures: {'; '.join(opened.void)}")
        connections = WORKLOAD.connections
        closed, closed_s = seen(
            bench, configuration, stop_s,
            lambda server: wrk.Command(
                WORKLOAD, connections, configuration.load_cpus, plan.duration_s, server.port
            ).run(children),
        )  # fmt: skip
    return {
        "schema": showing.SCHEMA, "command": run.command, "started": run.started, "environment": run.environment,
        "configuration": configuration.label, "target": WORKLOAD.target, "duration_s": plan.duration_s,
        "seed": plan.seed, "stopped_s": {"open": opened_s, "closed": closed_s}, "connections": connections,
        "open": asdict(opened), "closed": asdict(closed),
    }  # fmt: skip


def main(argv: Sequence[str]) -> int:
    parser = Parser(NAME, __doc__)
    parser.add_argument("--rate", type=number(float, 1), metavar="R", default=10_000.0,
                        help="requests/s of the open loop (%(default)g)")
    parser.add_argument("--stop", type=number(float, 0.05, 5), metavar="S", default=0.3,
                        help="seconds for which the server stands still (%(default)g)")
    parser.add_argument("--duration", type=number(float, 0.2, 3600), metavar="S", default=6.0,
                        help="seconds of each load (%(default)g)")
    choosing.kept(parser, "omission", ROOT / "results")
    parser.set_defaults(blocks=1)
    options = parser.parse_args(argv)
    cores = planning.split_cores(os.sched_getaffinity(0))
    configuration = Configuration("coro", 1, cores.server, cores.load)
    plan = choosing.plan_of(options, "omission", [Cell(WORKLOAD, WORKLOAD.connections, (configuration,))], cores, 0.0)
    if options.list:
        say(sys.stdout, choosing.describe(plan))
        return 0
    with running.prepared(NAME, argv, plan, options.server, options.results) as (run, programs):
        document = measure(run, programs, configuration, options.rate, options.stop)
    if reason := showing.disturbed(document):
        raise LabError(reason)
    folder = running.new_folder(options.results, plan.label)
    report.write(folder, {
        showing.FILE: report.json_text(document),
        **{f"{report.PLOTS}/{name}.svg": report.alone(svg) for name, svg in showing.plots(document).items()},
    })  # fmt: skip
    say(sys.stdout, "\n".join(showing.lines(document)) + f"\n\nwritten to {running.shown(folder, ROOT)}/\n")
    if options.results.resolve() == ROOT / "results":
        for path, text in documents.generated(options.results).items():
            report.write(path.parent, {path.name: text})
    return 0
