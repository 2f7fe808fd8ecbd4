# SPDX-License-Identifier: MIT
"""The parser of wrk's output against output that wrk 4.1 really gave.

Each file under recorded/ holds wrk's own text above the report's line: what the parser reads
must be what wrk says of itself, where wrk can be believed.
"""

import re
from pathlib import Path

import made  # noqa: F401  makes the lab importable
import pytest
from lab.machine.errors import LabError
from lab.measure import wrk

RECORDED = Path(__file__).with_name("recorded")


def text(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


def said(name: str, pattern: str) -> float:
    match = re.search(pattern, text(name))
    assert match is not None
    return float(match.group(1))


@pytest.mark.parametrize(
    "name, connections, errors",
    [
        ("sound", 4, {}),
        ("status", 4, {"status": 157}),
        ("closed", 4, {"read": 16}),
        ("timeout", 3, {"timeout": 6}),
        ("pipeline", 2, {}),
    ],
)
def test_requests_rate_and_errors_are_those_wrk_prints(
    name: str, connections: int, errors: dict[str, int]
) -> None:
    load = wrk.parse(text(name), connections)
    assert load.requests == said(name, r"(\d+) requests in")
    assert load.rps == pytest.approx(said(name, r"Requests/sec: +([\d.]+)"), abs=0.01)
    assert {kind: count for kind, count in load.errors.items() if count} == errors


def test_latencies_of_a_sound_run_are_those_wrk_prints() -> None:
    load = wrk.parse(text("sound"), 4)
    assert load.phantoms == 0 and load.samples == load.requests == 188
    assert load.mean_us / 1e3 == pytest.approx(said("sound", r"Latency +([\d.]+)ms"), abs=0.01)
    assert load.max_us / 1e3 == pytest.approx(24.24, abs=0.01)
    p50 = load.percentiles_us["p50"]
    assert p50 is not None and p50 / 1e3 == pytest.approx(20.28, abs=0.02)
    assert load.percentiles_us["p99"] is None  # 188 samples leave 1.9 beyond it


def test_a_batch_of_pipelined_requests_is_one_sample_and_phantoms_are_counted() -> None:
    load = wrk.parse(text("pipeline"), 2)
    # Four waits of 20 ms in a row.
    assert load.requests == 90 and load.samples == 22
    assert 80_000 <= load.mean_us <= 100_000
    # Below the smallest real latency wrk counts its phantoms without adding them up: so the
    # mean it prints is that much too small, and tells how many there are.
    printed = said("pipeline", r"Latency +([\d.]+)ms") * 1e3
    everything = load.samples + load.phantoms
    assert printed * everything == pytest.approx(load.mean_us * load.samples, rel=0.001)


def test_answers_later_than_the_timeout_leave_no_latency() -> None:
    load = wrk.parse(text("timeout"), 3)
    assert load.requests == 6 and load.samples == 0 and load.mean_us == 0
    assert all(value is None for value in load.percentiles_us.values())


def test_a_refused_connection_is_no_report() -> None:
    with pytest.raises(LabError, match="Connection refused"):
        wrk.parse(text("refused"), 3)
