# SPDX-License-Identifier: MIT
"""What is run: configurations, the cells they meet in, and the random order of every block."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace
from typing import Collection, Iterable, Mapping, Sequence

from ..machine import priority
from ..machine.hosts import LOOPBACK
from ..machine.errors import UsageError, known
from ..machine.program import split_list
from .kinds import Kind
from .workloads import Workload

POOLS = ("prefork", "threads")
MODELS = (*POOLS, "coro")  # the three that every reference run compares
OURS = (*MODELS, "stealing")
ANEW = "none"  # as --pool has it
# What can be said of a configuration beside its size, and of which models.
ACCEPTS = ("lock", "reuseport")  # as --accept has them, where it is not shared
FLAGS = {"gil": ("threads",), ANEW: MODELS, "connection": MODELS, "request": MODELS,
         **{name: POOLS for name in ACCEPTS}}  # fmt: skip
FLOOR = "floor"  # scripts/floor.c
# Other servers (see peers): a pool's worker is taken for a request or connection; a loop's not.
PEER_POOLS = (
    "apache-prefork", "apache-worker", "apache-event", "gunicorn-sync", "gunicorn-gthread",
)  # fmt: skip
PEER_LOOPS = ("nginx", "lighttpd", "h2o", "gunicorn-gevent")
PEERS = (*PEER_LOOPS[:3], *PEER_POOLS, PEER_LOOPS[3])
STATIC_ROUTES = ("hello", "json", "files")
PYTHON_ROUTES = (*STATIC_ROUTES, "cpu", "sleep", "mix")  # gunicorn's, see peer_app
ONE_LOCK = ("gunicorn-gthread", "gunicorn-gevent")  # CPython's lock: one core at a time
# A queue is seen in full when a run is so many times as long as a request in it takes.
QUEUE_TURNS = 3.0
# Answers to waits come in bursts, one wait apart: a window holds many of them, within reason.
WAITS_IN_A_WINDOW = 50
LONGEST_FOR_WAITS_S = 1.0
LONGER = 2  # times both, where requests queue: the share of a pool is stated to the percent
# And longer yet where so many workers are asked at once, at the beginning, that they queue for a
# core: with 256 for 0.3 to 0.4 s. Where they compute, one whose turn ends in mid-request waits for
# a turn of all others, as long again: a window of ALL_TURNS_S does not take it for starved.
MANY_WORKERS = 256
LONGEST = 4
ALL_TURNS_S = 2.0
# How long a process keeps the right to a database connection that others want; src/db/permits.h.
TENURE_S = 0.25
ENOUGH_FOR_P99 = 1500  # requests, of connections that think: a thousand make one, and not all windows are alike
CONNECT_TURNS = 0.0005  # seconds of load for each connection: wrk's time includes connecting
AGAIN = " again"  # suffix of the label of the second half of the A/A pair
SPEC = re.compile(r"([^:+]*)(?::([1-9]\d*|cores))?((?:\+[^+]*)*)")  # of a configuration


@dataclass(frozen=True)
class Configuration:
    """One way to start the server, the cores it and its load get, and how much of that.

    offered: the rate at which requests arrive, as a share of its capacity (Plan.capacities); None: as
    fast as it answers, from a closed loop."""

    model: str
    workers: int
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    gil: bool = False
    anew: bool = False  # what serves is made for each request or connection; workers: at most so many at a time
    dispatch: str | None = None
    accept: str | None = None
    suffix: str = ""  # tells apart what would have the same label
    offered: float | None = None
    two_machines: bool = False  # one for each: cores of the same number are two

    @property
    def label(self) -> str:
        name = self.model
        if self.pooled or self.workers != 1:
            name += f"({self.workers})"
        name += "+gil" if self.gil else ""
        name += f"+{ANEW}" if self.anew else ""
        name += f"+{self.dispatch}" if self.dispatch else ""
        name += f"+{self.accept}" if self.accept else ""
        name += f" at {self.offered * 100:g} %" if self.offered else ""
        return name + self.suffix

    @property
    def floor(self) -> bool:
        return self.model == FLOOR

    @property
    def peer(self) -> bool:
        return self.model in PEERS

    @property
    def pooled(self) -> bool:
        return self.model in POOLS or self.model in PEER_POOLS

    @property
    def fleeting(self) -> bool:
        """Whether its workers have ended before they could be looked at."""
        return self.anew and self.pooled

    @property
    def closes(self) -> bool:
        """Whether it closes each connection after one answer, whatever the client wants."""
        return self.model == "gunicorn-sync"

    @property
    def again(self) -> bool:
        return self.suffix == AGAIN

    @property
    def shares_cores(self) -> bool:
        return not self.two_machines and bool(set(self.server_cpus) & set(self.load_cpus))

    @property
    def usable_cores(self) -> int:
        """How many cores its handler code can keep busy at once."""
        if self.gil or self.model in ONE_LOCK:
            return 1
        return min(self.workers, len(self.server_cpus))

    def contexts(self, connections: int, workload: Workload) -> int:
        """How many requests it can have in progress: a coroutine each, or a pool's worker."""
        if self.pooled:
            return min(self.workers, connections)
        limit = workload.loop_contexts
        return connections if limit is None else min(limit * self.workers, connections)

    def offers(self, workload: Workload) -> bool:
        """Whether it has the workload's route and can be measured under it."""
        if not self.peer:
            return True
        python = self.model.startswith("gunicorn")
        if workload.route not in (PYTHON_ROUTES if python else STATIC_ROUTES):
            return False
        if not workload.kind.bounded or workload.post_bytes:
            return False
        # gunicorn's plain workers keep no connection open: nothing to park or to pipeline.
        return not (python and (workload.parked > 0 or workload.pipeline > 1))

    def waited_ms(self, workload: Workload) -> float:
        """Inside one request: a coroutine runs gathered waits at once, others cannot."""
        return workload.wait_ms * (workload.gathered if self.pooled else 1)

    def arguments(self, root: str | None = None, close: bool = False, address: str = LOOPBACK) -> list[str]:
        """root: the folder of files to serve. close: the floor has to be told."""
        if self.floor:
            return [f"--listen={address}:0", *(["--close"] if close else [])]
        arguments = [f"--model={self.model}", f"--workers={self.workers}"]
        arguments += ["--gil"] if self.gil else []
        arguments += [f"--pool={ANEW}"] if self.anew else []
        arguments += [f"--dispatch={self.dispatch}"] if self.dispatch else []
        arguments += [f"--accept={self.accept}"] if self.accept else []
        arguments += [f"--root={root}"] if root else []
        arguments += [] if address == LOOPBACK else ["--allow-root"]  # beyond loopback it asks for that
        return [*arguments, f"--listen={address}:0"]

    def expected_ready(self) -> dict[str, str]:
        return {"model": self.model, "workers": str(self.workers)}


@dataclass(frozen=True)
class Cores:
    server: tuple[int, ...]
    load: tuple[int, ...]
    two_machines: bool = False

    @property
    def wide(self) -> Cores:
        """All cores for both, as far as they have the same."""
        both = tuple(sorted({*self.server, *self.load}))
        return self if self.two_machines else Cores(both, both)

    @property
    def several(self) -> Cores:
        """Several cores for the server: where its share is only one, all, shared with the load."""
        return self if len(self.server) > 1 else self.wide


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
    steps: tuple[Step, ...] = ()
    preset: str = "quick"
    steady: bool = False  # in the first block, find how long each needs to get steady
    syscalls: bool = False  # count system calls in runs of their own, at the end
    nice: int = priority.NORMAL  # of servers and wrk, see priority
    budget_s: float = 0.0  # in all; what the blocks leave of it goes to cells whose ratios are wide
    precision: float = 0.02  # of a ratio, to both sides: what is wider is wide
    # Requests/s of each server from its closed loops, the most of any: by the cell's name and by label.
    capacities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def blocks_of(self, cell: Cell) -> int:
        """Those of the plan, and what was added to them."""
        return sum(step.cell == cell for step in self.steps) // len(cell.configurations)

    def rate_of(self, step: Step) -> float | None:
        """Requests/s that are offered in a step; None where its capacity is not known, or not asked for."""
        share = step.configuration.offered
        server = replace(step.configuration, offered=None)
        capacity = self.capacities.get(step.cell.name, {}).get(server.label)
        return share * capacity if share and capacity else None

    def nice_for(self, workload: Workload) -> int:
        return max(priority.NORMAL, self.nice) if workload.database else self.nice

    def duration_of(self, cell: Cell, configuration: Configuration) -> float:
        """Seconds of load: as asked, and no less than what there is to be seen takes."""
        if configuration.offered:
            return self.duration_s
        workload, connections = cell.workload, cell.connections
        contexts = configuration.contexts(connections, workload)
        many = configuration.pooled and contexts >= MANY_WORKERS
        waited_s = configuration.waited_ms(workload) / 1e3
        waits_s = min(WAITS_IN_A_WINDOW * waited_s, LONGEST_FOR_WAITS_S)
        a_request_s = max(waited_s / contexts, workload.computed_ms / configuration.usable_cores / 1e3)
        borrowers = contexts / workload.db_connections  # for each connection to the database
        borrows = workload.database and configuration.model == "prefork" and borrowers > 1
        return max(
            self.duration_s * workload.duration_factor,
            connections * CONNECT_TURNS,
            waits_s * (LONGEST if many else LONGER if contexts < connections else 1),
            ENOUGH_FOR_P99 * workload.think_ms / 1e3 / connections,
            ALL_TURNS_S if many else 0.0,
            QUEUE_TURNS * connections * a_request_s,
            QUEUE_TURNS * borrowers * TENURE_S if borrows else 0.0,
        )


def parse_cpus(text: str, available: Iterable[int]) -> tuple[int, ...]:
    """A list such as 0,2-3 to core numbers. Raises UsageError for cores that are not there."""
    allowed = set(available)
    cpus: set[int] = set()
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            cpus.update(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        raise UsageError(f"cores {text!r}: expected a list such as 0 or 0,2-3") from None
    if not cpus or cpus - allowed:
        usable = ",".join(map(str, sorted(allowed)))
        raise UsageError(f"cores {text!r}: the cores this process may use are {usable}")
    return tuple(sorted(cpus))


def split_cores(available: Iterable[int], count: int | None = None) -> Cores:
    """The first ones for the server, count of them or half; the others are for the load, which
    shares the server's where there are none. Raises UsageError where there are not so many."""
    cpus = tuple(sorted(available))
    count = count or max(1, len(cpus) // 2)
    if count > len(cpus):
        raise UsageError(f"{count} cores for the server: this process may use {len(cpus)}")
    return Cores(cpus[:count], cpus[count:] or cpus)


def parse_list(text: str, names: Collection[str], what: str) -> list[str]:
    """Names separated by commas, each of them known, none twice."""
    found = [known(name, names, what) for name in split_list(text)]
    if not found:
        raise UsageError(f"no {what} given: there are {', '.join(names)}")
    return found


def parse_models(text: str, pool_sizes: Sequence[int], cores: Cores) -> list[Configuration]:
    """Configurations named as MODEL[:WORKERS] and any of FLAGS, each after a +.

    WORKERS is a number, or the word cores: one each on every core; a pool without it comes
    once for each of pool_sizes, coro and stealing without it have one loop. One loop a core takes all
    cores where the server's share of them is only one; it then shares them with wrk.
    """
    found: list[Configuration] = []
    for spec in split_list(text):
        match = SPEC.fullmatch(spec)
        if match is None:
            raise UsageError(f"model {spec!r}: expected MODEL[:WORKERS][+FLAG]..., where "
                             "WORKERS is a whole number from 1 or the word cores")  # fmt: skip
        model, count, flags = match.groups()
        config = Configuration(known(model, (*OURS, *PEERS), "model"), 1, cores.server, cores.load)
        for flag in flags.split("+")[1:]:
            if model not in FLAGS.get(flag, ()):
                there_are = "; ".join(f"{', '.join(models)}: +{name}" for name, models in FLAGS.items())
                raise UsageError(f"model {spec!r}: {flag!r} does not go with {model} ({there_are})")
            config = with_flag(config, flag)
        if config.accept and (config.anew or config.dispatch != "connection"):
            raise UsageError(f"model {spec!r}: +{config.accept} is for a pool's workers with +connection")
        if count == "cores":
            if len(cores.server) == 1:
                config = replace(config, server_cpus=cores.wide.server, load_cpus=cores.wide.load)
            sizes = [len(config.server_cpus)]
        elif count:
            sizes = [int(count)]
        else:
            sizes = list(pool_sizes) if config.pooled else [1]
        found += [replace(config, workers=size) for size in sizes]
    if not found:
        raise UsageError(f"no model given: there are {', '.join(OURS)}")
    by_label: dict[str, Configuration] = {}
    for config in found:
        if by_label.setdefault(config.label, config) != config:
            raise UsageError(f"{config.label} is asked for twice, on different cores")
    return list(by_label.values())


def with_flag(config: Configuration, flag: str) -> Configuration:
    """flag: one of FLAGS."""
    if flag == "gil":
        return replace(config, gil=True)
    if flag in ACCEPTS:
        return replace(config, accept=flag)
    return replace(config, anew=True) if flag == ANEW else replace(config, dispatch=flag)


def cells_for(
    workloads: Sequence[Workload],
    configurations: Sequence[Configuration],
    connections: Sequence[int],
    cores: Cores,
) -> list[Cell]:
    """Every workload with every configuration that offers it, and the floor where comparable. Raises
    UsageError where there is none.

    connections: empty for each workload's own.
    """
    cells = []
    for workload in workloads:
        chosen = [c for c in configurations if c.offers(workload)]
        if workload.floor:
            chosen.append(Configuration(FLOOR, 1, cores.server, cores.load))
        if chosen:
            cells += [Cell(workload, n, tuple(chosen)) for n in connections or [workload.connections]]
    if not cells:
        raise UsageError(f"{', '.join(w.name for w in workloads)}: none of the servers asked for offers that")
    return cells


def with_aa(cell: Cell) -> Cell:
    """The A/A pair: one configuration of the cell also runs under a second label, the last that
    has cores of its own, rather a loop."""
    ours = [c for c in cell.configurations if not c.floor and not c.peer]
    if not ours:
        return cell
    again = max(ours[::-1], key=lambda c: (not c.shares_cores, not c.pooled))
    configurations = list(cell.configurations)
    configurations.insert(len(ours), replace(again, suffix=AGAIN))
    return replace(cell, configurations=tuple(configurations))


def on_two_machines(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The same, with the server on one and the load on another."""
    return tuple(
        replace(cell, configurations=tuple(replace(c, two_machines=True) for c in cell.configurations))
        for cell in cells
    )


def with_shares(cell: Cell, shares: Sequence[float]) -> Cell:
    """Of a workload under an open load: each server from a closed loop, and at these shares of what
    it does then."""
    every = [replace(c, offered=share) for c in cell.configurations for share in (None, *shares)]
    return replace(cell, workload=replace(cell.workload, kind=Kind.OPEN), configurations=tuple(every))


def with_capacity(plan: Plan, step: Step, rps: float) -> Plan:
    """With what a closed loop found of this step's server, if it is the most that any did: whatever else
    the machine does only takes from it."""
    known, label = plan.capacities.get(step.cell.name, {}), step.configuration.label
    if step.cell.workload.kind is not Kind.OPEN or rps <= known.get(label, 0.0):
        return plan
    cell = {step.cell.name: {**known, label: rps}}
    return replace(plan, capacities={**plan.capacities, **cell})


def ordered(plan: Plan) -> Plan:
    """Configurations of a cell stay together, so that pairs are close in time; but what is offered follows
    from the closed loops of all blocks, so these come first, and the rates are the same in all."""
    blocks = [(block, cell) for block in range(plan.blocks) for cell in plan.cells]
    steps = [step for block, cell in blocks for step in _block(plan, cell, block)]
    return replace(plan, steps=tuple(sorted(steps, key=lambda s: s.configuration.offered is not None)))


def with_block(plan: Plan, cell: Cell) -> Plan:
    """One more of a cell, at the end."""
    return replace(plan, steps=(*plan.steps, *_block(plan, cell, plan.blocks_of(cell))))


def _block(plan: Plan, cell: Cell, block: int) -> list[Step]:
    shuffled = list(cell.configurations)
    random.Random(f"{plan.seed} {block} {cell.name}").shuffle(shuffled)
    return [Step(block, cell, configuration) for configuration in shuffled]
