# SPDX-License-Identifier: MIT
"""scripts/bench --against: this server and another one, as duets, in every model asked for."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Sequence

from ..machine.children import Children
from ..machine.errors import LabError, UsageError
from ..machine.program import EX_INTERRUPTED, say
from ..ask.kinds import Kind
from ..ask.plan import Cell, Configuration, Plan
from ..measure import duet, environment
from ..measure.environment import ROOT
from ..measure.measurement import Answers, Bench
from ..measure.sample import Sample
from ..judge import gates, stats, words
from ..judge.stats import Comparison
from ..show.document import Run, utc
from . import compare, options as choosing, run as running
from .progress import clock

MODELS, WORKLOADS = "prefork,threads,coro", "hello,cpu,mix"
SCHEMA = 1  # of against.json
BUDGET_S = 20.0  # for each line
NOISE = 0.01  # farther from 1 than a server is from itself
LEAST = 4  # turns, before a line is done
BUILD_TIMEOUT_S = 600


def other_server(given: str, folder: Path) -> str:
    """The program to compare with; a revision is built below folder. Raises LabError."""
    path = Path(given)
    if path.is_file():
        if not os.access(path, os.X_OK):
            raise UsageError(f"--against {given}: not a program")
        return str(path.resolve())
    known = _ran(["git", "rev-parse", "--verify", "--quiet", f"{given}^{{commit}}"], ROOT)
    if known.returncode != 0:
        raise UsageError(f"--against {given}: neither a program nor a revision of this repository")
    tree = folder / "against"
    commit = known.stdout.strip()
    added = _ran(["git", "worktree", "add", "--detach", str(tree), commit], ROOT)
    try:
        built = added if added.returncode else _ran(["make", "-j2", "server"], tree)
        if built.returncode != 0:
            said = (built.stderr or built.stdout).strip().splitlines() or ["it said nothing"]
            raise LabError(f"--against {given}: the server of {commit[:12]} cannot be built: {said[-1]}")
        return str((tree / "server").rename(folder / "server-against"))
    finally:
        _ran(["git", "worktree", "remove", "--force", str(tree)], ROOT)


def _ran(argv: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Also what it says is in the result. Raises LabError where it cannot be run."""
    try:
        return subprocess.run(
            argv, cwd=cwd, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LabError(f"{argv[0]}: {error}") from None


@dataclass(frozen=True)
class Line(compare.Compared):
    """One configuration of a cell: this server over the other, a pair a turn."""

    cell: Cell
    wanted: Configuration
    samples: list[list[Sample]] = field(default_factory=list)  # a turn's: of this server, of the other

    def ratio(self, metric: str) -> Comparison | None:
        pairs = list(zip(self.after.get(metric, []), self.before.get(metric, [])))
        return stats.paired(pairs, first=self.configuration, second="other", figure=metric, noise=NOISE)

    def add(self, mine: list[Sample], others: list[Sample]) -> None:
        """A turn. One in which a gate fails is kept, and is no pair."""
        for sample in (*mine, *others):
            sample.gates = gates.check(sample, self.cell.workload, self.wanted)
        self.samples.append([*mine, *others])
        if not any(sample.void for sample in self.samples[-1]):
            for figures, samples in ((self.after, mine), (self.before, others)):
                figures["cpu"].append(duet.cpu_us(samples, self.cell.workload.pipeline))
                figures["rps"].append(sum(sample.rps for sample in samples) / len(samples))

    def done(self, precision: float) -> bool:
        cpu = self.ratio("cpu")
        return (
            cpu is not None and cpu.n >= LEAST and cpu.state != stats.UNDECIDED
            and cpu.high / cpu.low <= (1 + precision) ** 2
        )  # fmt: skip

    def text(self, other: str) -> str:
        cpu, rps = self.ratio("cpu"), self.ratio("rps")
        if cpu is None or rps is None:
            reasons = {reason for turn in self.samples for sample in turn for reason in sample.gates}
            return f"{self.place}: {'void, ' + ', '.join(sorted(reasons)) if reasons else 'not measured'}"
        distance = words.percent(cpu.distance if cpu.ratio > 1 else 1 - cpu.ratio)
        said = {
            stats.MORE: f"slower by {distance}",
            stats.LESS: f"faster by {distance}",
            stats.EQUAL: f"equal within ±{words.percent(stats.WITHIN)}",
        }.get(cpu.state) or f"undecided, {words.doubt(cpu)}"
        return (
            f"{self.place}: CPU per request {words.ratio_text(cpu, 3)} × {other}'s, n {cpu.n}: {said}; "
            f"requests/s {words.ratio_text(rps)}"
        )


def plan_for(options: argparse.Namespace, notes: list[str]) -> tuple[Plan, list[Line]]:
    """Raises UsageError for what cannot be compared so."""
    for name in ("blocks", "duration", "peers", "syscalls", "resume"):
        if getattr(options, name):
            raise UsageError(f"--{name} does not go with --against")
    if options.budget is not None and options.budget <= 0:
        raise UsageError("--budget: more than 0 s")
    if options.preset == "quick":
        options.models, options.workloads = options.models or MODELS, options.workloads or WORKLOADS
    options.no_aa, options.label = True, options.label or "against"
    plan = choosing.make_plan(options, notes)
    cells = [
        replace(cell, configurations=tuple(c for c in cell.configurations if not (c.floor or c.peer)))
        for cell in plan.cells
        if cell.workload.kind is Kind.LOAD
    ]
    plan = replace(plan, cells=tuple(cells), steps=())
    lines = [
        Line(
            cell.workload.name, cell.connections, each.label, {"cpu": [], "rps": []}, {"cpu": [], "rps": []},
            cell, each,
        )
        for cell in cells
        for each in cell.configurations
    ]  # fmt: skip
    if not lines:
        raise UsageError("--against: nothing that is asked for is a load of our server alone")
    ones = {"cpu": [1.0], "rps": [1.0]}
    for text in options.fail_if:
        compare.conditions(text, [replace(line, before=ones, after=ones) for line in lines])
    return plan, lines


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
            line.add(*duet.turn(line.cell, [duet.Part(bench, line.wanted) for bench in benches], number))
            say(sys.stderr, f"{clock(left_s)} left; {line.text(other)}\n")
        number += 1


def document(run: Run, lines: Sequence[Line], other: dict[str, str | None]) -> dict[str, Any]:
    def figures(line: Line) -> dict[str, Any]:
        found = {name: line.ratio(name) for name in ("cpu", "rps")}
        return {name: ratio.to_json() if ratio else None for name, ratio in found.items()}

    return {
        "schema": SCHEMA, "command": run.command, "started": run.started,
        "ended": utc("%Y-%m-%dT%H:%M:%SZ"), "complete": run.complete, "stopped_by": run.stopped_by,
        "environment": run.environment, "against": other, "nice": run.plan.nice,
        "window_s": duet.WINDOW_S,
        "lines": [
            {
                "workload": line.workload, "connections": line.connections,
                "configuration": line.configuration, **figures(line),
                "turns": [[asdict(sample) for sample in turn] for turn in line.samples],
            }
            for line in lines
        ],
    }  # fmt: skip


def against(options: argparse.Namespace, argv: Sequence[str]) -> int:
    """0: every line decided, or no condition of --fail-if met. 1: one met. 3: undecided."""
    notes: list[str] = []
    plan, lines = plan_for(options, notes)
    given, code = options.against, 0
    budget_s = options.budget or BUDGET_S * len(lines)
    if options.list:
        say(sys.stdout, "".join(f"{line.place}\n" for line in lines) + f"at most {budget_s:g} s\n")
        return 0
    directory = Path(options.results) if options.results else ROOT / "results"
    running.check_writable(directory)
    with running.prepared("scripts/bench", argv, plan, options.server) as (run, programs):
        run.notes[:0] = notes
        say(sys.stderr, "".join(f"{note}\n" for note in run.notes))
        try:
            theirs = other_server(given, programs.folder)
            version = environment.version(theirs)
            with Children() as children:
                mine = Bench(children, programs, plan)
                other = replace(mine, programs=replace(programs, server=theirs), answers=Answers())
                measure([mine, other], lines, budget_s, plan.precision, given)
            run.complete = True
        except KeyboardInterrupt as stop:
            run.stopped_by, code = str(stop) or "SIGINT", EX_INTERRUPTED
        if not any(line.samples for line in lines):
            return code
    folder = directory / f"{utc('%Y%m%dT%H%M%SZ')}-{plan.label}"
    made = document(run, lines, {"given": given, "server_version": version})
    try:
        folder.mkdir(parents=True)
        (folder / "against.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise LabError(f"cannot write results to {folder}: {error.strerror}") from None
    say(sys.stdout, "".join(f"{line.text(given)}\n" for line in lines))
    say(sys.stdout, f"written to {running.shown(folder)}/\n")
    return code or verdict(lines, options.fail_if)


def verdict(lines: Sequence[Line], fail_if: Sequence[str]) -> int:
    """The exit status; says which condition holds, or may."""
    conditions = [each for text in fail_if for each in compare.conditions(text, lines)]
    for each in conditions:
        if each.holds is not False:
            say(sys.stdout, f"{'failed' if each.holds else 'undecided'}: {each.text}\n")
    states = [each.holds for each in conditions] or [
        None if (cpu := line.ratio("cpu")) is None or cpu.state == stats.UNDECIDED else False for line in lines
    ]
    return compare.FAILED if True in states else compare.UNDECIDED if None in states else 0
