# SPDX-License-Identifier: MIT
"""Which cells a preset runs: each is a list of cells with the blocks and seconds they get. What a preset
is for, scripts/bench --help says in the words of its function here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterable, Sequence

from . import plan as planning, workloads as work
from .plan import Cell, Configuration, Cores
from .workloads import DB_CONNECTIONS, SLOW_QUERIES

QUICK_MODELS = "prefork,threads,coro,coro:cores"
QUICK_WORKLOADS = "hello,cpu,sleep,mix"
QUICK_POOL = 64
FULL_CONNECTIONS = (1, 4, 16, 64, 256, 1024, 4096)
FULL_POOLS = (4, 16, 64, 256)
POOL = 64
AA_CELLS = (("hello", 64), ("sleep", 256), ("cpu", 16))


@dataclass(frozen=True)
class Preset:
    cells: tuple[Cell, ...]
    blocks: int
    duration_s: float
    warmup_s: float
    steady: bool
    syscalls: bool


def merged(cells: Iterable[Cell]) -> list[Cell]:
    """Cells of the same workload and connections become one, no configuration twice: the models,
    then other servers, then the floor, as the rows of its table are."""
    found: dict[tuple[str, int], Cell] = {}
    for cell in cells:
        before = found.setdefault((cell.workload.name, cell.connections), cell)
        every = dict.fromkeys((*before.configurations, *cell.configurations))
        ranked = tuple(sorted(every, key=lambda c: (c.floor, c.peer)))
        found[cell.workload.name, cell.connections] = replace(cell, configurations=ranked)
    return list(found.values())


@dataclass(frozen=True)
class Maker:
    """Shorthand for the cells of a preset on these cores, where it says so beside these servers."""

    cores: Cores
    peers: Sequence[Configuration]

    def configurations(self, text: str, pools: Sequence[int] = (POOL,)) -> list[Configuration]:
        return planning.parse_models(text, pools, self.cores)

    def cells(
        self,
        names: str,
        models: str,
        connections: Sequence[int] = (),
        pools: Sequence[int] = (POOL,),
        peers: bool = False,
    ) -> list[Cell]:
        chosen = self.configurations(models, pools) + list(self.peers if peers else ())
        return planning.cells_for(work.parse(names), chosen, connections, self.cores)


def full(make: Maker) -> Preset:
    """every workload but skew and unequal; 1 to 4096 connections on hello and sleep; pools of 4, 16, 64 and 256; keep-alive
    and not; both dispatches; --gil; 10 blocks, system calls counted apart: about an hour, 75 minutes
    with --peers"""
    three = "prefork,threads,coro"
    with_gil = "prefork,threads,threads+gil,coro"
    dispatch = "prefork+connection,threads+connection"
    cells = [
        *make.cells("hello,sleep", three, FULL_CONNECTIONS),
        *make.cells("hello", "prefork,threads", [64], [4]),
        *make.cells("hello", "coro:cores", [64], peers=True),
        *make.cells("hello,sleep", "prefork,threads", [256], FULL_POOLS),
        *make.cells("sleep", "prefork,threads", [1024], FULL_POOLS[-1:]),
        *make.cells("sleep", "coro", peers=True),
        *make.cells("hello", dispatch, [16, 256]),
        *make.cells(
            "cpu", three + ",prefork:cores,threads:cores,threads:cores+gil,coro:cores", peers=True
        ),
        *make.cells("mix", with_gil + ",coro:cores", [64], peers=True),
        *make.cells("mix", with_gil + ",coro:cores", [256]),
        *make.cells("json,block,block-offload,fanout,stream,files-100k", three),
        *make.cells("files-1k,idle", three),
        *make.cells("files-1m", three, peers=True),
        *make.cells("db,queries,updates,fortunes,cache", three, pools=[DB_CONNECTIONS]),
        *make.cells("db", "prefork,threads"),  # more workers than connections: they borrow
        *make.cells("echo-1k,echo-1m", three),
        *make.cells("close,pipeline", three, peers=True),
        *make.cells("interference", with_gil),
        *make.cells("interference-wait", three),
        *make.cells("crash", three + ",coro:cores"),
        *make.cells("drain", three),
    ]
    paired = [
        planning.with_aa(cell) if (cell.workload.name, cell.connections) in AA_CELLS else cell
        for cell in merged(cells)
    ]
    return Preset(tuple(paired), 10, 0.5, 0.15, steady=True, syscalls=True)


def floor(make: Maker) -> Preset:
    """the floor server, the models and every other server installed: the speed goals, each PASS, FAIL
    or VOID: about 20 minutes"""
    models = "prefork:4,threads:4,prefork:64,threads:64,coro"
    cells = [
        *make.cells("hello", models, [64, 256], peers=True),
        *make.cells("pipeline,close,files-1m,idle", "prefork,threads,coro", peers=True),
        *make.cells("sleep", "prefork,threads,coro"),
    ]
    paired = [planning.with_aa(c) if c.workload.name == "hello" else c for c in merged(cells)]
    return Preset(tuple(paired), 10, 1.0, 0.3, steady=False, syscalls=True)


# Microseconds computed, milliseconds waited in one request: 1 to 100 % of it computing.
CROSSOVER_SHAPES = ((50, 5), (250, 5), (1000, 4), (2000, 2), (2000, 0))
CROSSOVER_CONNECTIONS = (4, 16, 64, 256)


def crossover(make: Maker) -> Preset:
    """/mix by computing share, connections and pool size: which model wins where: about a quarter of
    an hour"""
    cells = []
    loops = len(make.cores.server)  # all models get the same cores; wrk has its own
    for cpu_us, wait_ms in CROSSOVER_SHAPES:
        shape = f"mix?cpu={cpu_us}&wait={wait_ms}&rounds=1"
        for connections in CROSSOVER_CONNECTIONS:
            # A pool larger than the connections is never used in full: one such is enough.
            pools = [size for size in FULL_POOLS if size <= connections] or [FULL_POOLS[0]]
            cells += make.cells(shape, f"prefork,threads,coro:{loops}", [connections], pools)
    return Preset(tuple(cells), 6, 0.6, 0.2, steady=False, syscalls=False)


IDLE_STEPS = (16, 256, 512, 1536)


def external(make: Maker) -> Preset:
    """published results, reproduced in shape: about 10 minutes"""
    cores = make.cores.wide

    def wide(model: str, workers: int) -> Configuration:
        return Configuration(model, workers, cores.server, cores.load)

    loops = [wide("coro", len(cores.server)), *(wide("threads", size) for size in (10, 20, 40, 150))]
    cells = [
        *make.cells("sleep", "prefork,threads,coro", [256]),
        *planning.cells_for([SLOW_QUERIES], loops, [50, 500], make.cores),
    ]
    for parked in IDLE_STEPS:
        # One context for each connection, as the servers of that paper had.
        models = make.configurations("prefork+connection,threads+connection,coro", [parked + 16])
        cells += planning.cells_for([work.idle_files(parked)], models, [], make.cores)
    return Preset(tuple(cells), 6, 1.5, 0.3, steady=False, syscalls=False)


# Of its capacity; nearer to each other where a queue grows. What is beyond all of it is overload.
LOAD_SHARES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
LOAD_CONNECTIONS = 1000  # at most so many at a time, from either load


def load(make: Maker) -> Preset:
    """latency against offered load, from an open loop (scripts/load): hello, cpu, sleep and mix at 10 to
    120 % of what each model does in a closed loop: about half an hour"""
    cells = make.cells("hello,cpu,sleep,mix", "prefork,threads,coro", [LOAD_CONNECTIONS])
    shared = tuple(planning.with_shares(cell, LOAD_SHARES) for cell in cells)
    return Preset(shared, 3, 3.0, 0.5, steady=False, syscalls=False)


# Configurations by which a worker is got; N: as many loops as cores, two at least.
LADDER = (
    "prefork+none", "prefork+none+connection", "prefork", "prefork+connection",
    "threads+none", "threads+none+connection", "threads", "threads+connection",
    "coro+none", "coro+none+connection", "coro", "coro+connection", "coro:N", "stealing:N",
)  # fmt: skip
LADDER_PEERS = {  # that are built so
    "apache-prefork": "prefork+connection", "gunicorn-sync": "prefork+connection",
    "apache-event": "threads", "gunicorn-gthread": "threads", "apache-worker": "threads+connection",
    "gunicorn-gevent": "coro+connection",
}  # fmt: skip
SKEWED = "prefork:2,threads:2,coro:2,stealing:2"
LADDER_PARKED = 500  # where each has a worker of its own


def ladder(make: Maker) -> Preset:
    """processes, threads and coroutines, made before or anew, taken for a request or a connection;
    coroutines on N loops of a process each, and on N threads that steal work: what each costs, and
    what uneven work does to it: about 30 minutes, 34 with --peers"""
    loops = max(2, len(make.cores.server))
    rungs = ",".join(LADDER).replace(":N", f":{loops}")
    make = replace(make, peers=[c for c in make.peers if c.model in LADDER_PEERS])
    cells = []
    # As many workers as there are connections: what is compared is no pool's size.
    for name in ("hello", "close", "cpu", "sleep", "mix", "block", "interference"):
        workload = work.WORKLOADS[name]
        connections = min(workload.connections, POOL)
        workers = connections + workload.slow_connections
        cells += make.cells(name, rungs, [connections], [workers], peers=True)
    # Who forks for each request is slow to get to a thousand, which a p99 takes.
    cells = [replace(c, workload=replace(c.workload, duration_factor=c.workload.duration_factor * 5 / 3))
             if c.workload.slow_target else c for c in cells]  # fmt: skip
    cells += make.cells(f"idle:{LADDER_PARKED}", rungs, pools=[LADDER_PARKED + 4])
    cells += make.cells("idle", f"prefork,threads,coro,coro:{loops},stealing:{loops}")
    cells += replace(make, cores=make.cores.several).cells("skew,unequal", SKEWED)
    return Preset(tuple(cells), 10, 0.5, 0.15, steady=False, syscalls=False)


NAMED = {preset.__name__: preset for preset in (full, floor, crossover, external, load, ladder)}
