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
from typing import Mapping, Sequence

from ..machine.errors import LabError
from ..machine.program import Parser
from ..judge import gates
from ..judge.analysis import CellResult
from ..show import charts, page, reading, schema, table, theme
from ..show.document import Run, to_json

PLOTS = "plots"
JUDGED_AGAIN = "the samples were judged again afterwards, by the gates of a later lab"
NO_PLOTS = "no plots: matplotlib is not installed (apt-get install python3-matplotlib)"


def files(run: Run, results: Sequence[CellResult], name: str) -> dict[str, str]:
    """Contents by path below the run's folder, which is called name."""
    title, paragraph = f"Run {name}", how(run)
    notes: list[str] = []
    try:
        plots = charts.draw(results, run.conclusions)
    except ImportError:
        plots = []
        notes.append(NO_PLOTS)
    made = {
        "table.md": table.render_markdown(
            run.plan, results, title, paragraph, run.conclusion_lines, run.notes
        ),
        "table.csv": table.render_csv(results),
        "environment.json": json.dumps(run.environment, indent=1, ensure_ascii=False) + "\n",
        "report.html": page.render(run, results, plots, title, paragraph, notes),
    }
    for chart in plots:
        made[f"{PLOTS}/{chart.name}.svg"] = _alone(chart.svg)
    return made


def _alone(svg: str) -> str:
    """A plot as a file of its own: with the colours that report.html has for the whole page."""
    head, mark, rest = svg.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{mark}<style>\n{theme.css()}</style>{rest}'


def write(folder: Path, made: Mapping[str, str]) -> None:
    """Raises OSError."""
    plots = folder / PLOTS
    if plots.is_dir():
        for old in plots.glob("*.svg"):
            if f"{PLOTS}/{old.name}" not in made:
                old.unlink()
    for path, text in made.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)


def how(run: Run) -> str:
    """One paragraph: with what, on what, how often."""
    plan, env = run.plan, run.environment
    words = [
        f"`{run.command}` at {run.started}, seed {plan.seed}:",
        f"{plan.blocks} blocks of {plan.duration_s:g} s a configuration,",
        f"server on core {table.cores_text(plan.cores.server)},",
        f"wrk on core {table.cores_text(plan.cores.load)};",
        f"{env.get('cpu') or 'unknown CPU'}, {env.get('cores')} cores,",
        f"Linux {env.get('kernel')}, {env.get('server_version') or 'server of unknown version'}.",
    ]
    if not run.complete:
        words.append(f"**Incomplete: stopped by {run.stopped_by or 'an error'}.**")
    return " ".join(words)


def judged_again(folder: Path) -> Run:
    """The run, its samples judged by the gates as they are now; run.json is written again.
    Raises LabError for runs whose samples were also judged by other rules, and OSError."""
    document = schema.load(folder)
    run = reading.from_json(document)
    if run.plan.preset == "claims":
        raise LabError(f"{folder}: samples of {run.plan.preset} are judged by more than gates")
    steps = {
        (cell.workload.name, cell.connections, c.label): (cell.workload, c)
        for cell in run.plan.cells
        for c in cell.configurations
    }
    for sample in run.samples:
        workload, configuration = steps[sample.workload, sample.connections, sample.configuration]
        sample.gates = gates.check(sample, workload, configuration)
    if JUDGED_AGAIN not in run.notes:
        run.notes.append(JUDGED_AGAIN)
    again = {**to_json(run, run.results()), "ended": document["ended"]}
    (folder / "run.json").write_text(json.dumps(again, indent=1, ensure_ascii=False) + "\n")
    return run


def main() -> int:
    parser = Parser("scripts/report", __doc__)
    parser.add_argument("--judge", action="store_true",
                        help="by today's gates: which samples can be believed, in run.json too")
    parser.add_argument("folders", metavar="DIR", nargs="+", type=Path, help="holds a run.json")
    code = 0
    options = parser.parse_args()
    for given in options.folders:
        folder = given.parent if given.name == "run.json" else given
        try:
            run = judged_again(folder) if options.judge else reading.read(folder)
            made = files(run, run.results(), folder.resolve().name)
            write(folder, made)
        except (LabError, OSError) as error:
            print(f"scripts/report: {error}", file=sys.stderr)
            code = 1
            continue
        if NO_PLOTS in made["report.html"]:
            print(f"scripts/report: {NO_PLOTS}", file=sys.stderr)
        print(f"{folder / 'report.html'}: {len(made)} files")
    return code
