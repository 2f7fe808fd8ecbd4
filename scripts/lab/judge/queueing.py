# SPDX-License-Identifier: MIT
"""Queueing theory: how long a request waits before its service begins, where arrivals are Poisson.

    M/M/c   c servers, service times exponential: Erlang's C formula
    M/D/1   one server, service always as long: Franx, A simple solution for the M/D/c waiting time
            distribution, Operations Research Letters 29 (2001), for c = 1
    M/D/c   c servers, service always as long: half the wait of M/M/c, the Allen-Cunneen
            approximation, as its service times do not vary

Times are in the unit that the service time is given in. utilisation: offered ÷ what the servers can do,
below 1: beyond it there is no steady state, and no function here has an answer (ValueError).
"""

from __future__ import annotations

import math
from functools import lru_cache

NEGLIGIBLE = 1e-12  # a probability that is left out


def erlang_c(servers: int, utilisation: float) -> float:
    """The probability that an arrival finds all servers busy (M/M/c)."""
    _check(utilisation)
    load, blocked = servers * utilisation, 1.0  # Erlang B, by its recursion over the servers
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1.0 - utilisation * (1.0 - blocked))


def mmc_wait(servers: int, utilisation: float, service: float, quantile: float) -> float:
    """The wait that so large a share of the requests does not exceed."""
    waiting = erlang_c(servers, utilisation)
    if waiting <= 1.0 - quantile:
        return 0.0
    return math.log(waiting / (1.0 - quantile)) * service / (servers * (1.0 - utilisation))


def mdc_wait(servers: int, utilisation: float, service: float, quantile: float) -> float:
    """The same where each request takes just as long."""
    if servers == 1:
        return md1_wait(utilisation, service, quantile)
    return mmc_wait(servers, utilisation, service, quantile) / 2.0


def md1_wait(utilisation: float, service: float, quantile: float) -> float:
    _check(utilisation)
    low, high = 0.0, 1.0  # in service times
    if md1_within(0.0, utilisation) >= quantile:
        return 0.0
    while md1_within(high, utilisation) < quantile:
        low, high = high, 2.0 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2.0
        low, high = (low, middle) if md1_within(middle, utilisation) >= quantile else (middle, high)
    return high * service


def md1_within(services: float, utilisation: float) -> float:
    """The probability that a request waits at most so many service times (M/D/1). All terms are
    positive: Erlang's own series alternates, and loses every digit where the wait is long."""
    _check(utilisation)
    at_most = _md1_in_system(utilisation)
    whole = math.floor(services) + 1
    arrived = utilisation * (whole - services)  # on average, in what is left of the last of them
    term, found = math.exp(-arrived), 0.0
    for count in range(whole):
        found += term * at_most[min(whole - count, len(at_most) - 1)]
        term *= arrived / (count + 1)
    return min(1.0, found)


@lru_cache(maxsize=256)
def _md1_in_system(utilisation: float) -> tuple[float, ...]:
    """The probability of at most n requests in an M/D/1 system, for n from 0 until that is 1. From one
    departure to the next so many more are left behind, up to n, as are fewer: hence each
    probability follows from those before it, by sums of positive terms."""
    arrivals = [math.exp(-utilisation)]  # during one service: exactly n
    while len(arrivals) < 2 or arrivals[-1] > NEGLIGIBLE * 1e-6:
        arrivals.append(arrivals[-1] * utilisation / len(arrivals))
    more = [math.fsum(arrivals[n:]) for n in range(len(arrivals))] + [0.0]  # n or more
    exactly = [1.0 - utilisation]
    at_most = [exactly[0]]
    while 1.0 - at_most[-1] > NEGLIGIBLE:
        n = len(exactly)
        up = exactly[0] * more[min(n, len(arrivals))]
        up += math.fsum(exactly[i] * more[min(n - i + 1, len(arrivals))] for i in range(1, n))
        exactly.append(up / arrivals[0])
        at_most.append(min(1.0, at_most[-1] + exactly[-1]))
        if exactly[-1] < NEGLIGIBLE * (1.0 - utilisation):
            break
    return tuple(at_most)


def _check(utilisation: float) -> None:
    if not 0.0 <= utilisation < 1.0:
        raise ValueError(f"a utilisation of {utilisation:g}: from 0 to below 1")
