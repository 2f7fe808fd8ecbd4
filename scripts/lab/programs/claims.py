# SPDX-License-Identifier: MIT
"""scripts/claims: what textbooks say of processes, threads and coroutines, checked here.

Each is printed with PASS, FAIL or VOID, its figures with their intervals, and the place of the
evidence, a folder below results/. A claim is a hypothesis: one that fails is a finding. VOID
is what could not be measured, or so that it could be believed, or leaves the claim undecided. All
of them take 20 minutes.

Exit status: 0 when all was measured, whatever came out; 1 when a claim is void or something could
not be run; 64 for a bad option; 130 when interrupted.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import Any, Callable, Sequence

from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.program import Parser, say
from ..ask import plan as planning
from ..measure import contexts
from ..measure.measurement import Bench, Programs
from ..judge import claims as judging
from ..judge.claims import CLAIMS, Claim, Measured, Round
from ..judge.goals import FAIL, PASS, VOID
from ..show.document import Run
from . import options as choosing, report, run as running
from .run import Said

SCHEMA = 2
SWITCH_S, MEMORY_S = 3.0, 12.0  # roughly, of one round


def _parser() -> Parser:
    listed = "\n".join(f"  {number}  {claim}" for number, claim in CLAIMS.items())
    made = Parser("scripts/claims", __doc__, f"claims:\n{listed}")
    add = made.add_argument
    add("--only", type=lambda text: planning.parse_list(text, CLAIMS, "claim"), metavar="LIST",
        default=",".join(CLAIMS), help="claims (%(default)s)")
    choosing.shared(made, "claims", blocks=6, duration=1.0)
    return made


def measure(run: Run, programs: Programs, asked: Sequence[str]) -> Measured:
    """First, in each round, what a claim compares, one after the other; then all that runs under wrk."""
    plan = run.plan
    rounds: dict[str, Callable[[Children], Round]] = {
        "2": lambda children: contexts.switches(children, plan.cores.server[:1]),
        "3": lambda children: contexts.memory(Bench(children, programs, plan)),
    }
    found: dict[str, list[Round]] = {number: [] for number in rounds}
    why: dict[str, str] = {}
    for number in [number for number in rounds if number in asked]:
        try:
            if number == "2":
                contexts.build()
            with Children() as children:
                children.nice = plan.nice
                found[number] = [rounds[number](children) for _ in range(plan.blocks)]
        except LabError as error:
            why[number] = str(error)
    run.complete = not plan.cells
    if plan.cells:
        running.perform(run, programs)
    return Measured(run.results(), found["2"], found["3"], why, plan.cores)


# --- what comes out -----------------------------------------------------------------------


def to_json(run: Run, found: Measured, judged: Sequence[Claim]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": run.command,
        "started": run.started,
        "blocks": run.plan.blocks,
        "claims": [
            {
                **dataclasses.asdict(claim),
                "number": int(claim.number),
                "claim": claim.text,
                "parts": [{**dataclasses.asdict(part), "state": part.state} for part in claim.parts],
            }
            for claim in judged
        ],
        "switches": [judging.with_net(each) for each in found.switches],
        "memory": [dict(each) for each in found.memory],
        "server_cores": len(found.cores.several.server),
        "not_run": dict(found.why),
    }


def conclude(run: Run, found: Measured, asked: Sequence[str], where: str) -> Said:
    judged = judging.judge(asked, found)
    run.conclusion_lines = [line for claim in judged for line in claim.lines(".")]
    states = {claim.number: claim.state for claim in judged}
    run.conclusions = {"claims": states, "lines": run.conclusion_lines}
    lines = [line for claim in judged for line in claim.lines(where)]
    lines.append(", ".join(f"{list(states.values()).count(s)} {s}" for s in (PASS, FAIL, VOID)))
    files = {"claims.json": report.json_text(to_json(run, found, judged))}
    return Said("\n".join(lines) + "\n", int(VOID in states.values()), files)


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    asked, cores = options.only, planning.split_cores(os.sched_getaffinity(0))
    plan = choosing.plan_of(options, "claims", judging.cells(cores, asked), cores, 0.2)
    if options.list:
        named = "".join(f"{number} {CLAIMS[number]}\n" for number in sorted(asked, key=int))
        say(sys.stdout, named + choosing.describe(plan))
        return 0
    beside_s = SWITCH_S * ("2" in asked) + MEMORY_S * ("3" in asked)
    say(sys.stderr, choosing.estimate(plan, beside_s) + "\n")
    with running.prepared("scripts/claims", argv, plan, options.server, options.results) as (run, programs):
        found = measure(run, programs, asked)
    return running.finish(
        run, options.results, lambda run, _results, where: conclude(run, found, asked, where)
    )
