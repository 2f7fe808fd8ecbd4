# SPDX-License-Identifier: MIT
"""scripts/results: results/README.md and the results in README.md, from the newest reference run.

A reference run is a folder results/<UTC time>-reference*/. Nothing of it is typed: both texts
follow from its run.json, and README.md changes only between its two markers. scripts/bench does
the same at the end of a run with such a label.

--check writes nothing. 0: done, or all is as it would be made. 1: not so, or the run cannot be
read; a line says what. 64: bad option.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Sequence

from ..machine.errors import LabError
from ..machine.program import Parser
from ..ask.plan import MODELS
from ..measure.environment import ROOT
from ..show import overview, reading, table
from ..show.document import Run
from . import report

REFERENCE = "reference"
BEGIN = "<!-- results: written by scripts/results, never by hand -->"
END = "<!-- end of results -->"

FILES = """\
# Results

Runs of `scripts/bench` land here, one folder each: `<UTC time>-<label>/`.

| file | holds |
|---|---|
| `report.html` | all of it as one page, for a browser: tables to sort, plots, how to read them |
| `table.md` | the tables as the terminal showed them, with a verdict for each workload |
| `table.csv` | the same rows, one a line, for a spreadsheet |
| `plots/` | the plots of the page, each a file |
| `environment.json` | the machine and the build |
| `run.json` | every sample with its gates and command lines, the environment, the plan |

[SCHEMA.md](SCHEMA.md) says what `run.json` holds, field by field. `scripts/report DIR` makes the
other files again from it.

`make bench` makes a run labelled `quick`; git ignores it, as it does every run that has its
preset's name for a label. Another label (`--label`) is kept. These files are generated, this one
by `scripts/results`: to change them, run the lab again.
"""
NOTHING = "No reference run is kept here yet: `scripts/bench --full --label reference` makes one.\n"
IN_README = ("sleep-throughput", "hello-throughput", "crossover")  # those of these that exist


def newest(directory: Path) -> Path | None:
    """The folder of the newest reference run below results/; times sort as text."""
    found = [
        path.parent
        for path in directory.glob(f"*-{REFERENCE}*/run.json")
        if path.parent.name.partition("-")[2].startswith(REFERENCE)
    ]
    return sorted(found, key=lambda path: path.name)[-1] if found else None


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    marks = ["---:" if name in (overview.CONNECTIONS, *MODELS) else "---" for name in rows[0]]
    return [lines[0], "| " + " | ".join(marks) + " |", *lines[1:]]


def _plots(folder: Path, below: str, names: Sequence[str] | None = None) -> list[str]:
    """Links to the plots that the run's folder has; below: the way to that folder."""
    known = sorted(path.stem for path in (folder / report.PLOTS).glob("*.svg"))
    shown = known if names is None else [name for name in names if name in known]
    return [f"![{name}]({below}/{report.PLOTS}/{name}.svg)" for name in shown]


def _figures(run: Run) -> list[str]:
    return [
        *_markdown(overview.rows(run.results())), "",
        overview.reading_line(run.plan.blocks), "",
        *(line for note in run.notes for line in (f"{note[0].upper()}{note[1:]}.", "")),
    ]  # fmt: skip


def results_text(directory: Path) -> str:
    """results/README.md. Raises LabError where the reference run cannot be read."""
    folder = newest(directory)
    if folder is None:
        return f"{FILES}\n{NOTHING}"
    run = reading.read(folder)
    out = [
        FILES,
        f"## The reference run, {folder.name}", "",
        f"[Page]({folder.name}/report.html), [tables]({folder.name}/table.md), "
        f"[CSV]({folder.name}/table.csv). {report.how(run)}", "",
        *_figures(run),
        "### Verdicts", "",
        *(f"- {line}" for line in table.sentences(run.results())), "",
        "### Plots", "",
        *_plots(folder, folder.name),
    ]  # fmt: skip
    return "\n".join(out).rstrip() + "\n"


def block(directory: Path) -> str:
    """What stands between the markers of README.md, which lies above directory."""
    folder = newest(directory)
    if folder is None:
        return NOTHING
    run = reading.read(folder)
    below = f"{directory.name}/{folder.name}"
    out = [
        f"{report.how(run)} All of it: [results]({directory.name}/README.md), "
        f"[page]({below}/report.html).", "",
        *_figures(run),
        *_plots(folder, below, IN_README),
    ]  # fmt: skip
    return "\n".join(out).rstrip() + "\n"


def replaced(readme: str, text: str) -> str:
    """README.md with text between its markers. Raises LabError where it has not one of each."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise LabError(f"README.md needs one line {BEGIN!r} and below it one {END!r}")
    head, _, rest = readme.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise LabError(f"README.md: {END!r} stands above {BEGIN!r}")
    return f"{head}{BEGIN}\n\n{text}\n{END}{tail}"


def renew(directory: Path) -> Path | None:
    """The README.md above directory, where it has the markers, once more; what was written.

    Raises LabError where it cannot be."""
    path = directory.parent / "README.md"
    try:
        now = path.read_text()
        if BEGIN not in now:
            return None
        path.write_text(replaced(now, block(directory)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LabError(f"cannot write {path}: {error.strerror}") from None
    return path


def generated(root: Path) -> dict[Path, str]:
    """Both files as they should be. root: of the repository. Raises LabError."""
    directory, readme = root / "results", root / "README.md"
    try:
        now = readme.read_text()
    except OSError as error:
        raise LabError(f"cannot read {readme}: {error.strerror}") from None
    return {
        directory / "README.md": results_text(directory),
        readme: replaced(now, block(directory)),
    }


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = Parser("scripts/results", __doc__)
    parser.add_argument("--check", action="store_true", help="only say what differs")
    check = parser.parse_args(argv).check
    code = 0
    try:
        for path, text in generated(root).items():
            if path.exists() and path.read_text() == text:
                continue
            if check:
                code = 1
                print(f"{path.relative_to(root)} is not what scripts/results makes of the "
                      "newest reference run", file=sys.stderr)  # fmt: skip
            else:
                path.write_text(text)
                print(f"wrote {path.relative_to(root)}")
    except LabError as error:
        print(f"scripts/results: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"scripts/results: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return code
