# SPDX-License-Identifier: MIT
"""What is run: workloads, configurations, and the random order of every block."""

from __future__ import annotations

import difflib
import random
from dataclasses import dataclass, field, replace
from typing import Iterable, Sequence

from .errors import LabError

POOLS = ("prefork", "threads")
MODELS = (*POOLS, "coro")
QUICK_MODELS = "prefork,threads,coro,coro:cores"
QUICK_WORKLOADS = "hello,cpu,sleep,mix"
QUICK_POOL = 64
AGAIN = " again"  # suffix of the label of the second half of the A/A pair


@dataclass(frozen=True)
class Workload:
    """One kind of request. Its ceiling follows from what it is made of (see ceilings)."""

    name: str
    target: str
    shape: str
    connections: int
    body: bytes | None = None  # what the answer must be; None: the same from everyone
    wait_ms: float = 0.0  # waited inside one request, in total
    compute_target: str | None = None  # a request that computes as much and waits for nothing
    floor: bool = False  # comparable with the floor server
    duration_factor: float = 1.0  # of the plan's duration


WORKLOADS = {
    w.name: w
    for w in (
        Workload(
            "hello", "/hello", "no work: what the server itself costs", 64, b"Hello, World!",
            floor=True,
        ),
        Workload(
            "cpu", "/cpu?n=500", "about 0.5 ms of computing", 16, compute_target="/cpu?n=500"
        ),
        Workload(
            "sleep", "/sleep?ms=20", "waits 20 ms, as for a database", 256, b"slept 20\n",
            wait_ms=20.0,
        ),
        Workload(
            "mix", "/mix?cpu=50&wait=10&rounds=2",
            "twice: 0.05 ms of computing, then 10 ms of waiting", 256,
            wait_ms=20.0, compute_target="/cpu?n=100",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Configuration:
    """One way to start the server, and the cores it and its load get."""

    model: str
    workers: int
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    gil: bool = False
    dispatch: str | None = None
    suffix: str = ""  # tells apart what would have the same label
    floor: bool = False

    @property
    def label(self) -> str:
        name = "floor" if self.floor else self.model
        if self.model in POOLS or self.workers != 1:
            name += f"({self.workers})"
        name += "+gil" if self.gil else ""
        name += f"+{self.dispatch}" if self.dispatch else ""
        return name + self.suffix

    @property
    def again(self) -> bool:
        return self.suffix == AGAIN

    @property
    def shares_cores(self) -> bool:
        return bool(set(self.server_cpus) & set(self.load_cpus))

    @property
    def usable_cores(self) -> int:
        """How many cores its handler code can keep busy at once."""
        return 1 if self.gil else min(self.workers, len(self.server_cpus))

    def contexts(self, connections: int) -> int:
        """How many requests it can have in progress: a coroutine each, or a pool's worker."""
        return min(self.workers, connections) if self.model in POOLS else connections

    def arguments(self) -> list[str]:
        if self.floor:
            return ["--listen=127.0.0.1:0"]
        arguments = [f"--model={self.model}", f"--workers={self.workers}"]
        arguments += ["--gil"] if self.gil else []
        arguments += [f"--dispatch={self.dispatch}"] if self.dispatch else []
        return arguments + ["--listen=127.0.0.1:0"]

    def expected_ready(self) -> dict[str, str]:
        return {"model": "floor" if self.floor else self.model, "workers": str(self.workers)}


@dataclass(frozen=True)
class Cores:
    server: tuple[int, ...]
    load: tuple[int, ...]

    @property
    def together(self) -> tuple[int, ...]:
        return tuple(sorted({*self.server, *self.load}))


@dataclass(frozen=True)
class Cell:
    """Configurations that are compared with one another."""

    workload: Workload
    connections: int
    configurations: tuple[Configuration, ...]

    @property
    def name(self) -> str:
        return f"{self.workload.name}, {self.connections} connections"


@dataclass(frozen=True)
class Step:
    block: int
    cell: Cell
    configuration: Configuration


@dataclass(frozen=True)
class Plan:
    cells: tuple[Cell, ...]
    blocks: int
    duration_s: float
    warmup_s: float
    seed: int
    label: str
    cores: Cores
    steps: tuple[Step, ...] = field(default=())


def parse_cpus(text: str, available: Iterable[int]) -> tuple[int, ...]:
    """A list such as 0,2-3 to core numbers. Raises LabError for cores that are not there."""
    allowed = set(available)
    cpus: set[int] = set()
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            cpus.update(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        raise LabError(f"cores {text!r}: expected a list such as 0 or 0,2-3") from None
    if not cpus or cpus - allowed:
        usable = ",".join(map(str, sorted(allowed)))
        raise LabError(f"cores {text!r}: the cores this process may use are {usable}")
    return tuple(sorted(cpus))


def split_cores(available: Sequence[int]) -> Cores:
    """The first half for the server, the other for the load; a lone core is shared."""
    cpus = sorted(available)
    if len(cpus) == 1:
        return Cores((cpus[0],), (cpus[0],))
    half = len(cpus) // 2
    return Cores(tuple(cpus[:half]), tuple(cpus[half:]))


def parse_list(text: str, known: Iterable[str], what: str) -> list[str]:
    """Names separated by commas, each of them known, none twice."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise LabError(f"unknown {what} {name!r}: {hint}there are {', '.join(known)}")
    if not names:
        raise LabError(f"no {what} given: there are {', '.join(known)}")
    return list(dict.fromkeys(names))


def parse_numbers(text: str, what: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise LabError(f"{what} {text!r}: expected whole numbers from 1, such as 16,64")
    return list(dict.fromkeys(numbers))


def parse_models(text: str, pool_sizes: Sequence[int], cores: Cores) -> list[Configuration]:
    """Configurations named as MODEL[:WORKERS][+gil][+connection|+request].

    WORKERS is a number, or the word cores: one each on every core; a pool without it comes
    once for each of pool_sizes, coro without it has one loop. One loop a core takes all
    cores where the server's share of them is only one; it then shares them with wrk.
    """
    found: list[Configuration] = []
    for spec in [part.strip() for part in text.split(",") if part.strip()]:
        head, *flags = spec.split("+")
        model, _, count = head.partition(":")
        parse_list(model, MODELS, "model")
        config = Configuration(model, 1, cores.server, cores.load)
        for flag in flags:
            if flag == "gil" and model == "threads":
                config = replace(config, gil=True)
            elif flag in ("connection", "request") and model in POOLS:
                config = replace(config, dispatch=flag)
            else:
                raise LabError(
                    f"model {spec!r}: {flag!r} does not go with {model} "
                    "(threads: +gil; pools: +connection)"
                )
        if count == "cores":
            if len(cores.server) == 1:
                every = cores.together
                config = replace(config, server_cpus=every, load_cpus=every)
            sizes = [len(config.server_cpus)]
        elif count:
            sizes = parse_numbers(count, f"model {spec!r}: workers")
        else:
            sizes = list(pool_sizes) if model in POOLS else [1]
        found += [replace(config, workers=size) for size in sizes]
    if not found:
        raise LabError(f"no model given: there are {', '.join(MODELS)}")
    by_label: dict[str, Configuration] = {}
    for config in found:
        if by_label.setdefault(config.label, config) != config:
            raise LabError(f"{config.label} is asked for twice, on different cores")
    return list(by_label.values())


def make(
    workloads: Sequence[str],
    configurations: Sequence[Configuration],
    connections: Sequence[int],
    blocks: int,
    duration_s: float,
    warmup_s: float,
    seed: int,
    label: str,
    cores: Cores,
    aa_pair: bool,
) -> Plan:
    """A plan with every step in its order. connections: empty for each workload's own.

    The A/A pair, one configuration under two labels, is run with the first workload: where
    it differs from itself, so may everything else.
    """
    cells = []
    for index, name in enumerate(workloads):
        workload = WORKLOADS[name]
        chosen = list(configurations)
        if aa_pair and index == 0:
            chosen.append(replace(aa_choice(configurations), suffix=AGAIN))
        if workload.floor:
            chosen.append(Configuration("floor", 1, cores.server, cores.load, floor=True))
        for count in connections or [workload.connections]:
            cells.append(Cell(workload, count, tuple(chosen)))
    plan = Plan(tuple(cells), blocks, duration_s, warmup_s, seed, label, cores)
    return replace(plan, steps=tuple(order(plan)))


def aa_choice(configurations: Sequence[Configuration]) -> Configuration:
    """The last one that does not share its cores with the load, else the last."""
    own = [config for config in configurations if not config.shares_cores]
    return (own or list(configurations))[-1]


def order(plan: Plan) -> list[Step]:
    """Configurations of a cell stay together, so that pairs are close in time."""
    dice = random.Random(plan.seed)
    steps = []
    for block in range(plan.blocks):
        for cell in plan.cells:
            shuffled = list(cell.configurations)
            dice.shuffle(shuffled)
            steps += [Step(block, cell, configuration) for configuration in shuffled]
    return steps
