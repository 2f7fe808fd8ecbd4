# SPDX-License-Identifier: MIT
"""scripts/results: the results in README.md and results/README.md, from the newest reference run, those in
results/LOOPS.md, from the newest run of scripts/omission, and those in results/LADDER.md, from the newest
results/<UTC time>-ladder-reference/, of scripts/bench --ladder. What the models carry, in README.md's table,
is, of each workload, from the newest results/<UTC time>-capacity-reference/ of scripts/capacity that has it.

A reference run is a folder results/<UTC time>-reference*/; one that was cut short is none, nor of the
ladder. Nothing of it is typed: both texts follow from its run.json, and the files change only between
their two markers. scripts/bench does the same at the end of a run with such a label.

--check writes nothing. 0: done, or all is as it would be made. 1: not so, or the run cannot be
read; a line says what. 64: bad option.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Iterable, Sequence

from ..machine.errors import LabError
from ..machine.program import Parser, say
from ..ask.plan import MODELS
from ..measure.environment import ROOT
from ..judge import ladder, stats, verdict, words
from ..show import capacities, omission, overview, reading, schema, table
from . import report

README, LOOPS, LADDER = "README.md", "LOOPS.md", "LADDER.md"
REFERENCE = "reference"
LADDER_REFERENCE = "ladder-reference"
BEGIN = "<!-- results: written by scripts/results, never by hand -->"
END = "<!-- end of results -->"
NOTHING = "No reference run is kept here yet: `scripts/bench --full --label reference` makes one."
ABOVE = ("ratios", "crossover", "hello-throughput", "sleep-throughput")  # the plots that README.md shows


def newest(directory: Path) -> Path | None:
    """The folder of the newest reference run below results/. Raises LabError."""
    found = directory.glob(f"*-{REFERENCE}*/run.json")
    return _newest(path for path in found if path.parent.name.partition("-")[2].startswith(REFERENCE))


def newest_omission(directory: Path) -> Path | None:
    """The folder of the newest run of scripts/omission below results/."""
    return max((path.parent for path in directory.glob(f"*/{omission.FILE}")), default=None)


def newest_ladder(directory: Path) -> Path | None:
    """The folder of the newest reference run of --ladder below results/. Raises LabError."""
    return _newest(directory.glob(f"*-{LADDER_REFERENCE}/run.json"))


def _newest(found: Iterable[Path]) -> Path | None:
    """Of those that are complete; times sort as text."""
    return next((path.parent for path in sorted(found, reverse=True) if schema.load(path)["complete"]), None)


def carried(directory: Path, above: Path) -> tuple[str, dict[str, str], list[str]]:
    """The column of what models carry: its head, each workload's from the newest of the reference runs of
    scripts/capacity that has it, and how to read them. above: what links are relative to. Raises LabError."""
    column_head, lines = "", list[str]()
    cells: dict[str, str] = {}
    for path in sorted(directory.glob(f"*-capacity-{REFERENCE}/{capacities.FILE}"), reverse=True):
        document = capacities.load(path.parent)
        head, found = capacities.column(document)
        column_head = column_head or head
        new = {name: cell for name, cell in found.items() if name not in cells and head == column_head}
        cells |= new
        if new:
            lines += [capacities.reading_line(document, path.parent.relative_to(above), list(new)), ""]
    return column_head, cells, lines


def loops_text(directory: Path) -> str:
    """What stands in LOOPS.md between its markers. Raises LabError."""
    folder = newest_omission(directory)
    if folder is None:
        return "Nothing was measured yet: `scripts/omission` does it."
    plots = [f"![{name} loop]({folder.name}/{report.PLOTS}/{name}.svg)" for name in ("open", "closed")]
    return "\n".join([*omission.lines(omission.load(folder)), "", *plots])


def ladder_text(directory: Path) -> str:
    """What stands in LADDER.md between its markers. Raises LabError."""
    folder = newest_ladder(directory)
    if folder is None:
        return f"Nothing was measured yet: `scripts/bench --ladder --peers --label {LADDER_REFERENCE}` does it."
    run = reading.read(folder)
    results = run.results()
    place = folder.name
    verdicts = []
    for head, *rest in (claim.lines(place) for claim in ladder.judge(results)):
        verdicts += [f"- {head}", *(f"  - {line.strip()}" for line in rest)]
    return "\n".join([
        f"{report.how(run)} All of it: [page]({place}/report.html), [tables]({place}/table.md).", "",
        *_markdown(ladder.table(results)), "",
        f"{table.interval_line(run.plan.blocks)}. In each column: {ladder.BEST}, {ladder.EQUAL} equal to "
        f"it within ±{words.percent(stats.WITHIN)}, {ladder.UNDECIDED} undecided; all else is behind.", "",
        *verdicts,
    ])  # fmt: skip


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    marks = ["---:" if name in (overview.CONNECTIONS, *MODELS) or ": " in name else "---" for name in rows[0]]
    return [lines[0], "| " + " | ".join(marks) + " |", *lines[1:]]


def text(directory: Path, readme: Path) -> str:
    """What stands between the markers: all in results/README.md, less in the one above. Raises
    LabError where the reference run cannot be read."""
    folder = newest(directory)
    if folder is None:
        return NOTHING
    run = reading.read(folder)
    results = run.results()
    place = folder.relative_to(readme.parent)
    found, reading_lines = overview.rows(results), [overview.reading_line(run.plan.blocks), ""]
    head, cells, lines = carried(directory, readme.parent)
    if cells:
        found = [[*row, cells.get(row[0], words.NONE)] for row in found]
        found[0][-1] = head
        reading_lines += lines
    whole = readme.parent == directory
    more = "" if whole else f", [verdicts and plots]({directory.name}/{README})"
    out = [
        f"{report.how(run)} All of it: [page]({place}/report.html), [tables]({place}/table.md), "
        f"[CSV]({place}/table.csv){more}.", "",
        *_markdown(found), "",
        *reading_lines,
        *(line for note in run.notes for line in (f"{note[0].upper()}{note[1:]}.", "")),
    ]  # fmt: skip
    if whole:
        out += ["### Verdicts", "", *(f"- {verdict.sentence(result)}" for result in results), ""]
        out += ["### Plots", ""]
    plots = sorted(path.stem for path in (folder / report.PLOTS).glob("*.svg"))
    out += [f"![{n}]({place}/{report.PLOTS}/{n}.svg)" for n in plots if whole or n in ABOVE]
    return "\n".join(out).rstrip()


def replaced(readme: str, made: str) -> str:
    """The file with what was made between its markers. Raises LabError where it has not one of each."""
    head, _, rest = readme.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found or readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise LabError(f"README.md needs one line {BEGIN!r} and below it one {END!r}")
    return f"{head}{BEGIN}\n\n{made}\n\n{END}{tail}"


def generated(directory: Path) -> dict[Path, str]:
    """results/README.md, the README.md above it, results/LOOPS.md and LADDER.md as they should be, where they
    have the markers. Raises LabError."""
    found = {}
    for path in (directory / README, directory.parent / README, directory / LOOPS, directory / LADDER):
        try:
            now = path.read_text()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LabError(f"cannot read {path}: {error.strerror}") from None
        if BEGIN in now:
            of_a_page = {LOOPS: loops_text, LADDER: ladder_text}.get(path.name)
            made = of_a_page(directory) if of_a_page else text(directory, path)
            found[path] = replaced(now, made)
    return found


def main(argv: Sequence[str], root: Path = ROOT) -> int:
    parser = Parser("scripts/results", __doc__)
    parser.add_argument("--check", action="store_true", help="only say what differs")
    check = parser.parse_args(argv).check
    made = generated(root / "results")
    if len(made) < 2:
        raise LabError(f"README.md and results/README.md need each a line {BEGIN!r}")
    differ = [path for path, new in made.items() if path.read_text() != new]
    for path in differ:
        name = path.relative_to(root)
        if check:
            say(sys.stderr, f"{name} is not what scripts/results makes of the newest reference run\n")
        else:
            report.write(path.parent, {path.name: made[path]})
            say(sys.stdout, f"wrote {name}\n")
    return int(check and bool(differ))
