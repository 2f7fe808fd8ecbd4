# SPDX-License-Identifier: MIT
"""What each preset runs, and how long it says that takes."""

from typing import Any

import made  # noqa: F401  makes the lab importable
import pytest
from lab.machine.errors import LabError
from lab.ask import plan, presets
from lab.ask.plan import MODELS, PEERS, Plan
from lab.ask.workloads import WORKLOADS
from lab.server import peers
from lab.judge import crossover, goals
from lab.judge.analysis import CellResult
from lab.programs import budget, options

TWO = plan.Cores((0,), (1,))


def planned(*arguments: str) -> Plan:
    notes: list[str] = []
    given = options.parser().parse_args([*arguments, "--seed=1"])
    return options.make_plan(given, notes)


@pytest.fixture(autouse=True)
def usual_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, and memory can be limited, whatever this machine has and allows."""
    monkeypatch.setattr("lab.programs.options.os.sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr("lab.programs.options.cgroup.problem", lambda: None)


@pytest.fixture
def no_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.server.peers.missing", lambda names: list(names))


@pytest.fixture
def all_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.server.peers.missing", lambda names: [])


def labels(found: Plan, workload: str, connections: int) -> set[str]:
    return {
        c.label
        for cell in found.cells
        if (cell.workload.name, cell.connections) == (workload, connections)
        for c in cell.configurations
    }


def test_quick_takes_about_a_minute() -> None:
    found = planned()
    assert {cell.workload.name for cell in found.cells} == {"hello", "cpu", "sleep", "mix"}
    assert found.blocks == 3 and found.label == "quick"
    assert 40 < budget.seconds_planned(found) < 90


def test_full_has_what_was_promised_in_under_an_hour() -> None:
    found = planned("--full")
    assert {cell.workload.name for cell in found.cells} == set(WORKLOADS) - {"skew", "unequal"}
    for workload in ("hello", "sleep"):
        counts = {c.connections for c in found.cells if c.workload.name == workload}
        assert counts == {1, 4, 16, 64, 256, 1024, 4096}
        for model in ("prefork", "threads"):
            for pool in (4, 16, 64, 256):
                assert f"{model}({pool})" in labels(found, workload, 256)
            assert f"{model}(64)+connection" in labels(found, "hello", 256)
    for model in ("prefork", "threads"):
        assert f"{model}(256)" in labels(found, "sleep", 1024)  # more connections than workers
    assert "threads(64)+gil" in labels(found, "mix", 256)
    assert "threads(2)+gil" in labels(found, "cpu", 16)
    assert found.blocks == 10 and found.steady and found.syscalls
    assert 20 * 60 < budget.seconds_planned(found) < 54 * 60
    for workload, connections in presets.AA_CELLS:
        again = [x for x in labels(found, workload, connections) if x.endswith(plan.AGAIN)]
        assert len(again) == 1


def test_many_workers_take_their_time() -> None:
    assert 7 * 60 < budget.seconds_planned(planned("--external")) < 15 * 60
    few, many = (planned("--workloads=idle:1", "--models=prefork", f"--workers={n}") for n in (4, 1024))
    assert budget.seconds_planned(many) > budget.seconds_planned(few) + 4


def test_full_with_peers_takes_little_more_than_an_hour(all_peers: None) -> None:
    found = planned("--full", "--peers")
    assert budget.seconds_planned(found) < 67 * 60
    models = {c.model for cell in found.cells for c in cell.configurations}
    assert {*MODELS, *PEERS} <= models


def test_the_ladder_takes_half_an_hour(all_peers: None) -> None:
    assert 20 * 60 < budget.seconds_planned(planned("--ladder")) < 31 * 60
    assert budget.seconds_planned(planned("--ladder", "--peers")) < 35 * 60


def test_cells_are_not_run_twice() -> None:
    for name in presets.NAMED:
        cells = planned(f"--{name}").cells
        keys = [(cell.workload.name, cell.connections) for cell in cells]
        assert len(keys) == len(set(keys))
        for cell in cells:
            made_labels = [c.label for c in cell.configurations]
            assert len(made_labels) == len(set(made_labels)), cell.name


def test_floor_compares_with_all_but_gunicorn(all_peers: None) -> None:
    found = planned("--floor")
    hello = labels(found, "hello", 64)
    assert {"floor", "nginx", "h2o", "lighttpd", "apache-event(64)", "prefork(4)"} <= hello
    assert not any("gunicorn" in label for label in hello)
    idle = next(cell.workload for cell in found.cells if cell.workload.name == "idle")
    assert idle.parked == 10_000


def test_floor_measures_what_the_goals_are_about(all_peers: None) -> None:
    found = planned("--floor")
    for goal in goals.GOALS:
        for connections in goal.connections:
            wanted = {*goal.ours, goal.other} - {""}
            assert wanted <= labels(found, goal.workload, connections), goal


def test_peers_that_are_absent_are_named(no_peers: None) -> None:
    notes: list[str] = []
    given = options.parser().parse_args(["--peers=nginx,apache-event"])
    found = options.make_plan(given, notes)
    assert not any(c.peer for cell in found.cells for c in cell.configurations)
    assert "nginx, apache-event" in notes[0] and "scripts/deps --peers" in notes[0]
    assert "apache2-bin" in notes[0]


@pytest.mark.parametrize(
    "arguments, kept",
    [
        (["--workloads=sleep"], {("sleep", n) for n in presets.FULL_CONNECTIONS}),
        (["--workloads=hello,sleep", "--connections=16"], {("hello", 16), ("sleep", 16)}),
        (["--models=threads:2+gil"], {("cpu", 16)}),
    ],
)
def test_options_choose_from_a_preset(arguments: list[str], kept: Any) -> None:
    found = planned("--full", *arguments)
    assert {(cell.workload.name, cell.connections) for cell in found.cells} == kept


def test_workers_choose_pools() -> None:
    found = planned("--full", "--workloads=sleep", "--connections=256", "--workers=16", "--no-aa")
    assert labels(found, "sleep", 256) == {"prefork(16)", "threads(16)", "coro"}


def test_nothing_left_is_a_mistake() -> None:
    with pytest.raises(LabError, match="nothing of this preset"):
        planned("--full", "--workloads=sleep", "--connections=5")


def test_two_presets_are_one_too_many() -> None:
    with pytest.raises(SystemExit) as stopped:
        planned("--full", "--quick")
    assert stopped.value.code == 64


def test_the_crossover_goes_from_waiting_to_computing() -> None:
    cells = planned("--crossover").cells
    shares = {round(crossover.share_of(CellResult(cell, ())), 2) for cell in cells}
    assert shares == {0.01, 0.05, 0.2, 0.5, 1.0}
    assert {cell.connections for cell in cells} == set(presets.CROSSOVER_CONNECTIONS)
    for cell in cells:  # all models on the same cores, or it would compare the cores
        assert {c.server_cpus for c in cell.configurations} == {(0,)}


def test_a_peer_gets_only_what_it_offers() -> None:
    nginx, sync = peers.configurations(["nginx", "gunicorn-sync"], TWO)
    offered = {name for name, w in WORKLOADS.items() if nginx.offers(w)}
    assert {"hello", "json", "files-1m", "close", "pipeline", "idle"} <= offered
    assert not offered & {"sleep", "cpu", "echo-1k", "crash", "interference"}
    python = {name for name, w in WORKLOADS.items() if sync.offers(w)}
    assert {"sleep", "cpu", "mix"} <= python and not python & {"pipeline", "idle", "drain"}
