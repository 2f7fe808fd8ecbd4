# SPDX-License-Identifier: MIT
"""scripts/bench --against: this server and another one, as duets, in every model asked for."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Sequence

from ..machine.children import Children
from ..machine.errors import LabError, UsageError
from ..machine.hosts import Hosts
from ..machine.program import say
from ..ask.kinds import Kind
from ..ask.plan import Cell, Configuration, Plan, Step
from ..measure import duet, environment
from ..measure.environment import ROOT
from ..measure.measurement import Bench
from ..measure.sample import Sample
from ..judge import gates, stats, words
from ..judge.stats import Comparison
from ..show.document import Run, utc
from .compare import Compared
from . import compare, options as choosing, report, run as running
from .progress import clock

MODELS, WORKLOADS = "prefork,threads,coro", "hello,cpu,mix"
SCHEMA = 2  # of against.json
BUDGET_S = 20.0  # for each line
NOISE = 0.01  # farther from 1 than a server is from itself
LEAST = 4  # turns, before a line is done
FULL = 256  # connections of a request without work, so that no server runs out of requests
BUILD_TIMEOUT_S = 600


def other_server(given: str, folder: Path) -> str:
    """The program to compare with; a revision is built below folder. Raises LabError."""
    path = Path(given)
    if path.is_file():
        if not os.access(path, os.X_OK):
            raise UsageError(f"--against {given}: not a program")
        return str(path.resolve())
    known = _ran("git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{given}^{{commit}}")
    if known.returncode != 0:
        why = f" ({known.stderr.splitlines()[0]})" if known.stderr else ""
        raise UsageError(f"--against {given}: neither a program nor a revision of this repository{why}")
    tree, commit = str(folder / "against"), known.stdout.strip()
    for argv in (
        ("git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), tree),
        ("git", "-C", tree, "checkout", "--quiet", "--detach", commit),
        ("make", "-C", tree, "-j2", "server"),
    ):
        done = _ran(*argv)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise LabError(f"--against {given}: the server of {commit[:12]} cannot be built: {said[-1]}")
    return f"{tree}/server"


def _ran(*argv: str) -> subprocess.CompletedProcess[str]:
    """Also what it says is in the result. Raises LabError where it cannot be run."""
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LabError(f"{argv[0]}: {error}") from None


@dataclass(frozen=True)
class Line:
    """One configuration of a cell: this server over the other, a pair a turn."""

    cell: Cell
    wanted: Configuration
    turns: list[list[Sample]] = field(default_factory=list)  # of this server, of the other

    @property
    def sampled(self) -> dict[str, Comparison | None]:
        """The ratios, with intervals that know of chance alone."""
        workload = self.cell.workload
        counted = [turn for turn in self.turns if not any(sample.void for sample in turn)]
        figures: dict[str, Callable[[Sample], float]] = {
            "cpu": lambda sample: duet.cpu_us(sample, workload.pipeline),
            "rps": lambda sample: sample.rps,
        }
        return {
            name: stats.paired(
                [(figure(mine), figure(others)) for mine, others in counted],
                stopped=True, first=self.wanted.label, second="other", figure=name, noise=NOISE,
            )
            for name, figure in figures.items()
        }  # fmt: skip

    @property
    def compared(self) -> Compared:
        ratios = {name: ratio and stats.loosened(ratio, duet.SYSTEMATIC) for name, ratio in self.sampled.items()}
        reasons = {reason for turn in self.turns for sample in turn for reason in sample.gates}
        why = ", ".join([compare.VOID, *sorted(reasons)]) if reasons else compare.MISSING
        return Compared(self.cell.workload.name, self.cell.connections, self.wanted.label, ratios, why)

    def add(self, turn: list[Sample]) -> None:
        """One in which a gate fails is kept, and is no pair."""
        for sample in turn:
            sample.gates = gates.check(sample, self.cell.workload, self.wanted)
        self.turns.append(turn)

    def done(self, precision: float) -> bool:
        said, cpu = self.compared.ratios["cpu"], self.sampled["cpu"]
        return (
            said is not None and cpu is not None and cpu.n >= LEAST and said.state != stats.UNDECIDED
            and cpu.high / cpu.low <= (1 + precision) ** 2
        )  # fmt: skip

    def text(self, other: str) -> str:
        compared = self.compared
        cpu, rps = compared.ratios.get("cpu"), compared.ratios.get("rps")
        if cpu is None or rps is None:
            return f"{compared.place}: {compared.why}"
        distance = words.percent(cpu.distance if cpu.ratio > 1 else 1 - cpu.ratio)
        said = {
            stats.MORE: f"slower by {distance}",
            stats.LESS: f"faster by {distance}",
            stats.EQUAL: f"equal within ±{words.percent(stats.WITHIN)}",
        }.get(cpu.state) or f"undecided, {words.doubt(cpu)}"
        return (
            f"{compared.place}: CPU per request {words.ratio_text(cpu, 3)} × {other}'s "
            f"in {cpu.n} duet{'s'[: cpu.n - 1]}: {said}; "
            f"requests/s {words.ratio_text(rps)}"
        )


def plan_for(options: argparse.Namespace, notes: list[str], hosts: Hosts = Hosts()) -> tuple[Plan, list[Line]]:
    """Raises UsageError for what cannot be compared so."""
    for name in ("blocks", "duration", "peers", "syscalls", "resume"):
        if getattr(options, name):
            raise UsageError(f"--{name} does not go with --against")
    if options.budget is not None and options.budget <= 0:
        raise UsageError("--budget: more than 0 s")
    chosen = options.preset != "quick" or options.connections
    if options.preset == "quick":
        options.models, options.workloads = options.models or MODELS, options.workloads or WORKLOADS
    options.no_aa, options.label = True, options.label or "against"
    plan = choosing.make_plan(options, notes, hosts)
    cells = [
        replace(cell, configurations=tuple(c for c in cell.configurations if not (c.floor or c.peer)))
        for cell in (plan.cells if chosen else map(_filled, plan.cells))
        if cell.workload.kind is Kind.LOAD
    ]
    plan = replace(plan, cells=tuple(cells), steps=())
    lines = [Line(cell, each) for cell in cells for each in cell.configurations]
    if not lines:
        raise UsageError("--against: nothing that is asked for is a load of our server alone")
    ones = dict.fromkeys(("cpu", "rps"), Comparison(1.0, 1.0, 1.0, 1))
    for text in options.fail_if:
        compare.conditions(text, [replace(line.compared, ratios=ones) for line in lines])
    return plan, lines


def _filled(cell: Cell) -> Cell:
    return replace(cell, connections=max(cell.connections, FULL)) if cell.workload.floor else cell


def measure(
    benches: Sequence[Bench], lines: Sequence[Line], budget_s: float, precision: float, other: str
) -> None:
    """Turn by turn, until every line is done or the budget spent; a turn begun is finished."""
    ends = time.monotonic() + budget_s
    number = 0
    while todo := [line for line in lines if not line.done(precision)]:
        for line in todo:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                return
            line.add(duet.turn(benches, Step(number, line.cell, line.wanted)))
            say(sys.stderr, f"{clock(left_s)} left; {line.text(other)}\n")
        number += 1


def document(run: Run, lines: Sequence[Line], other: dict[str, str | None]) -> dict[str, Any]:
    return {
        "schema": SCHEMA, "command": run.command, "started": run.started,
        "ended": utc("%Y-%m-%dT%H:%M:%SZ"), "complete": run.complete, "stopped_by": run.stopped_by,
        "environment": run.environment, "against": other, "nice": run.plan.nice,
        "window_s": duet.WINDOW_S,
        "lines": [
            {
                "workload": one.workload, "connections": one.connections, "configuration": one.configuration,
                **{name: ratio.to_json() if ratio else None for name, ratio in one.ratios.items()},
                "turns": [[asdict(sample) for sample in turn] for turn in line.turns],
            }
            for line in lines
            for one in [line.compared]
        ],
    }  # fmt: skip


def against(options: argparse.Namespace, argv: Sequence[str], hosts: Hosts) -> int:
    """0: every line decided, or no condition of --fail-if met. 1: one met. 3: undecided."""
    notes: list[str] = []
    plan, lines = plan_for(options, notes, hosts)
    given = options.against
    budget_s = options.budget or BUDGET_S * len(lines)
    if options.list:
        say(sys.stdout, "".join(f"{line.compared.place}\n" for line in lines) + f"at most {budget_s:g} s\n")
        return 0
    ready = running.prepared(choosing.PROGRAM, argv, plan, options.server, options.results, hosts)
    with ready as (run, programs):
        run.notes[:0] = notes
        say(sys.stderr, "".join(f"{note}\n" for note in run.notes))
        theirs = hosts.server.call(other_server, given, programs.folder)
        version = hosts.server.call(environment.version, theirs)
        with running.measuring(run), Children() as children:
            mine = Bench(children, programs, plan)
            other = replace(mine, programs=replace(programs, server=theirs), answers={})
            measure([mine, other], lines, budget_s, plan.precision, given)
        if not any(line.turns for line in lines):
            return running.exit_status(run)
    folder = running.new_folder(options.results, plan.label)
    made = document(run, lines, {"given": given, "server_version": version})
    report.write(folder, {"against.json": report.json_text(made)})
    say(sys.stdout, "".join(f"{line.text(given)}\n" for line in lines))
    say(sys.stdout, f"written to {running.shown(folder, Path.cwd())}/\n")
    return running.exit_status(run) or verdict(lines, options.fail_if)


def verdict(lines: Sequence[Line], fail_if: Sequence[str]) -> int:
    """The exit status."""
    if fail_if:
        compared = [line.compared for line in lines]
        return compare.verdict([each for text in fail_if for each in compare.conditions(text, compared)])
    found = [line.compared.ratios.get("cpu") for line in lines]
    return 0 if all(cpu and cpu.state != stats.UNDECIDED for cpu in found) else compare.UNDECIDED
