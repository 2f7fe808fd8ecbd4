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

from . import analysis, charts, columns, reading, report, table, verdict, workloads as work
from .analysis import CellResult, Metric, Row
from .document import Run
from .environment import ROOT
from .errors import LabError
from .plan import MODELS
from .workloads import WORKLOADS

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

`make bench` makes a run labelled `quick`, which git ignores; another label (`--label`) is
kept. These files are generated, this one by `scripts/results`: to change them, run the lab again.
"""
NOTHING = "No reference run is kept here yet: `scripts/bench --full --label reference` makes one.\n"
NO_WINNER = {work.PARKED, work.BESIDE, work.CRASH, work.DRAIN}
IN_README = ("sleep-throughput", "hello-throughput", "crossover")  # those of these that exist


def newest(directory: Path) -> Path | None:
    """The folder of the newest reference run below results/; times sort as text."""
    found = [
        path.parent
        for path in directory.glob(f"*-{REFERENCE}*/run.json")
        if path.parent.name.partition("-")[2].startswith(REFERENCE)
    ]
    return max(found, key=lambda path: path.name, default=None)


def chosen(results: Sequence[CellResult]) -> list[CellResult]:
    """One cell a workload: at its own number of connections, or the nearest to that."""
    found = []
    for name, cells in charts.by_workload(results).items():
        usual = WORKLOADS[name].connections if name in WORKLOADS else 64
        found.append(min(cells, key=lambda r: abs(r.cell.connections - usual)))
    return found


def overview(results: Sequence[CellResult]) -> list[str]:
    """A Markdown table: each model with the best of its configurations, and who is ahead."""
    head = ["workload", "connections", "figure", *MODELS, "ahead"]
    rows = [head, ["---", "---:", "---", "---:", "---:", "---:", "---"]]
    for result in chosen(results):
        name, value, metric, sign = _figure(result)
        bests = {model: _best(result, model, metric, sign) for model in MODELS}
        cells = [f"{value(row)} {_size(row)}".strip() if row else "void or not run"
                 for row in bests.values()]  # fmt: skip
        ahead = columns.NONE
        if result.cell.workload.kind not in NO_WINNER:
            noise = table.noise_floor(results, verdict.by_cpu(result))
            ahead = _ahead([row for row in bests.values() if row], metric, sign, noise)
        rows.append([f"`{result.cell.workload.name}`", f"{result.cell.connections:,}", name,
                     *cells, ahead])  # fmt: skip
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _figure(result: CellResult) -> tuple[str, columns.Text, Metric, int]:
    """What is shown of a cell: its name, its text, what it is compared by, +1: more is better."""
    kind = result.cell.workload.kind
    if kind == work.PARKED:
        return ("bytes an idle connection", columns.EACH.text,
                lambda s: s.extras.get("bytes_a_connection", 0.0), -1)  # fmt: skip
    if kind in work.COUNTED:
        return "requests lost", columns.LOST.text, lambda s: s.extras.get("lost", 0.0), -1
    if kind == work.BESIDE:
        return "p99", columns.P99.text, analysis.p99_us, -1
    if verdict.by_cpu(result):
        return "CPU µs/request", columns.CPU.text, analysis.cpu_us, -1
    return "requests/s", columns.RPS.text, analysis.rps, 1


def _best(result: CellResult, model: str, metric: Metric, sign: int) -> Row | None:
    """Of the configurations that stick to the usual: no textbook switches, cores of their own
    unless there are no others."""
    usual = [
        row for row in result.models
        if row.configuration.model == model and not row.void
        and not row.configuration.gil and row.configuration.dispatch != "connection"
    ]  # fmt: skip
    own = [row for row in usual if not row.configuration.shares_cores] or usual

    def middle(row: Row) -> float:
        values = sorted(metric(sample) for sample in row.valid)
        return values[len(values) // 2]

    return max(own, key=lambda row: sign * middle(row), default=None)


def _size(row: Row) -> str:
    return f"({row.configuration.workers})" if row.configuration.pooled else ""


def _ahead(rows: Sequence[Row], metric: Metric, sign: int, noise: float) -> str:
    """The model that is ahead of every other, and of the next by how much; or a tie."""
    if len(rows) < 2:
        return columns.NONE
    medians = {row.label: [metric(s) for s in row.valid] for row in rows}
    ranked = sorted(
        rows, key=lambda r: -sign * sorted(medians[r.label])[len(medians[r.label]) // 2]
    )
    first, *others = ranked
    ratios = [(row, analysis.ratio(first, row, metric)) for row in others]
    tied = [row for row, found in ratios if found is None or verdict.is_tie(found, noise)]
    if tied:
        models = verdict.listed([row.configuration.model for row in (first, *tied)])
        return f"tie of {models}" if len(tied) < len(others) else "tie"
    found = ratios[0][1]
    assert found is not None
    return f"{first.configuration.model}, {verdict.ratio_text(found)} × {others[0].configuration.model}"


def _plots(folder: Path, below: str, names: Sequence[str] | None = None) -> list[str]:
    """Links to the plots that the run's folder has; below: the way to that folder."""
    known = sorted(path.stem for path in (folder / report.PLOTS).glob("*.svg"))
    shown = known if names is None else [name for name in names if name in known]
    return [f"![{name}]({below}/{report.PLOTS}/{name}.svg)" for name in shown]


def _reading_line(run: Run) -> str:
    return (
        f"{table.interval_line(run.plan.blocks)}. In parentheses: the pool's size, the best of "
        "those that ran; `ahead` is the ratio to the next model, or a tie where its interval "
        "contains 1."
    )


def results_text(directory: Path) -> str:
    """results/README.md. Raises LabError where the reference run cannot be read."""
    folder = newest(directory)
    if folder is None:
        return f"{FILES}\n{NOTHING}"
    run = reading.read(folder)
    results = run.results()
    out = [
        FILES,
        f"## The reference run, {folder.name}", "",
        f"[Page]({folder.name}/report.html), [tables]({folder.name}/table.md), "
        f"[CSV]({folder.name}/table.csv). {report.how(run)}", "",
        *overview(results), "",
        _reading_line(run), "",
        "### Verdicts", "",
        *(f"- {line}" for line in table.sentences(results)), "",
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
        *overview(run.results()), "",
        _reading_line(run), "",
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
    parser = report.Parser(prog="scripts/results", description=__doc__)
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
