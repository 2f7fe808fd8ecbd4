# SPDX-License-Identifier: MIT
"""scripts/report DIR...: makes what a person reads of a run again, from its run.json alone.

table.md, table.csv, environment.json, plots/*.svg and report.html; scripts/bench writes the
same after a run. Plots of an earlier making that are no longer drawn are taken away.

0: done. 1: a run could not be read or written, a line for each says why. 64: bad option.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..machine.errors import LabError
from ..machine.program import Parser, say
from ..judge import gates
from ..judge.analysis import CellResult
from ..show import charts, page, reading, schema, table, theme
from ..show.document import Run, to_json

NAME = "scripts/report"
PLOTS = "plots"
JUDGED_AGAIN = "the samples were judged again afterwards, by the gates of a later lab"
NO_PLOTS = "no plots: matplotlib is not installed (apt-get install python3-matplotlib)"


def files(run: Run, results: Sequence[CellResult], name: str) -> dict[str, str]:
    """Contents by path below the run's folder, which is called name."""
    title, paragraph = f"Run {name}", how(run)
    try:
        plots, notes = charts.draw(results, run.conclusions), []
    except ImportError:
        plots, notes = [], [NO_PLOTS]
    made = {
        "table.md": table.render_markdown(
            run.plan, results, title, paragraph, run.conclusion_lines, run.notes
        ),
        "table.csv": table.render_csv(results),
        "environment.json": json_text(run.environment),
        "report.html": page.render(run, results, plots, title, paragraph, notes),
    }
    for chart in plots:
        made[f"{PLOTS}/{chart.name}.svg"] = alone(chart.svg)
    return made


def alone(svg: str) -> str:
    """A plot as a file of its own: with the colours that report.html has for the whole page."""
    head, mark, rest = svg.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{mark}<style>\n{theme.css()}</style>{rest}'


def json_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def write(folder: Path, made: Mapping[str, str]) -> None:
    """Files below folder, by their paths there; one that was there before is lost to no full disk.
    Raises LabError."""
    try:
        for path, text in made.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            new = folder / f"{path}.new"
            new.write_text(text)
            new.replace(folder / path)
    except OSError as error:
        raise LabError(f"cannot write to {folder}: {error.strerror}") from None


def write_run(run: Run, results: Sequence[CellResult], folder: Path) -> dict[str, str]:
    """What files() makes, which is returned. Raises LabError."""
    made = files(run, results, folder.resolve().name)
    write(folder, made)
    for old in folder.glob(f"{PLOTS}/*.svg"):
        if f"{PLOTS}/{old.name}" not in made:
            old.unlink()
    return made


def how(run: Run) -> str:
    """One paragraph: with what, on what, how often."""
    plan, env = run.plan, run.environment
    words = [
        f"`{run.command}` at {run.started}, seed {plan.seed}:",
        f"{plan.blocks} blocks of {plan.duration_s:g} s a configuration,",
        f"{table.where(plan.cores)};",
        f"{env.get('cpu') or 'unknown CPU'}, {env.get('cores')} cores,",
        f"Linux {env.get('kernel')}, {env.get('server_version') or 'server of unknown version'}.",
    ]
    if load := env.get("load_host"):
        words.append(f"Their load was on {load['cpu']}, {load['cores']} cores, Linux {load['kernel']}.")
    if not run.complete:
        words.append(f"**Incomplete: stopped by {run.stopped_by or 'an error'}.**")
    return " ".join(words)


def judged_again(folder: Path) -> Run:
    """The run, its samples judged by the gates as they are now; run.json is written again.
    Raises LabError, also for runs whose samples were judged by other rules too."""
    document = schema.load(folder)
    run = reading.from_json(document)
    if run.plan.preset == "claims":
        raise LabError(f"{folder}: samples of {run.plan.preset} are judged by more than gates")
    steps = {(s.cell.workload.name, s.cell.connections, s.configuration.label): s for s in run.plan.steps}
    for sample in run.samples:
        step = steps[sample.workload, sample.connections, sample.configuration]
        sample.gates = gates.check(sample, step.cell.workload, step.configuration)
    if JUDGED_AGAIN not in run.notes:
        run.notes.append(JUDGED_AGAIN)
    again = {**to_json(run, run.results()), "ended": document["ended"]}
    write(folder, {"run.json": json_text(again)})
    return run


def main(argv: Sequence[str]) -> int:
    parser = Parser(NAME, __doc__)
    parser.add_argument("--judge", action="store_true",
                        help="by today's gates: which samples can be believed, in run.json too")
    parser.add_argument("folders", metavar="DIR", nargs="+", type=Path, help="holds a run.json")
    options = parser.parse_args(argv)
    code = 0
    for given in options.folders:
        folder = given.parent if given.name == "run.json" else given
        try:
            run = judged_again(folder) if options.judge else reading.read(folder)
            made = write_run(run, run.results(), folder)
        except (LabError, OSError) as error:
            say(sys.stderr, f"{NAME}: {error}\n")
            code = 1
            continue
        if NO_PLOTS in made["report.html"]:
            say(sys.stderr, f"{NAME}: {NO_PLOTS}\n")
        say(sys.stdout, f"{folder / 'report.html'}: {len(made)} files\n")
    return code
