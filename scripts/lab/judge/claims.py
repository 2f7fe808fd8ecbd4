# SPDX-License-Identifier: MIT
"""Twelve textbook claims about processes, threads and coroutines: what is run, what follows.

A claim has parts; each part is a ratio, taken in pairs within blocks or rounds, with its
interval, and is judged as goals are: PASS, FAIL or VOID (see goals). A claim fails with any of
its parts, and is void when none fails but one is; one of what is usual by most of them. All of this is
pure; programs/claims measures.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, replace
from typing import Callable, Mapping, Sequence

from ..ask.plan import POOLS, Cell, Configuration, Cores, parse_models
from ..ask.workloads import WORKLOADS, Workload, parse, with_query
from . import best, goals, stats, verdict, words
from .analysis import CPU, P99, RPS, CellResult, Figure
from .goals import FAIL, PASS, VOID, Judged

CLAIMS = {
    "1": "a process pool uses all cores",
    "2": "a process switch costs more than a thread switch, that more than a coroutine switch",
    "3": "a process takes more memory than a thread, a thread more than a coroutine",
    "4": "a thread pool under a GIL cannot use several cores; without it, it can",
    "5": "coroutines in one thread are concurrent but not parallel",
    "6": "awaiting lets other coroutines go on: C waits of 20 ms take 20 ms",
    "7": "coroutines with a process pool use all cores",
    "8": "coroutines with processes are usually the best of the three",
    "9": "workers made before cost less than one made for each",
    "10": "a process a connection takes more memory than a thread, that more than a coroutine a connection",
    "11": "coroutines with processes are usually as good as with threads that steal work, to within a tenth",
    "12": "stealing helps where work is uneven, and costs little where it is even",
}
OF_A_CORE = 0.9  # of each core, for "uses all cores"
ONE_CORE = 1.1  # times one core, at the most, for "cannot use several"
MORE = 1.02  # "more" is more than throughputs and times differ by themselves
WAIT_MS = 20
WAITING = 1.1  # times one wait, at the most, for all of them together
WAITS = 64
GATHERED = 10

COMPUTE = with_query(WORKLOADS["cpu"], "n=1000")
WAIT = with_query(WORKLOADS["sleep"], f"ms={WAIT_MS}")
GATHER = with_query(WORKLOADS["fanout"], f"n={GATHERED}&ms={WAIT_MS}")
POOL_SIZES = (16, 256)  # of claim 8
NAMES = (
    "hello", "cpu", "sleep", "block", "block-offload", "mix", "fanout", "stream", "files-100k",
    "interference", "crash",
)  # fmt: skip
UNEVEN = ("skew", "unequal")
HALF = 2.0  # the percentile, where one in a hundred requests computes long
A_TENTH = 1.1  # more CPU, at the most, where there is nothing to steal; or how far behind is still as good
(IDLE,) = parse("idle:500")
Round = Mapping[str, float]
ByWorkload = Mapping[str, CellResult]


def computing(cores: Cores) -> list[tuple[str, Configuration, Configuration, float, bool]]:
    """What several cores make of computing: of which claim, what is compared with what, and the goal
    for the ratio of their throughputs; True: at least, False: at most."""
    server, load = cores.several.server, cores.several.load
    n = len(server)

    def on_all(model: str, workers: int = 1, gil: bool = False) -> Configuration:
        return Configuration(model, workers, server, load, gil=gil)

    pinned = Configuration("coro", 1, cores.server[:1], cores.load, suffix=" pinned")
    return [
        ("1", on_all("prefork", n), on_all("prefork"), OF_A_CORE * n, True),
        ("4", on_all("threads", n, gil=True), on_all("threads"), ONE_CORE, False),
        ("4", on_all("threads", n), on_all("threads"), OF_A_CORE * n, True),
        ("5", on_all("coro"), pinned, ONE_CORE, False),
        ("7", on_all("coro", n), on_all("coro"), OF_A_CORE * n, True),
    ]


def cells(cores: Cores, asked: Sequence[str]) -> list[Cell]:
    """What has to be run under wrk for the claims asked for."""
    found, every = [], cores.several
    pairs = [(one, other) for number, other, one, _, _ in computing(cores) if number in asked]
    if pairs and len(every.server) > 1:
        chosen = tuple(dict.fromkeys(configuration for pair in pairs for configuration in pair))
        found.append(Cell(COMPUTE, 4 * len(every.server), chosen))
    one_loop = Configuration("coro", 1, cores.server[:1], cores.load)
    if {"5", "6"} & set(asked):
        found.append(Cell(WAIT, WAITS, (one_loop,)))
    if "6" in asked:
        found.append(Cell(GATHER, 1, (one_loop,)))
    if "9" in asked:
        found.append(_cell(WORKLOADS["close"], ANEW_AND_BEFORE, cores, WORKLOADS["close"].connections))
    if "10" in asked:
        found.append(_cell(IDLE, A_CONNECTION, cores, IDLE.parked + IDLE.connections))
    return found + _on_all(every, asked)


ANEW_AND_BEFORE = ",".join(f"{m}{how}{d}" for m in POOLS for d in ("", "+connection") for how in ("", "+none"))
A_CONNECTION = "prefork+none+connection,threads+none+connection,coro+connection"


def _cell(workload: Workload, models: str, cores: Cores, workers: int) -> Cell:
    return Cell(workload, workload.connections, tuple(parse_models(models, [workers], cores)))


def _on_all(cores: Cores, asked: Sequence[str]) -> list[Cell]:
    """Of claims 8, 11 and 12, on all cores: a workload that several ask for is run once."""
    pools = [f"{model}:{size}" for model in POOLS for size in POOL_SIZES]
    wanted: dict[str, list[str]] = {}
    for number, names, models in (
        ("8", NAMES, [*pools, "coro"]),
        ("11", (*NAMES, *UNEVEN), ["coro", "stealing"]),
        ("12", ("hello", "cpu", *UNEVEN), ["coro", "stealing"]),
    ):  # fmt: skip
        for name in names if number in asked else ():
            loops = 2 if name in UNEVEN else len(cores.server)  # these load two, no more
            wanted.setdefault(name, []).extend(m if m in pools else f"{m}:{loops}" for m in models)
    return [_cell(WORKLOADS[name], ",".join(models), cores, 0) for name, models in wanted.items()]


# --- verdicts ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    number: str
    state: str
    parts: tuple[Judged, ...] = ()
    table: tuple[str, ...] = ()
    evidence: str = ""  # of the table

    @property
    def text(self) -> str:
        return CLAIMS[self.number]

    def lines(self, folder: str) -> list[str]:
        """folder: where the evidence lies."""
        found = [f"{self.state} {self.number} {self.text}"]
        found += [f"       {part.state} {part}" for part in self.parts]
        found += [f"       {line}" for line in self.table]
        places = dict.fromkeys(p for p in (*(p.evidence for p in self.parts), self.evidence) if p)
        return found + [f"       evidence: {folder}/{place}" for place in places]


def combine(parts: Sequence[Judged]) -> str:
    states = {part.state for part in parts}
    return FAIL if FAIL in states else VOID if VOID in states or not parts else PASS


def usually(true: int, decided: int, asked: int) -> str:
    """PASS: it is true in more than half of the workloads that decide it, which are more than half of all."""
    return VOID if decided * 2 <= asked else PASS if true * 2 > decided else FAIL


# --- claims 1, 4, 5, 6 and 7: under wrk --------------------------------------------------


def _compare(measured: ByWorkload, first: str, second: str, goal: float, at_least: bool) -> Judged:
    text = f"{first} × {second}, requests/s of {COMPUTE.target}"
    result = measured.get(COMPUTE.name)
    one, other = (result.row(first), result.row(second)) if result else (None, None)
    if result is None or one is None or other is None:
        return Judged(text, None, goal, at_least, "", "not measured (it takes two cores)")
    found = result.compare(one, other, RPS)
    return Judged(text, found, goal, at_least, f"run.json, {result.cell.name}", goals.why(one, other))


def _waits(measured: ByWorkload, workload: Workload, what: str, one_thread: bool = False) -> Judged:
    """How long all connections' requests take together, as a multiple of one wait."""
    text = f"{what} × {WAIT_MS} ms"
    result = measured.get(workload.name)
    row = result.row("coro") if result else None
    if result is None or row is None:
        return Judged(text, None, WAITING, False, "", "not measured")
    one_wait = result.cell.connections / (WAIT_MS / 1e3)  # requests/s
    answered = [s for s in row.valid if s.rps > 0]
    found, why = goals.own(row, answered, lambda sample: one_wait / sample.rps), goals.why(row)
    if one_thread and any((s.processes, s.threads) != (1, 1) for s in row.valid):
        found, why = None, "it did not run in one thread of one process"
    return Judged(text, found, WAITING, False, f"run.json, {result.cell.name}", why)


# --- claims 9, 10 and 12: rungs of the ladder -------------------------------------------


def rung(configuration: Configuration) -> str:
    """A configuration without its size, but whether there are several loops: prefork+none, coro:N."""
    loops = not configuration.pooled and configuration.workers > 1
    return re.sub(r"\(\d+\)", ":N" if loops else "", configuration.label)


# Of which claim, in which workload, what is compared with what, in what, and the goal for the ratio;
# True: at least, False: at most.
RUNGS: tuple[tuple[str, str, str, str, Figure, float, bool], ...] = (
    *(
        ("9", "close", f"{model}+none{dispatch}", f"{model}{dispatch}", CPU, MORE, True)
        for model in POOLS for dispatch in ("", "+connection")
    ),
    ("10", "idle", "prefork+none+connection", "threads+none+connection", best.BYTES, MORE, True),
    ("10", "idle", "threads+none+connection", "coro+connection", best.BYTES, MORE, True),
    ("12", "skew", "coro:N", "stealing:N", P99, HALF, True),
    ("12", "unequal", "coro:N", "stealing:N", P99, MORE, True),
    ("12", "hello", "stealing:N", "coro:N", CPU, A_TENTH, False),
    ("12", "cpu", "stealing:N", "coro:N", CPU, A_TENTH, False),
)  # fmt: skip


def _rungs(
    results: Sequence[CellResult], _claim: str, workload: str, first: str, second: str, figure: Figure, goal: float,
    at_least: bool,
) -> Judged:  # fmt: skip
    """In the cell of that name in which both were run."""
    text = f"{first} × {second}, {figure.name} of {workload}"
    for result in results:
        rows = {rung(row.configuration): row for row in result.models}
        one, other = rows.get(first), rows.get(second)
        if result.cell.workload.name.partition(":")[0] == workload and one and other:
            found = result.compare(one, other, figure)
            return Judged(text, found, goal, at_least, f"run.json, {result.cell.name}", goals.why(one, other))
    return Judged(text, None, goal, at_least, "", "not measured")


# --- claims 2 and 3: measured directly ----------------------------------------------------


def with_net(found: Round) -> Round:
    """A round of switches, with the thread's less the system calls that come with it, and the
    half of a coroutine's park and resume, which are two switches and the loop's bookkeeping."""
    calls, parked = found["pipe_calls"], found["park_resume"]
    return {**found, "thread_net": found["switch_thread"] - calls, "coroutine_used": parked / 2}


# What is compared with what of each round.
SWITCHES = (
    ("process switch × thread switch, by pipes on one core", "switch_process", "switch_thread"),
    ("thread switch, its system calls taken off, × coroutine switch", "thread_net", "coroutine_used"),
)
MEMORY = (
    ("idle process × idle thread (a coroutine exists for a request only)", "process_idle", "thread_idle"),
    ("process × thread, each with a suspended request", "process", "thread"),
    ("thread × coroutine, each with a suspended request", "thread", "coroutine"),
)


def _ns(value: float) -> str:
    return f"{value:,.0f} ns" if value >= 100 else f"{value:.1f} ns"


def _rounds(
    rounds: Sequence[Round], text: str, first: str, second: str, evidence: str, why: str,
    form: Callable[[float], str],
) -> Judged:  # fmt: skip
    pairs = [(each[first], each[second]) for each in rounds]
    if not pairs:
        return Judged(text, None, MORE, True, evidence, why or "not measured")
    middles = [form(statistics.median(values)) for values in zip(*pairs)]
    text = f"{text} ({middles[0]} × {middles[1]})"
    why = "" if all(second > 0 for _, second in pairs) else "not above what its calls alone take"
    return Judged(text, stats.paired(pairs), MORE, True, evidence, why)


# --- claims 8 and 11 --------------------------------------------------------------------------------


# Coroutines have a loop on every core, the pools two sizes to choose from, and all share the same cores.
BEST_OF = ("prefork", "threads", "coro", "coro:N")
AS_GOOD_AS = ("coro:N", "stealing:N")


def contest(names: Sequence[str], rungs: Sequence[str], results: Sequence[CellResult]) -> list[CellResult]:
    """The cells in which all that contend were run, with these alone."""
    found, models = [], {each.partition(":")[0] for each in rungs}
    for result in (each for each in results if each.cell.workload.name in names):
        rows = tuple(row for row in result.models if rung(row.configuration) in rungs)
        if {row.configuration.model for row in rows} == models:
            found.append(replace(result, rows=rows))
    return found


def rank(result: CellResult) -> tuple[tuple[str, ...], str]:
    """The best model and those that tie with it, none where one of them is not known or too few blocks
    were run; and a line of text. Where models tie, the memory of each is named."""
    found, head = best.standing(result), f"{result.cell.workload.name:14}"
    for model, rows in best.contenders(result).items():
        if found is None or model not in found.bests:
            return (), f"{head} void      {goals.why(*rows) or f'{model}: too few samples'}"
    assert found is not None
    if not found.level:
        return (), f"{head} void      undecided: it takes {stats.ENOUGH} blocks that can be believed"
    word = "best" if found.level == ("coro",) else "level" if "coro" in found.level else "NOT best"
    level = [found.bests[model] for model in found.level]
    value = found.figure.form(best.value(found.first, found.figure))
    text = f"{words.listed([row.label for row in level])} at {value} {found.figure.name}"
    if len(level) > 1 and all(row.memory_bytes for row in level):
        text += f" ({words.listed([words.bytes_text(row.memory_bytes) for row in level])})"
    return found.level, f"{head} {word:9} {'; '.join([text, *verdict.ratios(result, found)])}"


def judge_best(results: Sequence[CellResult]) -> Claim:
    """PASS: usually at the top, ties included, and alone at the top of more workloads than any other."""
    ranked = [rank(result) for result in contest(NAMES, BEST_OF, results)]
    decided = [tops for tops, _ in ranked if tops]
    lines = [line for _, line in ranked]
    top = sum("coro" in tops for tops in decided)
    state = usually(top, len(decided), len(ranked))
    if state == VOID:
        lines.append(f"only {len(decided)} of {len(ranked)} workloads decide it")
        return Claim("8", VOID, table=tuple(lines), evidence="run.json, cells")
    models = dict.fromkeys(each.partition(":")[0] for each in BEST_OF)
    alone = {model: sum(tops == (model,) for tops in decided) for model in models}
    others = {m: n for m, n in alone.items() if m != "coro"}
    state = state if alone["coro"] > max(others.values()) else FAIL
    lines.append(
        f"coroutines with processes: best in {alone['coro']} of {len(decided)} workloads, level "
        f"with the best in {top - alone['coro']}, behind in {len(decided) - top}; alone at the "
        f"top: {', '.join(f'{m} {n}' for m, n in others.items())}"
    )
    return Claim("8", state, table=tuple(lines), evidence="run.json, cells")


def _as_good(result: CellResult) -> Judged:
    """Whether all of the interval is within a tenth, or on the better side. FAIL: none of it is."""
    figure, name = best.figure(result), result.cell.workload.name
    one, other = (
        next((row for row in result.rows if rung(row.configuration) == each), None) for each in AS_GOOD_AS
    )
    assert one and other  # contest() chose it
    found = result.compare(one, other, figure) if len(best.ranked([one, other], figure)) == 2 else None
    text, less = f"{name}: {one.label} × {other.label}, {figure.name}", figure.less_is_better
    why = goals.why(one, other) or "too few samples, or a figure is 0"
    return Judged(text, found, A_TENTH if less else 1 / A_TENTH, not less, "run.json, cells", why)


def judge_as_good(results: Sequence[CellResult]) -> Claim:
    """Level is as good; so that a workload counts against it, they must be known to be further behind."""
    contested = contest((*NAMES, *UNEVEN), AS_GOOD_AS, results)
    parts = tuple(_as_good(result) for result in contested)
    by_state: dict[str, list[str]] = {PASS: [], FAIL: [], VOID: []}
    for result, part in zip(contested, parts):
        by_state[part.state].append(result.cell.workload.name)
    good, behind, void = by_state.values()
    line = f"as good in {len(good)} of the {len(good) + len(behind)} workloads that decide it"
    line += f"; behind in {words.listed(behind)}" if behind else ""
    line += f"; not known in {words.listed(void)}" if void else ""
    return Claim("11", usually(len(good), len(good) + len(behind), len(parts)), parts, (line,))


def judge_results(asked: Sequence[str], results: Sequence[CellResult]) -> list[Claim]:
    """Claims 8 to 12, which any run decides that has their cells."""
    found = []
    for number in asked:
        if number == "8":
            found.append(judge_best(results))
        elif number == "11":
            found.append(judge_as_good(results))
        else:
            parts = tuple(_rungs(results, *part) for part in RUNGS if part[0] == number)
            found.append(Claim(number, combine(parts), parts))
    return found


@dataclass(frozen=True)
class Measured:
    """All that was measured; why: what could not be, by claim."""

    results: Sequence[CellResult]
    switches: Sequence[Round]
    memory: Sequence[Round]
    why: Mapping[str, str]
    cores: Cores


def judge(asked: Sequence[str], found: Measured) -> list[Claim]:
    """In the order of their numbers."""
    measured = {result.cell.workload.name: result for result in found.results}
    together = f"{WAITS} requests that wait {WAIT_MS} ms"
    gathered = f"{GATHERED} waits of {WAIT_MS} ms gathered in one request"
    switches, why = [with_net(each) for each in found.switches], found.why
    parts: dict[str, list[Judged]] = {
        "2": [_rounds(switches, *part, "claims.json, switches", why.get("2", ""), _ns) for part in SWITCHES],
        "3": [
            _rounds(found.memory, *part, "claims.json, memory", why.get("3", ""), words.bytes_text)
            for part in MEMORY
        ],
        "5": [_waits(measured, WAIT, f"concurrent: {together}, in one thread", one_thread=True)],
        "6": [_waits(measured, WAIT, f"{together}, in one loop"), _waits(measured, GATHER, gathered)],
    }
    for number, first, second, goal, at_least in computing(found.cores):
        judged = _compare(measured, first.label, second.label, goal, at_least)
        parts.setdefault(number, []).append(judged)
    claims = {number: Claim(number, combine(each), tuple(each)) for number, each in parts.items()}
    more = [number for number in asked if number not in claims]
    claims |= {claim.number: claim for claim in judge_results(more, found.results)}
    return [claims[number] for number in CLAIMS if number in asked]
