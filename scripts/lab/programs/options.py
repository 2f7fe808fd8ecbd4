# SPDX-License-Identifier: MIT
"""The options of scripts/bench, and the plan they ask for."""

from __future__ import annotations

import argparse
import os
import re
import secrets
from dataclasses import replace
from typing import Sequence, TypeVar

from ..machine import cgroup, priority
from ..machine.errors import LabError, UsageError
from ..machine.program import Parser
from ..ask import plan as planning, presets, workloads as work
from ..ask.plan import MODELS, PEERS, Cell, Configuration, Cores, Plan
from ..ask.presets import Preset
from ..ask.workloads import WORKLOADS
from ..server import peers
from ..measure import environment
from ..show import table
from . import budget

DESCRIPTION = """\
Runs the server's concurrency models under wrk, interleaved and repeated, and prints what
they reach, what it costs, what stops them, and how sure that is.

presets (one of them; the options below change it, or choose from it):
  --quick      the models on hello, cpu, sleep and mix, 3 blocks and more: under two minutes
  --full       every workload; 1 to 4096 connections on hello and sleep; pools of 4, 16, 64
               and 256; keep-alive and not; both dispatches; --gil; 10 blocks, system calls
               counted apart: about an hour, 75 minutes with --peers
  --floor      the floor server, the models and every other server installed: the speed
               goals, each PASS, FAIL or VOID: about 20 minutes
  --crossover  /mix by computing share, connections and pool size: which model wins where:
               about a quarter of an hour
  --external   published results, reproduced in shape: about 10 minutes
"""

QUICK_BUDGET_S = 105.0  # make bench is to end in two minutes, writing included

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
    made = Parser("scripts/bench", DESCRIPTION, EXAMPLES)
    one_of = made.add_mutually_exclusive_group()
    one_of.add_argument("--quick", dest="preset", action="store_const", const="quick",
                        default="quick", help="in use when nothing else is said")
    for name in presets.NAMED:
        one_of.add_argument(f"--{name}", dest="preset", action="store_const", const=name,
                            help=argparse.SUPPRESS)
    add = made.add_argument
    add("--models", metavar="LIST",
        help="MODEL[:WORKERS][+gil][+connection], ...; WORKERS may be 'cores' "
        f"({presets.QUICK_MODELS})")
    add("--workloads", metavar="LIST",
        help=f"names, idle:N, or a route with a query of its own ({presets.QUICK_WORKLOADS})")
    add("--connections", metavar="LIST", help="numbers; by default each workload's own")
    add("--workers", metavar="LIST",
        help=f"sizes of the pools, prefork and threads ({presets.QUICK_POOL})")
    add("--peers", metavar="LIST", nargs="?", const="all",
        help="other servers beside ours, all that are installed or those listed: "
        + ", ".join(PEERS))
    add("--against", metavar="PATH|REV",
        help="compare --server with that program, or with that revision, which is built: in each "
        "model and workload asked for (prefork,threads,coro on hello,cpu,mix) both run at the same "
        "time on the same core; exit status 0: decided, 1: a --fail-if holds, 3: undecided")
    add("--fail-if", metavar="CONDITION", action="append", default=[],
        help="of --against: such as 'hello:coro:cpu>1.03' or 'cpu:threads:rps<0.97'; repeatable")
    shared(made, said=("3; --full 10", "0.8"))
    add("--budget", type=float, metavar="S",
        help="seconds in all: what the blocks leave of them goes to more, where ratios are wider than "
        f"asked, until each is not ({QUICK_BUDGET_S:g} of the quick preset without --blocks, 20 a line of --against, "
        "else 0)")
    add("--precision", type=float, metavar="P", default=3.0,
        help="how wide a ratio may be, in percent to both sides (%(default)g)")
    add("--warmup", type=float, metavar="S", help="seconds of load before it (0.2)")
    add("--label", help="ends the name of the results' folder (the preset's name)")
    add("--cpus-server", metavar="LIST", help="cores of the server (the first half of all)")
    add("--cpus-load", metavar="LIST", help="cores of wrk (the other half)")
    add("--resume", metavar="DIR",
        help="go on with the run in this folder that was stopped, by its own plan; with --budget "
        "also with one that was not")
    add("--nice", type=int, metavar="N",
        help="of servers and wrk: -20 keeps other programs from their cores, 0 competes with "
        "them (-20 where allowed, as to root)")
    add("--syscalls", action="store_true",
        help="count system calls too, in runs of their own at the end")
    add("--no-aa", action="store_true",
        help="leave out the A/A pair: one configuration run twice, to see the noise")
    return made


def shared(
    made: Parser, blocks: int | None = None, duration: float | None = None,
    results: str = "results", said: Sequence[str] = ("%(default)s",) * 2,
) -> None:  # fmt: skip
    """What all that measure take. said: of the first two's defaults, where they depend on more."""
    add = made.add_argument
    add("--blocks", type=int, metavar="N", default=blocks,
        help=f"how often all is repeated; 3 and more give 95 %% intervals ({said[0]})")
    add("--duration", type=float, metavar="S", default=duration,
        help=f"seconds of load for one figure ({said[1]})")
    add("--seed", type=int, metavar="N", default=secrets.randbelow(1_000_000),
        help="of the random order; by default a new one")
    add("--server", metavar="PATH", default="./server", help="(%(default)s)")
    add("--results", metavar="DIR", help=f"where the results' folder goes ({results})")
    add("--list", action="store_true", help="print what would be run, and exit")


def cores_of(options: argparse.Namespace) -> Cores:
    available = os.sched_getaffinity(0)
    cores = planning.split_cores(sorted(available))
    server, load = options.cpus_server, options.cpus_load
    return Cores(
        planning.parse_cpus(server, available) if server else cores.server,
        planning.parse_cpus(load, available) if load else cores.load,
    )


def peer_configurations(
    options: argparse.Namespace, cores: Cores, notes: list[str]
) -> list[Configuration]:
    """Those asked for that are installed; notes says which are not."""
    asked = options.peers or ("all" if options.preset == "floor" else "")
    if not asked:
        return []
    names = list(PEERS) if asked == "all" else planning.parse_list(asked, PEERS, "peer")
    absent = peers.missing(names)
    if absent:
        notes.append(f"peers {peers.absent_message(absent)}")
    present = [name for name in names if name not in absent]
    if options.preset == "floor" and not options.peers:
        present = [name for name in present if not name.startswith("gunicorn")]
    return peers.configurations(present, cores)


def make_plan(options: argparse.Namespace, notes: list[str]) -> Plan:
    """Raises LabError for what cannot be run. notes: gets what the results must mention."""
    cores = cores_of(options)
    check(options)
    beside = peer_configurations(options, cores, notes)
    if options.preset == "quick":
        preset = _quick(options, cores, beside)
    else:
        preset = presets.NAMED[options.preset](presets.Maker(cores, beside))
        preset = replace(preset, cells=tuple(_chosen(preset.cells, options, cores)))
    cells = _connectable(preset.cells, bool(_counts(options)), notes)
    if any(cell.workload.memory_bytes for cell in cells):
        cells = _possible(cells, notes)
    if options.no_aa:
        cells = tuple(_without_aa(cell) for cell in cells)
    return planning.ordered(
        Plan(
            cells,
            _given(options.blocks, preset.blocks),
            _given(options.duration, preset.duration_s),
            _given(options.warmup, preset.warmup_s),
            options.seed,
            options.label or options.preset,
            cores,
            preset=options.preset,
            steady=preset.steady and options.warmup is None,
            syscalls=preset.syscalls or options.syscalls,
            nice=_given(options.nice, priority.usual()),
            budget_s=_given(
                options.budget,
                QUICK_BUDGET_S if options.preset == "quick" and options.blocks is None else 0.0,
            ),
            precision=options.precision / 100,
        )
    )


def _connectable(
    cells: tuple[Cell, ...], asked: bool, notes: list[str]
) -> tuple[Cell, ...]:
    """Without those of more connections than can be had here; notes says so.
    Raises UsageError where the number was asked for."""
    most, limit = environment.most_connections()
    largest = max(cell.connections for cell in cells)
    if largest <= most:
        return cells
    if asked:
        raise UsageError(f"--connections {largest}: at most {most:,} here, {limit}")
    notes.append(f"cells of more than {most:,} connections are left out: limited {limit}")
    return tuple(cell for cell in cells if cell.connections <= most)


def _possible(cells: tuple[Cell, ...], notes: list[str]) -> tuple[Cell, ...]:
    """Without those that limit a server's memory, where this cannot be done; notes says so."""
    reason = cgroup.problem()
    if reason is None:
        return cells
    notes.append(f"workloads that limit memory are left out: {reason}")
    kept = tuple(cell for cell in cells if not cell.workload.memory_bytes)
    if not kept:
        raise LabError(reason)
    return kept


T = TypeVar("T")


def _given(value: T | None, default: T) -> T:
    return default if value is None else value


def check_shared(options: argparse.Namespace) -> None:
    if options.blocks is not None and options.blocks < 1:
        raise UsageError("--blocks: at least 1")
    if not 0.2 <= _given(options.duration, 1.0) <= 3600:
        raise UsageError("--duration: 0.2 to 3600 s")
    if getattr(options, "label", None) and not re.fullmatch(r"[A-Za-z0-9._-]+", options.label):
        raise UsageError("--label: letters, digits, '.', '_' and '-' only")


def check(options: argparse.Namespace) -> None:
    check_shared(options)
    if not 0 <= _given(options.warmup, 0.0) <= 60:
        raise UsageError("--warmup: 0 to 60 s")
    if _given(options.budget, 0.0) < 0:
        raise UsageError("--budget: 0 s or more")
    if not 0 < options.precision <= 100:
        raise UsageError("--precision: above 0, to 100 %")
    if options.nice is not None:
        if not priority.RAISED <= options.nice <= priority.LOWEST:
            raise UsageError("--nice is -20 to 19")
        if not priority.may(options.nice):
            raise UsageError(f"--nice {options.nice}: not allowed; root may")


def _quick(
    options: argparse.Namespace, cores: Cores, beside: Sequence[Configuration]
) -> Preset:
    """The A/A pair runs with the first workload: where it differs, so may everything."""
    pools = planning.parse_numbers(options.workers or str(presets.QUICK_POOL), "--workers")
    models = planning.parse_models(options.models or presets.QUICK_MODELS, pools, cores)
    counts = _counts(options)
    cells = planning.cells_for(
        work.parse(options.workloads or presets.QUICK_WORKLOADS), [*models, *beside], counts,
        cores,
    )  # fmt: skip
    first = cells[0].workload
    cells = [planning.with_aa(cell) if cell.workload == first else cell for cell in cells]
    return Preset(tuple(cells), 3, 0.8, 0.2, steady=False, syscalls=False)


def _counts(options: argparse.Namespace) -> list[int]:
    text = options.connections
    return planning.parse_numbers(text, "--connections") if text else []


def _chosen(cells: Sequence[Cell], options: argparse.Namespace, cores: Cores) -> list[Cell]:
    """Of a preset's cells, what --workloads, --connections, --models and --workers leave."""
    names = _names(options.workloads, cells) if options.workloads else []
    counts = _counts(options)
    pools = planning.parse_numbers(options.workers, "--workers") if options.workers else []
    models = (
        [part.strip() for part in options.models.split(",")] if options.models else []
    )
    for model in models:
        planning.parse_models(model, [1], cores)  # says what is wrong with it

    def wanted(configuration: Configuration) -> bool:
        if configuration.floor or configuration.peer:
            return True
        if pools and configuration.pooled and configuration.workers not in pools:
            return False
        return not models or any(_matches(configuration, model, cores) for model in models)

    kept = []
    for cell in cells:
        base = cell.workload.name.split("?")[0].split(":")[0]
        if names and not {cell.workload.name, base} & set(names):
            continue
        if counts and cell.connections not in counts:
            continue
        configurations = tuple(c for c in cell.configurations if wanted(c))
        if any(not c.floor for c in configurations):
            kept.append(replace(cell, configurations=configurations))
    if not kept:
        raise UsageError("nothing of this preset is left by --workloads, --connections, "
                         "--models and --workers")  # fmt: skip
    return kept


def _names(text: str, cells: Sequence[Cell]) -> list[str]:
    """Of workloads; a preset may have some that only it has."""
    own = {cell.workload.name for cell in cells}
    own |= {name.split(":")[0] for name in own}
    parts = [part.strip() for part in text.split(",")]
    known = [part for part in parts if part in own]
    others = ",".join(part for part in parts if part not in own)
    return known + [w.name for w in work.parse(others)] if others or not known else known


def _matches(configuration: Configuration, spec: str, cores: Cores) -> bool:
    """Whether a configuration is what MODEL[:WORKERS][+...] names; with no workers, any size."""
    head, _, _flags = spec.partition("+")
    model, _, workers = head.partition(":")
    if "+" not in spec and not workers:
        return configuration.model == model
    meant = planning.parse_models(spec, [configuration.workers], cores)
    return replace(configuration, suffix="").label in [each.label for each in meant]


def _without_aa(cell: Cell) -> Cell:
    return replace(cell, configurations=tuple(c for c in cell.configurations if not c.again))


def describe(plan: Plan) -> str:
    """What --list prints."""
    lines = [f"models: {', '.join(MODELS)}; peers: {', '.join(PEERS)}; workloads:"]
    lines += [f"  {w.name:18}{w.target:30}{w.shape}" for w in WORKLOADS.values()]
    lines.append("this run:")
    for cell in plan.cells:
        names = ", ".join(c.label for c in cell.configurations)
        lines.append(f"  {cell.name}: {names}")
    lines.append(estimate(plan))
    lines.append(
        f"server on core {table.cores_text(plan.cores.server)}, "
        f"wrk on core {table.cores_text(plan.cores.load)}"
    )
    return "\n".join(lines) + "\n"


def estimate(plan: Plan) -> str:
    more = f"; more of them within {plan.budget_s:g} s" if plan.budget_s else ""
    minutes = budget.seconds_planned(plan) / 60
    time = f"{minutes:.0f} minutes" if minutes >= 2 else f"{minutes * 60:.0f} seconds"
    return (
        f"{plan.preset}: {plan.blocks} blocks, {len(plan.steps)} runs of {plan.duration_s:g} s "
        f"and more, about {time}{more}"
    )
