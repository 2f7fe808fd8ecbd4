# SPDX-License-Identifier: MIT
"""scripts/compare A B: two runs side by side, B over A, cell by cell.

Blocks of different runs are not pairs: the interval is Welch's, of the logarithms of each run. It
knows of the noise within each run and not of what changed between them (another load, another
day); a figure that survives that is a multiple of the floor server's in the same run, the metric
cpu_x_floor.

0: done, no condition met. 1: a condition of --fail-if holds with its whole interval, or with
--fail-on-flip a verdict went from one winner to the other. 2: a run cannot be read, or a
condition names nothing. 3: whether a condition holds is undecided: its value lies in the interval,
there are fewer than 3 blocks, or something it names is void or was not measured in one of the runs.
64: a bad option, or a condition that is none.
"""

from __future__ import annotations

import itertools
import operator
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, NamedTuple, Sequence

from ..machine.errors import LabError, UsageError
from ..machine.program import Parser, say
from ..ask.plan import AGAIN, parse_list
from ..measure.sample import Sample
from ..judge import best, stats, words
from ..judge.analysis import CellResult
from ..judge.stats import MORE, Comparison
from ..show import reading, table

FAILED, CANNOT, UNDECIDED = 1, 2, 3
Figures = dict[tuple[str, int, str], dict[str, list[float]]]

CONDITION = re.compile(r"(.+:.+):(\w+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)")
SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
# Of a sample, and of the floor server's CPU time per request in the same block.
METRICS: dict[str, Callable[[Sample, float | None], float | None]] = {
    "rps": lambda s, floor: s.rps,
    "cpu": lambda s, floor: s.cpu_us,
    "cpu_x_floor": lambda s, floor: s.cpu_us / floor if floor else None,
    "p50": lambda s, floor: s.load.percentiles_us["p50"] if s.load else None,
    "p99": lambda s, floor: s.load.percentiles_us["p99"] if s.load else None,
    "switches": lambda s, floor: s.switches,
    "memory": lambda s, floor: s.memory_bytes + s.master_bytes,
}
VOID, MISSING = "void", "not measured"
MARKS = {stats.MORE: "+", stats.LESS: "-", stats.EQUAL: "="}
Winners = dict[tuple[str, str, str], str]


@dataclass(frozen=True)
class Compared:
    workload: str
    connections: int
    configuration: str
    ratios: Mapping[str, Comparison | None]  # of B to A, by metric
    why: str = ""  # where there are none

    @property
    def place(self) -> str:
        return f"{self.workload}, {self.connections} connections, {self.configuration}"

    @property
    def names(self) -> list[str]:
        """In a condition: a model stands for every size of it, but not for the second of an A/A pair, no connections
        for any number."""
        model = re.split(r"[^\w-]", self.configuration)[0]
        named = [self.configuration] if self.configuration.endswith(AGAIN) else [self.configuration, model]
        return [f"{self.workload}{at}:{name}" for at in ("", f"@{self.connections}") for name in named]


def figures(results: Sequence[CellResult]) -> Figures:
    """Each metric's values in the blocks that can be believed; none of a row that is void."""
    found: Figures = {}
    for result in results:
        floors = {s.block: s.cpu_us for s in result.floor.valid} if result.floor else {}
        for row in (row for row in result.rows if row.samples):
            found[result.cell.workload.name, result.cell.connections, row.label] = {
                name: [known for s in row.valid if (known := value(s, floors.get(s.block)))]
                for name, value in METRICS.items() if not row.void
            }  # fmt: skip
    return found


def compare(first: Sequence[CellResult], second: Sequence[CellResult]) -> list[Compared]:
    """What either run has, in the first's order; with no ratio where it is void or not measured in one."""
    before, after = figures(first), figures(second)
    found = []
    for key in before | after:
        why = [f"{VOID if key in run else MISSING} in {name}" for name, run in (("A", before), ("B", after))
               if not run.get(key)]  # fmt: skip
        ratios = {n: None if why else stats.unpaired(after[key][n], before[key][n]) for n in METRICS}
        found.append(Compared(*key, ratios, ", ".join(why)))
    return found


def winners(results: Sequence[CellResult]) -> Winners:
    """Who is ahead, by the cell with the figure that its verdict goes by, and each pair of
    configurations; "" for nobody. Where a verdict goes by no ratio (idle, crash, ...) nobody is."""
    found = {}
    for result in results:
        if not result.cell.workload.kind.compared:
            continue
        figure = best.figure(result)
        for first, second in itertools.combinations(result.models, 2):
            alike = first.configuration.shares_cores == second.configuration.shares_cores
            ratio = result.compare(first, second, figure) if alike else None
            if ratio:
                ahead = first if (ratio.state == MORE) != figure.less_is_better else second
                pair = (f"{result.cell.name}, {figure.name}", first.label, second.label)
                found[pair] = ahead.label if ratio.decided else ""
    return found


def flips(before: Winners, after: Winners) -> list[str]:
    """Pairs of which one won in the first run and the other in the second."""
    lines = []
    for (cell, *pair), won in before.items():
        now = after.get((cell, pair[0], pair[1]), "")
        if won and now and won != now:
            lines.append(f"{cell}: {won} was ahead of {now}, and now it is behind")
    return lines


def decided(before: Winners, after: Winners) -> str:
    common = [pair for pair in before if pair in after]
    both = [pair for pair in common if before[pair] and after[pair]]
    return f"{len(both)} of {len(common)} pairs have one in both runs"


# --- conditions ---------------------------------------------------------------------------


class Condition(NamedTuple):
    """In one cell. holds: None where that is not decided."""

    holds: bool | None
    text: str


def conditions(text: str, compared: Sequence[Compared]) -> list[Condition]:
    """One for each cell that WORKLOAD[@CONNECTIONS]:CONFIGURATION:METRIC<VALUE means, the metric being B
    over A; undecided where there is no ratio. Raises LabError where it is none, or names none."""
    match = CONDITION.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"--fail-if {text!r}: expected WORKLOAD[@CONNECTIONS]:CONFIGURATION:METRIC<VALUE, "
            "such as hello:coro:rps<0.95"
        )
    name, metric, sign, limit = match.groups()
    if metric not in METRICS:
        raise UsageError(f"--fail-if {text!r}: the metrics are {', '.join(METRICS)}")
    found = []
    for each in compared:
        if name not in each.names or metric not in each.ratios:
            continue
        ratio, said = each.ratios[metric], f"{each.place}: {metric} "
        if ratio:
            said += f"{words.ratio_text(ratio, 3)} {sign} {limit}{words.sureness(ratio)}"
        else:
            said += each.why or MISSING
        found.append(Condition(ratio.holds(SIGNS[sign], float(limit)) if ratio else None, said))
    if not found:
        raise LabError(f"--fail-if {text!r}: no such figure")
    return found


# --- output -------------------------------------------------------------------------------


def render(compared: Sequence[Compared], metrics: Sequence[str]) -> str:
    """A line a configuration: the blocks of the shorter run, each metric as B over A, and what is
    decided of it."""
    rows = [["configuration", "n", *metrics]]
    for each in compared:
        ratios = [each.ratios[name] for name in metrics]
        cells = [words.ratio_text(r, 3) + MARKS.get(r.state, " ") if r else words.NONE for r in ratios]
        known = [r for r in ratios if r]
        rows.append([each.place, words.pairs(known) if known else each.why or words.NONE, *cells])
    return "\n".join(table.aligned(rows))


def verdict(found: Sequence[Condition]) -> int:
    """The exit status; says which condition holds, or may."""
    for each in found:
        if each.holds is not False:
            say(sys.stdout, f"{'failed' if each.holds else 'undecided'}: {each.text}\n")
    states = [each.holds for each in found]
    return FAILED if True in states else UNDECIDED if None in states else 0


def _parser() -> Parser:
    made = Parser("scripts/compare", __doc__)
    add = made.add_argument
    add("first", metavar="A", type=Path, help="a run's folder, or its run.json")
    add("second", metavar="B", type=Path)
    add("--metrics", type=lambda text: parse_list(text, METRICS, "metric"), metavar="LIST",
        default="rps,cpu,p99", help=f"of {', '.join(METRICS)}")
    add("--fail-if", metavar="CONDITION", action="append", default=[],
        help="such as 'hello:coro:rps<0.95' or 'sleep@256:threads(64):p99>1.2'; repeatable")
    add("--fail-on-flip", action="store_true",
        help="exit with 1 where a verdict went from one winner to the other")
    return made


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    runs = first, second = reading.read(options.first), reading.read(options.second)
    results = [run.results() for run in runs]
    compared = compare(*results)
    common = [each for each in compared if MISSING not in each.why]
    if not common:
        raise LabError("the two runs have no configuration of a cell in common")
    asked = [each for text in options.fail_if for each in conditions(text, compared)]
    before, after = map(winners, results)
    flipped = flips(before, after)
    for name in ("kernel", "cpu", "cores", "server_version"):
        one, other = first.environment.get(name), second.environment.get(name)
        if one != other:
            print(f"note: {name}: {one} in A, {other} in B")
    if first.plan.nice != second.plan.nice:
        print(f"note: servers and wrk at nice {first.plan.nice} in A, {second.plan.nice} in B")
    equal = words.percent(stats.WITHIN)
    print(f"B ÷ A, with 95 % intervals of n blocks; + more, - less, = equal within ±{equal}, else undecided\n")
    print(render(common, options.metrics))
    print()
    for line in flipped:
        print(f"flip: {line}")
    if not flipped:
        print(f"no verdict flips from one winner to the other: {decided(before, after)}")
    status = verdict(asked)
    return FAILED if flipped and options.fail_on_flip else status
