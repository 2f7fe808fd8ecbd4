# SPDX-License-Identifier: MIT
"""CPU time per request, had the server's core and wrk's been near each other all the time.

A hypervisor that moves cores apart makes a request dearer for every configuration alike (see
measure/apart). By how much is found by least squares, from how the samples of each configuration of a cell
differ among themselves. Where the distance did not change, there is nothing to take out.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import replace
from typing import Callable, Hashable, Iterable, Sequence

from ..measure.sample import Sample

FAR = 1.45  # times as long as the shortest way of the cell: seen are 0.8 to 1.3 and 1.7 to 2.5
BESIDE = 2  # measurements to both sides: one alone may be off by half, the median of these is not


def evened(samples: Sequence[Sample]) -> list[Sample]:
    """With the time they were far, and the cpu_factor by which CPU per request is multiplied for that."""
    found: list[Sample] = []
    for cell in _grouped(samples, lambda s: (s.workload, s.connections)):
        nearest_ns = min((statistics.median(s.apart_ns) for s in cell if s.apart_ns), default=0.0)
        seen = [replace(s, far_share=_far_share(s, FAR * nearest_ns)) for s in cell]
        dearer = _dearer([s for s in seen if s.apart_ns and s.cpu_us > 0 and not s.void])
        found += (replace(s, cpu_factor=math.exp(-dearer * s.far_share)) for s in seen)
    return found


def _far_share(sample: Sample, far_ns: float) -> float:
    trips = sample.apart_ns
    settled = [
        statistics.median(trips[max(0, at - BESIDE) : at + BESIDE + 1]) for at in range(len(trips))
    ]
    return statistics.fmean(ns > far_ns for ns in settled) if settled else 0.0


def _dearer(samples: Iterable[Sample]) -> float:
    """The logarithm of far to near. Not below 0: nearer is not dearer."""
    products = squares = 0.0
    for group in _grouped(samples, lambda s: s.configuration):
        mean = statistics.fmean(s.far_share for s in group)
        products += sum((s.far_share - mean) * math.log(s.cpu_us) for s in group)
        squares += sum((s.far_share - mean) ** 2 for s in group)
    return max(0.0, products / squares) if squares else 0.0


def _grouped(samples: Iterable[Sample], key: Callable[[Sample], Hashable]) -> Iterable[list[Sample]]:
    groups: dict[Hashable, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[key(sample)].append(sample)
    return groups.values()
