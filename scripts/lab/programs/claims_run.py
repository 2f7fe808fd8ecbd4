# SPDX-License-Identifier: MIT
"""scripts/claims: what textbooks say of processes, threads and coroutines, checked here.

Each is printed with PASS, FAIL or VOID, its figures with their intervals, and the place of the
evidence, a folder below results/. A claim is a hypothesis: one that fails is a finding. VOID
is what could not be measured, or so that it could be believed, or leaves the claim undecided.

Exit status: 0 when all was measured, whatever came out; 1 when a claim is void or something could
not be run; 64 for a bad option; 130 when interrupted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any, Sequence

from ..machine import priority, program
from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.program import say
from ..ask import plan as planning
from ..ask.plan import Plan
from ..measure import contexts
from ..measure.environment import ROOT
from ..measure.measurement import Programs
from ..judge import claims
from ..judge.claims import CLAIMS, Claim, Measured, Round
from ..judge.goals import FAIL, PASS, VOID
from ..show.document import Run
from . import budget, options as choosing, run as running

SCHEMA = 2
SWITCH_S, MEMORY_S = 3.0, 12.0  # roughly, of one round


def _parser() -> program.Parser:
    listed = "\n".join(f"  {number}  {claim}" for number, claim in CLAIMS.items())
    made = program.Parser("scripts/claims", __doc__, f"claims:\n{listed}")
    add = made.add_argument
    add("--only", metavar="LIST", default=",".join(CLAIMS), help="claims (%(default)s)")
    choosing.shared(made, blocks=6, duration=1.0)
    add("--label", default="claims", help="ends the name of the results' folder (%(default)s)")
    return made


def make_plan(options: argparse.Namespace, asked: Sequence[str]) -> Plan:
    """Raises LabError."""
    cores = planning.split_cores(sorted(os.sched_getaffinity(0)))
    choosing.check_shared(options)
    return planning.ordered(
        Plan(
            tuple(claims.cells(cores, asked)), options.blocks, options.duration, 0.2,
            options.seed, options.label, cores, preset="claims", nice=priority.usual(),
        )
    )  # fmt: skip


def seconds(plan: Plan, asked: Sequence[str]) -> float:
    each = SWITCH_S * ("2" in asked) + MEMORY_S * ("3" in asked)
    return budget.seconds_planned(plan) + each * plan.blocks


# --- measuring ----------------------------------------------------------------------------


def measure_switches(plan: Plan) -> list[Round]:
    """In each round what the claim compares, one after the other, on the server's first core;
    others_cores is how much of it other programs had."""
    contexts.build()
    with Children() as children:
        children.nice = plan.nice
        return [contexts.switches(children, plan.cores.server[:1]) for _ in range(plan.blocks)]


def measure_memory(programs: Programs, plan: Plan) -> list[Round]:
    with Children() as children:
        children.nice = plan.nice
        return [contexts.memory(children, programs, plan.cores) for _ in range(plan.blocks)]


def _measure(run: Run, programs: Programs, asked: Sequence[str]) -> tuple[Measured, int]:
    plan = run.plan
    switches: list[Round] = []
    memory: list[Round] = []
    why: dict[str, str] = {}
    if "2" in asked:
        try:
            switches = measure_switches(plan)
        except LabError as error:
            why["2"] = str(error)
    if "3" in asked:
        try:
            memory = measure_memory(programs, plan)
        except LabError as error:
            why["3"] = str(error)
    code = running.perform(run, programs) if plan.cells else 0
    run.complete = run.complete or not plan.cells
    cores = len(claims.wide(plan.cores).server)
    return Measured(run.results(), switches, memory, why, cores), code


# --- what comes out -----------------------------------------------------------------------


def to_json(run: Run, found: Measured, judged: Sequence[Claim]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": run.command,
        "started": run.started,
        "blocks": run.plan.blocks,
        "claims": [
            {
                "number": int(claim.number),
                "claim": claim.text,
                "state": claim.state,
                "parts": [
                    {**dataclasses.asdict(part), "state": part.state} for part in claim.parts
                ],
                "table": claim.table,
                "evidence": claim.evidence,
            }
            for claim in judged
        ],
        "switches": [claims.with_net(each) for each in found.switches],
        "memory": [dict(each) for each in found.memory],
        "server_cores": found.cores,
        "not_run": dict(found.why),
    }


def write(run: Run, found: Measured, judged: Sequence[Claim], directory: Path) -> Path:
    """The run's folder with claims.json in it. Raises LabError where it cannot be made."""
    folder = running.write(run, found.results, directory)
    document = json.dumps(to_json(run, found, judged), indent=1, ensure_ascii=False)
    try:
        (folder / "claims.json").write_text(document + "\n")
    except OSError as error:
        raise LabError(f"cannot write {folder}/claims.json: {error.strerror}") from None
    return folder


def summary(judged: Sequence[Claim]) -> str:
    counts = [f"{sum(c.state == state for c in judged)} {state}" for state in (PASS, FAIL, VOID)]
    return ", ".join(counts)


def check_claims(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    asked = planning.parse_list(options.only, CLAIMS, "claim")
    plan = make_plan(options, asked)
    if options.list:
        print("\n".join(f"{number} {CLAIMS[number]}" for number in sorted(asked)))
        print("\n".join(f"  {c.name}: {', '.join(x.label for x in c.configurations)}" for c in plan.cells))
        return 0
    long_s = seconds(plan, asked)
    long = f"{long_s / 60:.0f} minutes" if long_s >= 120 else f"{long_s:.0f} seconds"
    say(sys.stderr, f"claims: blocks: {plan.blocks}; about {long}\n")
    directory = Path(options.results) if options.results else ROOT / "results"
    running.check_writable(directory)
    with running.prepared("scripts/claims", argv, plan, options.server) as (run, programs):
        found, code = _measure(run, programs, asked)
    if not running.worth_keeping(run):
        say(sys.stderr, "scripts/claims: stopped; nothing was written\n")
        return code
    judged = claims.judge(asked, found)
    run.conclusion_lines = [line for claim in judged for line in claim.lines(".")]
    states = {claim.number: claim.state for claim in judged}
    run.conclusions = {"claims": states, "lines": run.conclusion_lines}
    where = running.shown(write(run, found, judged, directory))
    for claim in judged:
        say(sys.stdout, "\n".join(claim.lines(where)) + "\n")
    say(sys.stdout, f"{summary(judged)} (seed {plan.seed}); written to {where}/\n")
    return code or int(any(claim.state == VOID for claim in judged))


def main() -> int:
    return program.run("scripts/claims", check_claims)
