# SPDX-License-Identifier: MIT
"""scripts/capacity: the highest rate at which a server keeps a promise.

Requests arrive when they arrive, whether earlier ones have been answered or not (scripts/load), and
the promise is of what a user feels: 99 % of them answered within 50 ms of when they came. Each model
is looked at in turn, by doubling and then by votes, until the rate is known to a few percent.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Sequence
from urllib.parse import urlsplit

from ..machine import hosts as hosting, priority
from ..machine.children import Children
from ..machine.errors import LabError, UsageError
from ..machine.hosts import Hosts
from ..machine.program import Parser, number, parse_numbers, say
from ..ask import plan as planning, presets, workloads as work
from ..ask.plan import PEERS, Cell, Cores, Plan
from ..ask.workloads import WORKLOADS, Workload
from ..judge import capacity, words
from ..judge.capacity import Promise
from ..judge.verdict import NOTED_CORES
from ..measure import load
from ..measure.environment import ROOT
from ..measure.measurement import Bench
from ..measure.offered import Offered
from ..show import capacities, table
from ..show.document import Run, utc
from . import options as choosing, report, run as running
from .progress import Line
from .seeking import BUDGET_S, CONNECTIONS, DURATION_S, GIVE_UP_S, GIVE_UP_TIMES, Asked, Seeker, seek

PROGRAM = "scripts/capacity"
UNDECIDED = 3  # the exit status
MORE_MEMORY = 1.5  # times as much is worth a word
UNITS_US = {"us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6}
PROMISES = ("p50", "p90", "p99", "p999")

EXAMPLES = """\
examples:
  scripts/capacity --p99 50ms '/mix?cpu=200&wait=5&rounds=2'
  scripts/capacity --p99 10ms hello,sleep --models threads:16,threads:64,coro
  scripts/capacity --p999 200ms /index.html --url http://127.0.0.1:8080
  scripts/capacity --p99 50ms hello --server-host h1 --load-host h2    started by ssh, as scripts/bench does it

exit status:
  0 every capacity was found, 3 one is undecided, 1 something failed, 64 a wrong option
"""


def duration_us(text: str) -> float:
    """Such as 50ms."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(us|µs|ms|s)", text)
    value = float(match[1]) * UNITS_US[match[2]] if match else 0.0
    if value <= 0:
        raise UsageError(f"{text!r}: expected a time such as 50ms, 1.5s or 800us")
    return value


def server_url(text: str) -> str:
    """Such as http://127.0.0.1:8080."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise UsageError(f"{text!r}: expected http://HOST[:PORT], the path is the workload's")
    return f"http://{parts.netloc}"


def parser() -> Parser:
    made = Parser(PROGRAM, __doc__, EXAMPLES)
    add = made.add_argument
    add("workloads", metavar="WORKLOAD",
        help="a path with its query, or names as scripts/bench --workloads takes them")
    promise = made.add_argument_group("promise, one of them").add_mutually_exclusive_group(required=True)
    for name in PROMISES:
        share = f"{load.PERCENTILES[name] * 100:.4g}"
        promise.add_argument(f"--{name}", type=duration_us, metavar="TIME",
                             help=f"{share} %% of requests are answered within TIME, such as 50ms")
    add("--url", type=server_url, action="append", default=[], metavar="URL",
        help="also of the server at http://HOST[:PORT]; repeatable. Without --models, of such servers alone")
    add("--models", metavar="LIST", help=f"as of scripts/bench ({presets.QUICK_MODELS})")
    add("--workers", type=parse_numbers, metavar="LIST",
        help=f"sizes of the pools, prefork and threads ({presets.QUICK_POOL})")
    add("--peers", type=choosing.peer_names, metavar="LIST", nargs="?", default=[], const=list(PEERS),
        help="other servers beside ours, all that are installed or those listed: " + ", ".join(PEERS))
    add("--precision", type=number(float, 1, 50), metavar="P", default=3.0,
        help="how wide the interval may be, in percent to both sides (%(default)g)")
    add("--budget", type=number(float, 0.1), metavar="S", help=f"seconds in all ({BUDGET_S:g} a server)")
    add("--duration", type=number(float, 0.2, 3600), metavar="S", default=DURATION_S,
        help=f"seconds of a window at least; it lasts {capacity.WITHOUT_BIAS} times the promise, and until the "
        "percentile is known (%(default)g)")
    add("--give-up", type=number(float, 0.01, 3600), metavar="S",
        help="break a window off when a request has been without an answer for so long "
        f"({GIVE_UP_TIMES} times the promise, at least {GIVE_UP_S:g})")
    add("--connections", type=number(int, 1), metavar="N", default=CONNECTIONS,
        help="open at most so many (%(default)s)")
    choosing.across(made, "the generator")
    choosing.kept(made, "capacity", ROOT / "results")
    made.set_defaults(preset="capacity")
    return made


# --- what is asked ------------------------------------------------------------------------


def workloads_of(text: str, ours: bool) -> list[Workload]:
    """ours: our servers are asked, so it must be one of their routes."""
    if not text.startswith("/"):
        return work.parse(text)
    for known in WORKLOADS.values():
        if known.target == text and load.why_not(known) is None:
            return [known]
    path, mark, _ = text.partition("?")
    name = path.strip("/")
    if mark and name in WORKLOADS and WORKLOADS[name].target.startswith(f"{path}?"):
        return [work.with_query(WORKLOADS[name], text.partition("?")[2])]
    if ours:
        raise UsageError(f"{text!r}: the lab knows no such workload: there are {', '.join(WORKLOADS)}")
    return [Workload(text, text, "as asked for", 0)]


def promise_of(options: argparse.Namespace) -> Promise:
    name = next(name for name in PROMISES if getattr(options, name) is not None)
    return Promise(name, getattr(options, name))


def make_plan(options: argparse.Namespace, notes: list[str], there: Hosts = Hosts()) -> Plan:
    """Raises LabError for what cannot be run. notes: gets what the results must mention."""
    cores = choosing.cores_of(options, there)
    asked = workloads_of(options.workloads, started(options))
    for workload in asked:
        if reason := load.why_not(workload):
            raise UsageError(f"workload {workload.name}: {reason}, so no rate of it can be offered")
    chosen = choosing.peer_configurations(options, cores, notes, there)
    if options.models or not options.url:
        models = planning.parse_models(
            options.models or presets.QUICK_MODELS, options.workers or [presets.QUICK_POOL], cores
        )
        chosen = [*models, *chosen]
    offered = [workload for workload in asked if any(one.offers(workload) for one in chosen)]
    cells = tuple(planning.cells_for(asked, chosen, [options.connections], cores)) if offered or not options.url else ()
    if options.url:  # such a server has a database of its own
        alone = (replace(workload, database=False) for workload in asked if workload not in offered)
        cells += tuple(Cell(workload, options.connections, ()) for workload in alone)
    cells = choosing.possible(cells, options, there, notes)
    if cores.two_machines:
        cells = planning.on_two_machines(cells)
    shared = dict.fromkeys(one.label for cell in cells for one in cell.configurations if one.shares_cores)
    if shared:
        notes.append(f"left out, as the generator needs cores of its own: {words.listed(list(shared))}")
    cells = tuple(
        replace(cell, configurations=tuple(one for one in cell.configurations if not one.shares_cores))
        for cell in cells
    )
    return Plan(
        cells, 1, options.duration, 0.0, options.seed, options.label, cores, preset="capacity",
        nice=max(host.call(priority.usual) for host in there.each), precision=options.precision / 100,
    )  # fmt: skip


def started(options: argparse.Namespace) -> bool:
    """Whether servers are, beside those that are found at a URL."""
    return bool(options.models or options.peers or not options.url)


def asked_of(options: argparse.Namespace) -> Asked:
    return Asked(
        promise_of(options), options.precision / 100, options.seed, options.connections, options.duration,
        options.give_up,
    )  # fmt: skip


def seekers_of(plan: Plan, urls: Sequence[str], asked: Asked) -> list[Seeker]:
    made = []
    for cell in plan.cells:
        made += [
            Seeker(cell, one.label, asked, configuration=one, load_cpus=one.load_cpus)
            for one in cell.configurations
        ]
        made += [Seeker(cell, url, asked, url=url, load_cpus=plan.cores.load) for url in urls]
    return made


# --- what is said -------------------------------------------------------------------------


def carries(seeker: Seeker) -> str:
    """The rate in words."""
    return capacities.carries(_record(seeker))


def sentence(seekers: Sequence[Seeker]) -> str:
    """What each carries, the one that carries most first, with how much more memory than that one the
    others take, and why of one there is no rate."""
    ranked = sorted(seekers, key=lambda seeker: -seeker.rate)
    parts: list[str] = []
    least = ranked[0].memory_bytes or math.inf
    for seeker in ranked:
        times = (seeker.memory_bytes or 0.0) / least
        more = f" at {times:.2g} × the memory" if times >= MORE_MEMORY and seeker.rate else ""
        why = f" ({seeker.problem})" if seeker.problem else ""
        parts.append(f"{seeker.label}{' carries' if not parts else ''} {carries(seeker)}{more}{why}")
    return f"at {ranked[0].asked.promise}: {', '.join(parts)}"


def _row(seeker: Seeker) -> list[str]:
    found = seeker.found
    bounded = found and not seeker.problem and not seeker.search.at_least
    halves = [seen.load.latency.percentiles_us["p50"] for seen in seeker.near() if seen.load]
    near = [half for half in halves if half is not None]
    used = {name: share for name, share in seeker.in_use().items() if name != capacity.GENERATOR}
    shares = ", ".join(f"{words.percent(share)} of {name}" for name, share in used.items())
    why = seeker.problem or (
        f"one request alone takes {words.duration_text(seeker.alone_us)}" if seeker.too_slow else seeker.limiter
    )
    return [
        seeker.label,
        carries(seeker),
        f"[{found.low:,.0f}, {found.high:,.0f}]" if found and bounded else words.NONE,
        words.duration_text(statistics.median(near)) if near else words.NONE,
        words.bytes_text(seeker.memory_bytes) if seeker.memory_bytes else words.NONE,
        str(len(seeker.windows)),
        why + (f" ({shares})" if shares and not seeker.problem else ""),
    ]


def _notes(seekers: Sequence[Seeker]) -> list[str]:
    """What a reader must know of the machine."""
    others = [seen.others_cores for seeker in seekers for _, seen in seeker.windows if seeker.configuration]
    if not others or statistics.median(others) < NOTED_CORES:
        return []
    middle, most = words.percent(statistics.median(others)), words.percent(max(others))
    return [f"other programs used {middle} of a core of the server's during the windows, {most} at most", ""]


HEAD = ["server", "carries", "95 % interval", "p50 there", "memory", "windows", "limited by"]


def text(seekers: Sequence[Seeker]) -> str:
    """A table for each workload."""
    out: list[str] = []
    for cell in dict.fromkeys(seeker.cell for seeker in seekers):
        mine = [seeker for seeker in seekers if seeker.cell == cell]
        workload, promise = cell.workload, mine[0].asked.promise
        out += [f"{workload.name}: {workload.method} {workload.target}, at {promise}", ""]
        out += [*table.aligned([HEAD, *map(_row, mine)]), "", *_notes(mine)]
    return "\n".join(out)


def document(run: Run, seekers: Sequence[Seeker]) -> dict[str, Any]:
    asked = seekers[0].asked
    return {
        "schema": capacities.SCHEMA, "command": run.command, "started": run.started,
        "ended": utc("%Y-%m-%dT%H:%M:%SZ"), "complete": run.complete, "stopped_by": run.stopped_by,
        "environment": run.environment, "notes": run.notes, "nice": run.plan.nice,
        "promise": asdict(asked.promise), "precision": asked.precision, "seed": asked.seed,
        "connections": asked.connections, "give_up_s": asked.breaks_off_s,
        "servers": [
            {**_record(one), "windows": [{**asdict(trial), **_window(seen)} for trial, seen in one.windows]}
            for one in seekers
        ],
    }  # fmt: skip


def _record(one: Seeker) -> dict[str, Any]:
    """All but the windows."""
    return {
        "workload": one.cell.workload.name, "target": one.cell.workload.target, "server": one.label,
        "decided": one.decided, "carries": asdict(one.found) if one.found else None,
        "confidence": capacity.CONFIDENCE, "at_least": one.search.at_least,
        "less_than": one.search.least_broken if one.search.no_rate else None, "problem": one.problem,
        "limiter": one.limiter, "in_use": one.in_use(), "alone_us": one.alone_us, "memory_bytes": one.memory_bytes,
    }  # fmt: skip


def _window(seen: Offered) -> dict[str, Any]:
    """Without the whole histograms: percentiles are there, and windows are many."""
    made = asdict(seen)
    for name in ("lag", "latency", "service"):
        if made["load"]:
            del made["load"][name]["hdr"]
    return made


# --- running ------------------------------------------------------------------------------


def main(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    if not started(options):
        if options.server_host != hosting.LOCAL:
            raise UsageError("--server-host: only servers at a URL are asked, so none is started there")
        if options.load_host != hosting.LOCAL:
            options.server_address = options.server_address or hosting.LOOPBACK
    with choosing.hosts(options) as hosts:
        return _capacity(options, argv, hosts)


def _capacity(options: argparse.Namespace, argv: Sequence[str], hosts: Hosts) -> int:
    notes: list[str] = []
    plan = make_plan(options, notes, hosts)
    seekers = seekers_of(plan, options.url, asked_of(options))
    budget_s = options.budget or BUDGET_S * len(seekers)
    if not seekers:
        raise LabError("; ".join(["no server is left", *notes]))
    if options.list:
        names = "".join(f"{seeker.cell.workload.name}: {seeker.label}\n" for seeker in seekers)
        say(sys.stdout, f"{names}at most {budget_s:g} s\n")
        return 0
    with running.prepared(PROGRAM, argv, plan, options.server, options.results, hosts) as (run, programs):
        run.notes[:0] = notes
        say(sys.stderr, "".join(f"{note}\n" for note in run.notes))
        line = Line(sys.stderr)
        with running.measuring(run), closing(line), Children() as children:
            seek(Bench(children, programs, plan), seekers, budget_s, line)
        if all(seeker.alone_us is None for seeker in seekers):
            return running.exit_status(run)
    folder = running.new_folder(options.results, plan.label)
    said = text(seekers)
    try:
        report.write(folder, {capacities.FILE: report.json_text(document(run, seekers)), "table.txt": said})
    finally:  # a full disk loses no figures
        say(sys.stdout, said)
    say(sys.stdout, f"written to {running.shown(folder, Path.cwd())}/\n")
    return running.exit_status(run) or verdict(seekers)


def verdict(seekers: Sequence[Seeker]) -> int:
    """The exit status."""
    if any(seeker.problem for seeker in seekers):
        return 1
    return 0 if all(seeker.decided for seeker in seekers) else UNDECIDED
