# SPDX-License-Identifier: MIT
"""scripts/bench: options, presets, messages, exit codes.

0: done. 1: could not run (one line says why). 64: bad option. 130: interrupted.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shlex
import shutil
import sys
from pathlib import Path
from typing import NoReturn, Sequence

from . import environment, plan as planning, run as running, table, wrk
from .children import STOPPING, Children, interruptible
from .environment import ROOT
from .errors import LabError
from .measure import Programs
from .plan import MODELS, WORKLOADS, Cores, Plan
from .progress import Progress, clock
from .quiet import Patience

EX_USAGE = 64
EX_INTERRUPTED = 130
FLOOR = "build/floor"

DESCRIPTION = """\
Runs the server's concurrency models under wrk, interleaved and repeated, and prints what
they reach, what it costs, what stops them, and how sure that is.
"""

EXAMPLES = """\
examples:
  scripts/bench                                    the quick preset, about a minute
  scripts/bench --workloads sleep --connections 64,256,1024 --workers 16,64
  scripts/bench --models threads:2,threads:2+gil,coro --workloads cpu --blocks 6
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog="scripts/bench", description=DESCRIPTION, epilog=EXAMPLES, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--quick", action="store_true", help="the preset in use when nothing else is said")
    add("--models", metavar="LIST", default=planning.QUICK_MODELS,
        help="MODEL[:WORKERS][+gil][+connection], ...; WORKERS may be 'cores' (%(default)s)")
    add("--workloads", metavar="LIST", default=planning.QUICK_WORKLOADS, help="(%(default)s)")
    add("--connections", metavar="LIST", help="numbers; by default each workload's own")
    add("--workers", metavar="LIST", default=str(planning.QUICK_POOL),
        help="sizes of the pools, prefork and threads (%(default)s)")
    add("--blocks", type=int, metavar="N", default=3,
        help="how often all is repeated; 6 and more give 95 %% intervals (%(default)s)")
    add("--duration", type=float, metavar="S", default=0.8,
        help="seconds of load for one figure (%(default)s)")
    add("--warmup", type=float, metavar="S", default=0.2,
        help="seconds of load before it (%(default)s)")
    add("--label", default="quick", help="ends the name of the results' folder (%(default)s)")
    add("--seed", type=int, metavar="N", help="of the random order; by default a new one")
    add("--server", metavar="PATH", default="./server", help="(%(default)s)")
    add("--results", metavar="DIR", help="where the results' folder goes (results)")
    add("--cpus-server", metavar="LIST", help="cores of the server (the first half of all)")
    add("--cpus-load", metavar="LIST", help="cores of wrk (the other half)")
    add("--patience", type=float, metavar="S", default=20.0,
        help="to spend in all on waiting for, and repeating after, other programs (%(default)s)")
    add("--no-aa", action="store_true",
        help="leave out the A/A pair: one configuration run twice, to see the noise")
    add("--list", action="store_true", help="print what would be run, and exit")
    return parser


def _cores(options: argparse.Namespace) -> Cores:
    available = os.sched_getaffinity(0)
    cores = planning.split_cores(sorted(available))
    server, load = options.cpus_server, options.cpus_load
    return Cores(
        planning.parse_cpus(server, available) if server else cores.server,
        planning.parse_cpus(load, available) if load else cores.load,
    )


def make_plan(options: argparse.Namespace) -> Plan:
    cores = _cores(options)
    pools = planning.parse_numbers(options.workers, "--workers")
    if options.blocks < 1:
        raise LabError("--blocks: at least 1")
    if not 0.2 <= options.duration <= 3600 or not 0 <= options.warmup <= 60:
        raise LabError("--duration is 0.2 to 3600 s, --warmup 0 to 60 s")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", options.label):
        raise LabError("--label: letters, digits, '.', '_' and '-' only")
    return planning.make(
        planning.parse_list(options.workloads, WORKLOADS, "workload"),
        planning.parse_models(options.models, pools, cores),
        planning.parse_numbers(options.connections, "--connections") if options.connections else [],
        options.blocks,
        options.duration,
        options.warmup,
        options.seed if options.seed is not None else secrets.randbelow(1_000_000),
        options.label,
        cores,
        aa_pair=not options.no_aa,
    )


def describe(plan: Plan) -> str:
    """What --list prints."""
    seconds = len(plan.steps) * running.seconds_a_step(plan)
    lines = [f"models: {', '.join(MODELS)}; workloads:"]
    lines += [f"  {w.name:8}{w.target:30}{w.shape}" for w in WORKLOADS.values()]
    lines.append("this run:")
    for cell in plan.cells:
        names = ", ".join(c.label for c in cell.configurations)
        lines.append(f"  {cell.name}: {names}")
    lines.append(
        f"{plan.blocks} blocks, {len(plan.steps)} runs of {plan.duration_s:g} s, about "
        f"{clock(seconds)}; server on core {table.cores_text(plan.cores.server)}, "
        f"wrk on core {table.cores_text(plan.cores.load)}"
    )
    return "\n".join(lines) + "\n"


def find_programs(plan: Plan, server: str, wrk_path: str) -> Programs:
    """Raises LabError for the first program that is not there."""
    if not os.access(ROOT / server, os.X_OK):
        raise LabError(f"no server at {server}: build it with make, or give --server=PATH")
    if any(cell.workload.floor for cell in plan.cells) and not os.access(ROOT / FLOOR, os.X_OK):
        raise LabError(f"no floor server at {FLOOR}: build it with make floor")
    return Programs(ROOT, server, FLOOR, wrk_path)


def server_path(given: str) -> str:
    """As given from where the lab was called, turned into what works from ROOT."""
    path = Path(given)
    if path.is_absolute() or given == "./server":
        return given
    try:
        return "./" + str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path.resolve())


def _bench(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    plan = make_plan(options)
    if options.list:
        sys.stdout.write(describe(plan))
        return 0
    wrk_path = wrk.find()
    server = server_path(options.server)
    programs = find_programs(plan, server, wrk_path)
    environment.raise_open_files()
    run = running.Run(
        plan,
        environment.record(server, wrk_path),
        shlex.join(["scripts/bench", *argv]),
        running.utc("%Y-%m-%dT%H:%M:%SZ"),
    )
    progress = Progress(sys.stderr, len(plan.steps), running.seconds_a_step(plan))
    code = 0
    try:
        with Children() as children:
            patience = Patience(options.patience, plan.cores.together)
            for sample in running.execute(plan, programs, children, progress, patience):
                run.samples.append(sample)
        run.complete = True
    except KeyboardInterrupt as stop:
        run.stopped_by, code = str(stop) or "SIGINT", EX_INTERRUPTED
    except LabError as error:
        progress.clear()
        print(f"scripts/bench: {error}", file=sys.stderr)
        run.stopped_by, code = str(error), 1
    progress.clear()
    _report(run, Path(options.results) if options.results else ROOT / "results")
    return code


def _report(run: running.Run, directory: Path) -> None:
    """Tables to stdout, files below directory; nothing of a run cut off in its first block."""
    done, planned = len(run.samples), len(run.plan.steps)
    if not run.complete:
        # A first block in full is the least that compares anything.
        enough = done * run.plan.blocks >= planned
        kept = "what was measured follows" if enough else "nothing was written"
        if enough or run.stopped_by in {number.name for number in STOPPING}:
            print(f"scripts/bench: stopped after {done} of {planned} runs; {kept}", file=sys.stderr)
        if not enough:
            return
    results = run.results()
    _print(table.render_text(run.plan, results, _width()))
    folder = running.write(run, results, directory)
    try:
        shown = folder.resolve().relative_to(Path.cwd())
    except ValueError:
        shown = folder
    _print(f"\nseed {run.plan.seed}; written to {shown}/\n")


def _width() -> int:
    """A terminal's own width, within reason; a file or a pipe gets every column."""
    if not sys.stdout.isatty():
        return table.WIDTH
    return max(60, min(table.WIDTH, shutil.get_terminal_size().columns))


def _print(text: str) -> None:
    """To stdout; in a locale without the signs used, with the nearest ASCII."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate({ord("µ"): "u", ord("×"): "x", ord("–"): "-"})
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    interruptible()
    try:
        return _bench(sys.argv[1:])
    except LabError as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
