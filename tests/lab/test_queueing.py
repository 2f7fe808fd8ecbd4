# SPDX-License-Identifier: MIT
"""Queueing theory against its tables and its own laws."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import made  # noqa: F401  makes the lab importable
import pytest
from lab.judge import queueing


@pytest.mark.parametrize(
    "servers, erlangs, expected",
    [(1, 0.5, 0.5), (1, 0.9, 0.9), (2, 1.5, 9 / 14), (3, 2.0, 4 / 9), (10, 8.0, 0.40918)],
)
def test_erlang_c_is_what_tables_say(servers: int, erlangs: float, expected: float) -> None:
    assert queueing.erlang_c(servers, erlangs / servers) == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("servers, erlangs", [(5, 3), (64, 57), (100, 90)])
def test_erlang_c_is_its_definition_in_exact_numbers(servers: int, erlangs: int) -> None:
    busy = Fraction(erlangs**servers, math.factorial(servers)) * Fraction(servers, servers - erlangs)
    free = sum(Fraction(erlangs**n, math.factorial(n)) for n in range(servers))
    assert queueing.erlang_c(servers, erlangs / servers) == pytest.approx(float(busy / (free + busy)), rel=1e-9)


def test_mm1_waits_as_its_closed_form_says() -> None:
    # P(W > t) = ρ exp(-(1 - ρ) t / s)
    for part in (0.2, 0.5, 0.9):
        t = queueing.mmc_wait(1, part, 2.0, 0.99)
        assert part * math.exp(-(1 - part) * t / 2.0) == pytest.approx(0.01)
    assert queueing.mmc_wait(1, 0.3, 1.0, 0.5) == 0.0  # seven in ten do not wait at all


@pytest.mark.parametrize("part", [0.1, 0.5, 0.8, 0.9])
def test_md1_waits_as_pollaczek_and_khinchine_say_on_average(part: float) -> None:
    """The mean is the integral of what lies beyond."""
    step = 0.02
    mean = sum(1 - queueing.md1_within((at + 0.5) * step, part) for at in range(8000)) * step
    assert mean == pytest.approx(part / (2 * (1 - part)), rel=1e-3)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.8])
def test_md1_is_erlangs_own_series_where_that_has_digits(part: float) -> None:
    for services in (0.0, 0.4, 1.0, 1.5, 3.7, 6.0):
        terms = (
            (-part * (services - k)) ** k / math.factorial(k) * math.exp(part * (services - k))
            for k in range(math.floor(services) + 1)
        )
        assert queueing.md1_within(services, part) == pytest.approx((1 - part) * math.fsum(terms), abs=1e-9)


def test_md1_is_what_a_simulated_queue_does() -> None:
    rng, part, free_at, now, waits = random.Random(1), 0.7, 0.0, 0.0, []
    for _ in range(200_000):
        now += rng.expovariate(part)
        waits.append(max(0.0, free_at - now))
        free_at = max(free_at, now) + 1.0
    waits.sort()
    for quantile in (0.5, 0.9, 0.99):
        assert queueing.md1_wait(part, 1.0, quantile) == pytest.approx(waits[int(quantile * len(waits))], rel=0.06)


def test_quantiles_are_where_the_distribution_says() -> None:
    for part, quantile in ((0.5, 0.6), (0.8, 0.99), (0.95, 0.999)):
        at = queueing.md1_wait(part, 3.0, quantile)
        assert queueing.md1_within(at / 3.0, part) == pytest.approx(quantile, abs=1e-5)
    assert queueing.md1_wait(0.3, 1.0, 0.7) == 0.0
    assert queueing.mdc_wait(1, 0.8, 3.0, 0.99) == queueing.md1_wait(0.8, 3.0, 0.99)


def test_several_servers_of_fixed_service_wait_as_a_simulation_does() -> None:
    """Allen and Cunneen's approximation, at the load where it has to be good."""
    rng, now, waits, servers = random.Random(2), 0.0, [], 16
    free_at = [0.0] * servers
    for _ in range(200_000):
        now += rng.expovariate(0.95 * servers)
        first = min(range(servers), key=free_at.__getitem__)
        waits.append(max(0.0, free_at[first] - now))
        free_at[first] = max(free_at[first], now) + 1.0
    waits.sort()
    found = queueing.mdc_wait(servers, 0.95, 1.0, 0.99)
    assert found == pytest.approx(waits[int(0.99 * len(waits))], rel=0.25)


@pytest.mark.parametrize("part", [-0.1, 1.0, 1.5, math.nan])
def test_there_is_no_answer_in_overload(part: float) -> None:
    for servers in (1, 4):
        for ask in (queueing.mmc_wait, queueing.mdc_wait):
            with pytest.raises(ValueError, match="utilisation"):
                ask(servers, part, 1.0, 0.99)
