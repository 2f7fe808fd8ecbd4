# SPDX-License-Identifier: MIT
"""The schedule of scripts/load, written a second time, and the waits that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MASK = (1 << 64) - 1


def random_numbers(seed: int) -> Iterator[float]:
    """SplitMix64, as numbers above 0, at most 1."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        yield ((z ^ (z >> 31)) // 2048 + 1) / 2**53


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Poisson arrivals given their number, in seconds. The second number of each is for its path."""
    numbers = random_numbers(seed)
    count = round(rate * seconds)
    found, left = [], 1.0
    for remaining in range(count, 0, -1):
        left *= next(numbers) ** (1 / remaining)
        next(numbers)
        found.append(seconds * (1 - left))
    return found


def lindley(times: Sequence[float], service_s: float) -> float:
    """The mean wait of these arrivals at one server that takes as long for each."""
    free_at = total = 0.0
    for time in times:
        total += max(0.0, free_at - time)
        free_at = max(free_at, time) + service_s
    return total / len(times)


def pollaczek_khinchine(utilisation: float, service_s: float) -> float:
    """The mean wait in M/D/1."""
    return utilisation * service_s / (2 * (1 - utilisation))
