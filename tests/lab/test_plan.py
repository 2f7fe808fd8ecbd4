# SPDX-License-Identifier: MIT
"""What the options turn into."""

from collections import Counter
from typing import Any

import made  # noqa: F401  makes the lab importable
import pytest
from lab.machine.errors import LabError, UsageError
from lab.ask import plan, presets
from lab.ask.workloads import WORKLOADS
from lab.server import peers

TWO = plan.Cores((0,), (1,))
EIGHT = plan.Cores((0, 1, 2, 3), (4, 5, 6, 7))


def labels(text: str, pools: tuple[int, ...] = (64,), cores: plan.Cores = TWO) -> list[str]:
    return [c.label for c in plan.parse_models(text, pools, cores)]


@pytest.mark.parametrize(
    "text, pools, expected",
    [
        (presets.QUICK_MODELS, (64,), ["prefork(64)", "threads(64)", "coro", "coro(2)"]),
        ("threads,coro", (4, 16), ["threads(4)", "threads(16)", "coro"]),
        ("threads:2+gil,prefork:4+connection", (64,), ["threads(2)+gil", "prefork(4)+connection"]),
        ("coro,coro", (64,), ["coro"]),
        ("prefork+none,threads:4+none+connection", (64,), ["prefork(64)+none", "threads(4)+none+connection"]),
        ("coro+connection,stealing,stealing:2", (64,), ["coro+connection", "stealing", "stealing(2)"]),
    ],
)
def test_models_with_their_pools(text: str, pools: Any, expected: Any) -> None:
    assert labels(text, pools) == expected


def test_one_loop_a_core_shares_the_only_two_cores_with_wrk() -> None:
    both = plan.parse_models("coro:cores", [64], TWO)[0]
    assert both.server_cpus == both.load_cpus == (0, 1)
    assert both.shares_cores and both.usable_cores == 2
    own = plan.parse_models("coro:cores", [64], EIGHT)[0]
    assert (own.workers, own.server_cpus, own.shares_cores) == (4, (0, 1, 2, 3), False)


@pytest.mark.parametrize(
    "text, words",
    [
        ("treads", "did you mean threads"),
        ("coro+gil", "does not go with coro"),
        ("stealing+none", "prefork, threads, coro: .none"),
        ("prefork+reuseport", "reuseport is for .* .connection"),
        ("threads+none+connection+lock", "lock is for a pool"),
        ("coro+connection+lock", "does not go with coro"),
        ("stealing+connection", "does not go with stealing"),
        ("nginx+connection", "does not go with nginx"),
        ("coro:x", "whole number"),
        ("coro:0", "whole number"),
        ("", "no model"),
        ("coro:2,coro:cores", "asked for twice"),
    ],
)
def test_bad_models_are_explained(text: str, words: str) -> None:
    with pytest.raises(LabError, match=words):
        plan.parse_models(text, [64], TWO)


def test_the_command_asks_for_what_the_ready_line_must_say() -> None:
    config = plan.parse_models("threads:2+gil", [64], TWO)[0]
    assert config.arguments() == ["--model=threads", "--workers=2", "--gil", "--listen=127.0.0.1:0"]
    assert config.expected_ready() == {"model": "threads", "workers": "2"}
    anew = plan.parse_models("prefork:2+none+connection", [64], TWO)[0]
    assert anew.arguments()[:-1] == [
        "--model=prefork", "--workers=2", "--pool=none", "--dispatch=connection",
    ]  # fmt: skip
    lock = plan.parse_models("prefork:2+connection+lock", [64], TWO)[0]
    assert lock.label == "prefork(2)+connection+lock"
    assert lock.arguments()[2:-1] == ["--dispatch=connection", "--accept=lock"]
    assert anew.contexts(64, WORKLOADS["hello"]) == 2  # at a time, as of a pool


@pytest.mark.parametrize(
    "available, server, load",
    [([0], (0,), (0,)), ([0, 1], (0,), (1,)), ([2, 3, 4], (2,), (3, 4)), (range(4), (0, 1), (2, 3))],
)
def test_cores_are_halved(available: Any, server: Any, load: Any) -> None:
    assert plan.split_cores(list(available)) == plan.Cores(server, load)


@pytest.mark.parametrize("text, cpus", [("0", (0,)), ("0,2-3", (0, 2, 3)), ("3,1", (1, 3))])
def test_core_lists(text: str, cpus: Any) -> None:
    assert plan.parse_cpus(text, range(4)) == cpus


@pytest.mark.parametrize("text", ["", "x", "4", "1-", "3-2", "-1"])
def test_bad_core_lists(text: str) -> None:
    with pytest.raises(LabError, match="cores"):
        plan.parse_cpus(text, range(4))


def quick(
    seed: int = 1, aa: bool = True, blocks: int = 4, connections: tuple[int, ...] = ()
) -> plan.Plan:
    models = plan.parse_models(presets.QUICK_MODELS, [64], TWO)
    workloads = [WORKLOADS["hello"], WORKLOADS["sleep"]]
    hello, *rest = plan.cells_for(workloads, models, connections, TWO)
    cells = (plan.with_aa(hello) if aa else hello, *rest)
    return plan.ordered(plan.Plan(cells, blocks, 1.0, 0.1, seed, "x", TWO))


def test_what_none_of_the_servers_offers_is_left_out() -> None:
    (nginx,) = peers.configurations(["nginx"], TWO)
    asked = [WORKLOADS["sleep"], WORKLOADS["stream"]]
    with pytest.raises(UsageError, match="sleep, stream: none of the servers asked for offers that"):
        plan.cells_for(asked, [nginx], (), TWO)
    cells = plan.cells_for([*asked, WORKLOADS["hello"]], [nginx], (), TWO)
    assert [cell.workload.name for cell in cells] == ["hello"]


def test_a_block_runs_every_configuration_of_every_cell_once() -> None:
    found = quick()
    for block in range(4):
        steps = [s for s in found.steps if s.block == block]
        counts = Counter((s.cell.workload.name, s.configuration.label) for s in steps)
        assert set(counts.values()) == {1}
        assert len(steps) == sum(len(cell.configurations) for cell in found.cells)
    assert [s.block for s in found.steps] == sorted(s.block for s in found.steps)


def test_the_order_is_random_and_the_seed_repeats_it() -> None:
    def order(found: Any) -> Any:
        return [(s.block, s.cell.name, s.configuration.label) for s in found.steps]

    assert order(quick(seed=5)) == order(quick(seed=5))
    assert order(quick(seed=5)) != order(quick(seed=6))
    orders = {
        tuple(s.configuration.label for s in quick().steps if s.block == b and s.cell.workload.name == "hello")
        for b in range(4)
    }
    assert len(orders) > 1


def test_the_floor_and_the_aa_pair_are_in_the_first_cell_only() -> None:
    hello, sleep = quick().cells
    names = [c.label for c in hello.configurations]
    assert names[-2:] == ["coro again", "floor"]
    assert [c.label for c in sleep.configurations] == ["prefork(64)", "threads(64)", "coro", "coro(2)"]
    assert "coro again" not in [c.label for c in quick(aa=False).cells[0].configurations]


def test_connection_counts_replace_the_workloads_own() -> None:
    assert [c.connections for c in quick().cells] == [64, 256]
    assert [c.connections for c in quick(connections=(16, 64)).cells] == [16, 64, 16, 64]
