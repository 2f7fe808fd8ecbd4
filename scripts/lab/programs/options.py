# SPDX-License-Identifier: MIT
"""The options of scripts/bench, and the plan they ask for."""

from __future__ import annotations

import argparse
import os
import re
import secrets
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Callable, Sequence

from ..machine import cgroup, hosts as hosting, priority
from ..machine.errors import LabError, UsageError
from ..machine.hosts import Hosts
from ..machine.program import Parser, number, parse_numbers, split_list
from ..ask import plan as planning, presets, workloads as work
from ..ask.plan import PEERS, Cell, Configuration, Cores, Plan
from ..ask.presets import Preset
from ..server import peers
from ..measure import environment
from ..measure.environment import ROOT
from ..show import table
from . import budget

PROGRAM = "scripts/bench"
DESCRIPTION = """\
Runs the server's concurrency models under wrk, interleaved and repeated, and prints what
they reach, what it costs, what stops them, and how sure that is.
"""
QUICK_BUDGET_S = 110.0  # make bench is to end in two minutes, writing included

EXAMPLES = """\
examples:
  scripts/bench                                    the quick preset
  scripts/bench --full --label reference           kept under results/, to be committed
  scripts/bench --full --workloads sleep,mix       only these cells of it
  scripts/bench --workloads sleep --connections 64,256,1024 --workers 16,64
  scripts/bench --workloads 'mix?cpu=200&wait=5&rounds=2' --models threads:2+gil,coro
  scripts/bench --resume results/20260101T000000Z-reference
  scripts/bench --against main --models coro       what this tree costs more or less than main
  scripts/bench --workloads hello,files-1m --peers=nginx,apache-event
"""


def parser() -> Parser:
    made = Parser(PROGRAM, DESCRIPTION, EXAMPLES)
    shown = made.add_argument_group("presets", "one of them; the options above change it, or choose from it")
    one_of = shown.add_mutually_exclusive_group()
    one_of.add_argument("--quick", dest="preset", action="store_const", const="quick",
                        default="quick", help="in use when nothing else is said: the models on hello, cpu, "
                        "sleep and mix, 3 blocks and more: under two minutes")
    for name, preset in presets.NAMED.items():
        one_of.add_argument(f"--{name}", dest="preset", action="store_const", const=name,
                            help=(preset.__doc__ or "").replace("%", "%%"))
    add = made.add_argument
    add("--models", metavar="LIST",
        help="MODEL[:WORKERS] with +gil, +none (--pool=none), +connection, +lock, ...; WORKERS may be 'cores' "
        f"({presets.QUICK_MODELS})")
    add("--workloads", metavar="LIST",
        help=f"names, idle:N, or a route with a query of its own ({presets.QUICK_WORKLOADS})")
    add("--connections", type=parse_numbers, metavar="LIST", default=[],
        help="numbers; by default each workload's own")
    add("--workers", type=parse_numbers, metavar="LIST",
        help=f"sizes of the pools, prefork and threads ({presets.QUICK_POOL})")
    add("--offered", type=parse_numbers, metavar="LIST", default=[],
        help="of --load: only at these shares of a capacity, in percent "
        f"({', '.join(f'{share * 100:g}' for share in presets.LOAD_SHARES)})")
    add("--peers", type=peer_names, metavar="LIST", nargs="?", default=[], const=list(PEERS),
        help="other servers beside ours, all that are installed or those listed: "
        + ", ".join(PEERS))
    add("--against", metavar="PATH|REV",
        help="compare --server with that program, or with that revision, which is built: in each "
        "model and workload asked for (prefork,threads,coro on hello,cpu,mix) both run at the same "
        "time on the same core; exit status 0: decided, 1: a --fail-if holds, 3: undecided")
    add("--fail-if", metavar="CONDITION", action="append", default=[],
        help="of --against: such as 'hello:coro:cpu>1.03' or 'cpu:threads:rps<0.97'; repeatable")
    shared(made, said=("3; --full 10", "0.6"))
    add("--budget", type=number(float, 0), metavar="S",
        help="seconds in all: what the blocks leave of them goes to more, where ratios are wider than "
        f"asked, until each is not ({QUICK_BUDGET_S:g} of the quick preset without --blocks, 20 a line of --against, "
        "else 0)")
    add("--precision", type=number(float, 0.01, 100), metavar="P", default=2.0,
        help="how wide a ratio may be, in percent to both sides (%(default)g)")
    add("--warmup", type=number(float, 0, 60), metavar="S", help="seconds of load before it (0.2)")
    across(made, "wrk and scripts/load")
    add("--resume", metavar="DIR",
        help="go on with the run in this folder that was stopped, by its own plan; with --budget "
        "also with one that was not")
    add("--nice", type=number(int, priority.RAISED, priority.LOWEST), metavar="N",
        help="of servers and wrk: -20 keeps other programs from their cores, 0 competes with "
        "them (-20 where allowed, as to root)")
    add("--syscalls", action="store_true",
        help="count system calls too, in runs of their own at the end")
    add("--no-aa", action="store_true",
        help="leave out the A/A pair: one configuration run twice, to see the noise")
    return made


def across(made: Parser, load: str) -> None:
    """What all take that can have the server on one host and its load, made by that program, on another."""
    add = made.add_argument
    add("--cpus-server", metavar="LIST", help="cores of the server (the first half of all; on a host of its own, all)")
    add("--cpus-load", metavar="LIST", help=f"cores of {load} (the other half; the same)")
    add("--server-host", metavar="HOST", default=hosting.LOCAL,
        help="start the servers there, over ssh, in a checkout of this version that is built (%(default)s: here)")
    add("--load-host", metavar="HOST", default=hosting.LOCAL, help=f"start {load} there, in the same way (%(default)s)")
    add("--server-address", metavar="ADDRESS",
        help="by which the load reaches the servers, and where they listen (what HOST is called)")
    add("--checkout", type=Path, metavar="DIR", default=ROOT, help="the repository on those hosts (its path here)")


def hosts(options: argparse.Namespace) -> AbstractContextManager[Hosts]:
    return hosting.opened(options.server_host, options.load_host, options.server_address, options.checkout)


def cores_of(options: argparse.Namespace, there: Hosts) -> Cores:
    """Of hosts with cores of their own, all; else half of them for each. Raises UsageError."""
    allowed = [host.call(os.sched_getaffinity, 0) for host in (there.server, there.load)]
    half = planning.split_cores(allowed[0] & allowed[1] or allowed[0])
    usual = [tuple(sorted(each)) for each in allowed] if there.two_machines else [half.server, half.load]
    given = {"--cpus-server": options.cpus_server, "--cpus-load": options.cpus_load}
    chosen = []
    for name, usable, otherwise in zip(given, allowed, usual):
        try:
            chosen.append(planning.parse_cpus(given[name], usable) if given[name] else otherwise)
        except UsageError as error:
            raise UsageError(f"argument {name}: {error}") from None
    return Cores(chosen[0], chosen[1], there.two_machines)


def peer_names(text: str) -> list[str]:
    return list(PEERS) if text == "all" else planning.parse_list(text, PEERS, "peer")


def label(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise UsageError(f"{text!r}: letters, digits, '.', '_' and '-' only")
    return text


def shared(
    made: Parser, name: str | None = None, blocks: int | None = None, duration: float | None = None,
    results: Path | None = ROOT / "results", said: Sequence[str] = ("%(default)s",) * 2,
) -> None:  # fmt: skip
    """What all that repeat blocks take, and what kept() adds. said: of the defaults of blocks and
    duration, where they depend on more."""
    add = made.add_argument
    add("--blocks", type=number(int, 1), metavar="N", default=blocks,
        help=f"how often all is repeated; 3 and more give 95 %% intervals ({said[0]})")
    add("--duration", type=number(float, 0.2, 3600), metavar="S", default=duration,
        help=f"seconds of load for one figure ({said[1]})")
    kept(made, name, results)


def kept(made: Parser, name: str | None, results: Path | None) -> None:
    """What all that measure take. name: of the run, where no --label is given; a preset's otherwise.
    results: where none is asked for, None: they are not kept."""
    add = made.add_argument
    add("--label", type=label, default=name,
        help=f"ends the name of the results' folder ({name or 'the name of the preset'})")
    add("--seed", type=int, metavar="N", default=secrets.randbelow(1_000_000),
        help="of the random order; by default a new one")
    add("--server", metavar="PATH", default=str(ROOT / "server"), help="(./server)")
    add("--results", type=Path, metavar="DIR", default=results,
        help=f"where the results' folder goes ({results.name if results else 'none is kept'})")
    add("--list", action="store_true", help="print what would be run, and exit")


def peer_configurations(
    options: argparse.Namespace, cores: Cores, notes: list[str], there: Hosts = Hosts()
) -> list[Configuration]:
    """Those asked for that are installed; notes says which are not."""
    names = options.peers
    if options.preset == "floor":
        names = names or [name for name in PEERS if not name.startswith("gunicorn")]
    absent = there.server.call(peers.missing, names)
    if absent:
        notes.append(f"peers {peers.absent_message(absent)}")
    return peers.configurations([name for name in names if name not in absent], cores)


def make_plan(options: argparse.Namespace, notes: list[str], there: Hosts = Hosts()) -> Plan:
    """Raises LabError for what cannot be run. notes: gets what the results must mention."""
    if options.nice is not None and not all(host.call(priority.may, options.nice) for host in there.each):
        raise UsageError(f"--nice {options.nice}: not allowed; root may")
    cores = cores_of(options, there)
    beside = peer_configurations(options, cores, notes, there)
    if options.offered and options.preset != "load":
        raise UsageError("--offered goes with --load only")
    if options.preset == "quick":
        preset = _quick(options, cores, beside)
    else:
        preset = presets.NAMED[options.preset](presets.Maker(cores, beside))
        preset = replace(preset, cells=_chosen(preset.cells, options, cores))
    cells = possible(preset.cells, options, there, notes)
    if cores.two_machines:
        cells = planning.on_two_machines(cells)
    if options.no_aa:
        cells = tuple(
            replace(cell, configurations=tuple(c for c in cell.configurations if not c.again))
            for cell in cells
        )
    plan = Plan(
        cells, preset.blocks, preset.duration_s, preset.warmup_s, options.seed,
        options.label or options.preset, cores, preset=options.preset,
        steady=preset.steady and options.warmup is None,
        syscalls=preset.syscalls or options.syscalls,
        nice=max(host.call(priority.usual) for host in there.each),
        budget_s=QUICK_BUDGET_S if options.preset == "quick" and options.blocks is None else 0.0,
        precision=options.precision / 100,
    )  # fmt: skip
    given = {
        "blocks": options.blocks, "duration_s": options.duration, "warmup_s": options.warmup,
        "nice": options.nice, "budget_s": options.budget,
    }  # fmt: skip
    asked = {name: value for name, value in given.items() if value is not None}
    return planning.ordered(replace(plan, **asked))


def plan_of(
    options: argparse.Namespace, preset: str, cells: Sequence[Cell], cores: Cores, warmup_s: float
) -> Plan:
    """Of a program whose options are shared() ones."""
    return planning.ordered(
        Plan(
            tuple(cells), options.blocks, options.duration, warmup_s, options.seed, options.label, cores,
            preset=preset, nice=priority.usual(),
        )
    )  # fmt: skip


def possible(
    cells: tuple[Cell, ...], options: argparse.Namespace, there: Hosts, notes: list[str]
) -> tuple[Cell, ...]:
    """Without those of more connections than can be had there, those that limit a server's memory
    where this cannot be done, and those that take one host where there are two; notes says so. Raises
    LabError where none is left, and for --connections that cannot be had."""
    most, limit = min(host.call(environment.most_connections) for host in there.each)
    largest = max(cell.connections for cell in cells)
    if largest > most and options.connections:
        raise UsageError(f"--connections {largest}: at most {most:,} here, {limit}")
    cells = _left(
        cells, notes, f"cells of more than {most:,} connections", f"limited {limit}", lambda c: c.connections <= most
    )
    limited = any(cell.workload.memory_bytes for cell in cells)
    reason = there.server.call(cgroup.problem) if limited else None
    if reason:
        cells = _left(cells, notes, "workloads that limit memory", reason, lambda c: not c.workload.memory_bytes)
    if there.two:
        cells = _left(
            cells, notes, "databases and what follows each request (crash, drain)", "they take server and load on one host",
            lambda c: not (c.workload.database or c.workload.kind.counted),
        )  # fmt: skip
    return cells


def _left(
    cells: tuple[Cell, ...], notes: list[str], what: str, reason: str, wanted: Callable[[Cell], bool]
) -> tuple[Cell, ...]:
    """The cells that are wanted; notes says which are not. Raises LabError where none is."""
    kept = tuple(cell for cell in cells if wanted(cell))
    if kept != cells:
        notes.append(f"{what} are left out: {reason}")
    if not kept:
        raise LabError(f"nothing to measure: {notes[-1]}")
    return kept


def _quick(
    options: argparse.Namespace, cores: Cores, beside: Sequence[Configuration]
) -> Preset:
    """An A/A pair runs with the first workload: where it differs, so may everything. And with those that
    only compute, whose noise is another, and models a few percent from each other."""
    models = planning.parse_models(
        options.models or presets.QUICK_MODELS, options.workers or [presets.QUICK_POOL], cores
    )
    cells = planning.cells_for(
        work.parse(options.workloads or presets.QUICK_WORKLOADS), [*models, *beside],
        options.connections, cores,
    )  # fmt: skip
    first = cells[0].workload
    cells = [
        planning.with_aa(cell) if cell.workload == first or cell.workload.computes_only else cell
        for cell in cells
    ]
    return Preset(tuple(cells), 3, 0.6, 0.2, steady=False, syscalls=False)


def _chosen(
    cells: Sequence[Cell], options: argparse.Namespace, cores: Cores
) -> tuple[Cell, ...]:
    """Of a preset's cells, what --workloads, --connections, --models and --workers leave. A model
    alone stands for all that is run of it."""
    names, models = split_list(options.workloads or ""), split_list(options.models or "")
    own = {name for cell in cells for name in _names(cell)}
    for name in names:
        if name not in own:
            work.parse(name)  # says what is wrong with it
    sizes = sorted({c.workers for cell in cells for c in cell.configurations})
    shares = {round(c.offered * 100) for cell in cells for c in cell.configurations if c.offered}
    for percent in options.offered:
        if percent not in shares:
            there_are = ", ".join(map(str, sorted(shares))) or "none"
            raise UsageError(f"--offered {percent}: there are {there_are}")
    labels = {c.label for model in models for c in planning.parse_models(model, sizes, cores)}

    def wanted(configuration: Configuration) -> bool:
        share = configuration.offered
        if share and options.offered and round(share * 100) not in options.offered:
            return False
        if configuration.floor or configuration.peer:
            return True
        if options.workers and configuration.pooled and configuration.workers not in options.workers:
            return False
        if not models or configuration.model in models:
            return True
        return replace(configuration, suffix="", offered=None).label in labels

    kept = []
    for cell in cells:
        if names and not _names(cell) & set(names):
            continue
        if options.connections and cell.connections not in options.connections:
            continue
        configurations = tuple(c for c in cell.configurations if wanted(c))
        if any(not c.floor for c in configurations):
            kept.append(replace(cell, configurations=configurations))
    if not kept:
        raise UsageError("nothing of this preset is left by --workloads, --connections, "
                         "--models and --workers")  # fmt: skip
    return tuple(kept)


def _names(cell: Cell) -> set[str]:
    """By which its workload can be asked for: mix?cpu=50 and idle:16 are also mix and idle."""
    name = cell.workload.name
    return {name, re.split("[?:]", name)[0]}


def describe(plan: Plan) -> str:
    """What --list prints of the run."""
    lines = ["this run:"]
    for cell in plan.cells:
        names = ", ".join(c.label for c in cell.configurations)
        lines.append(f"  {cell.name}: {names}")
    lines.append(estimate(plan))
    lines.append(table.where(plan.cores))
    return "\n".join(lines) + "\n"


def estimate(plan: Plan, beside_s: float = 0.0) -> str:
    """beside_s: of each block, what is measured beside the plan's steps."""
    more = f"; more of them within {plan.budget_s:g} s" if plan.budget_s else ""
    seconds = budget.seconds_planned(plan) + beside_s * plan.blocks
    time = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    return (
        f"{plan.preset}: {plan.blocks} blocks, {len(plan.steps)} runs of {plan.duration_s:g} s "
        f"and more, about {time}{more}"
    )
