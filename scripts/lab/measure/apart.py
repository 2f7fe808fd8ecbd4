# SPDX-License-Identifier: MIT
"""How far apart two cores are while a load runs: how long a byte takes from one to the other and back.

A hypervisor moves virtual cores between physical ones. Where it puts two of them on different parts
of the chip, all that server and load generator hand to each other takes several times as long, for
seconds or minutes, and with it a request a quarter more CPU time on both. Nothing else shows it: no
time is stolen, and computing is as fast as before. So it is measured beside each load, by a process on
the one core and a thread on the other that hand a byte of shared memory to and fro for a moment, twenty
times a second; of each core that takes two thousandths.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from contextlib import contextmanager
from typing import Iterator

from ..machine import priority

EVERY_S = 0.05
TRIPS = 50  # there and back, of which the quickest counts: how it varies is the interpreter
PATIENCE = 40_000  # looks at the byte, of 25 ns or so: what is late by a millisecond was interrupted
_HERE, _THERE = 0, 1


@contextmanager
def watched(cpus: tuple[int, int], nice: int) -> Iterator[list[int]]:
    """The list gets nanoseconds of a round trip, what looking takes included, for as long as this lasts.
    It stays empty where both cores are one."""
    found: list[int] = []
    if cpus[0] == cpus[1]:
        yield found
        return
    with mmap.mmap(-1, mmap.PAGESIZE) as shared:
        reading, waking = os.pipe()
        partner = os.fork()
        if partner == 0:
            os.close(waking)
            _answer(shared, reading, cpus[1], nice)
        os.close(reading)
        done = threading.Event()
        asking = threading.Thread(target=_ask, args=(shared, waking, cpus[0], nice, done, found))
        asking.start()
        try:
            yield found
        finally:
            done.set()
            asking.join()
            os.close(waking)  # which ends the partner
            os.waitpid(partner, 0)


def _ask(
    shared: mmap.mmap, waking: int, cpu: int, nice: int, done: threading.Event, found: list[int]
) -> None:
    os.sched_setaffinity(0, {cpu})  # of this thread alone
    priority.lead(nice)
    while not done.wait(EVERY_S):
        shared[0] = _THERE
        os.write(waking, b".")
        awake = _becomes(shared, _HERE)
        trips_ns = list(_trips(shared)) if awake else []
        if trips_ns:
            found.append(min(trips_ns))


def _trips(shared: mmap.mmap) -> Iterator[int]:
    """How long each took; no more of them once one of the two was interrupted."""
    for _ in range(TRIPS):
        begun = time.perf_counter_ns()
        shared[0] = _THERE
        if not _becomes(shared, _HERE):
            return
        yield time.perf_counter_ns() - begun


def _answer(shared: mmap.mmap, reading: int, cpu: int, nice: int) -> None:
    """Of the process on the other core, until nobody can wake it any more. Does not return."""
    try:
        os.sched_setaffinity(0, {cpu})
        priority.lead(nice)
        while os.read(reading, 1):
            for _ in range(1 + TRIPS):
                if not _becomes(shared, _THERE):
                    break
                shared[0] = _HERE
    finally:
        os._exit(0)


def _becomes(shared: mmap.mmap, value: int) -> bool:
    for _ in range(PATIENCE):
        if shared[0] == value:
            return True
    return False
