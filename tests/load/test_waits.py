# SPDX-License-Identifier: MIT
"""That waits are measured as they are: of a server that stands still, and of one of which theory knows them.

What the machine adds is no fault of the generator. So both run before others, where that is allowed, and an
attempt counts where the kernel says that neither had to wait for a core; otherwise there is another, and after
some the test is skipped.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loading import errors, finish, prefer, start
from schedule import arrivals, lindley, pollaczek_khinchine
from staged import KEEP, Staged
from support.variant import ROOT, VARIANT, patience

sys.path.insert(0, str(ROOT / "scripts"))

from lab.measure.histogram import decode  # noqa: E402

ATTEMPTS = 3
FLOOR = ROOT / "build" / "floor"


class Noisy(Exception):
    """The machine had something else to do."""


class Missed(Exception):
    """A bound that something else may have to do with, though it was not seen."""


def in_a_quiet_window(attempt: Callable[[], None]) -> None:
    """Fails when a bound was missed each time and the machine was never seen to be busy."""
    said: list[Exception] = []
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except (Noisy, Missed) as why:
            said.append(why)
    if all(isinstance(why, Missed) for why in said):
        pytest.fail(f"{ATTEMPTS} attempts: {'; '.join(map(str, said))}")
    pytest.skip(f"{ATTEMPTS} attempts, and the machine was never quiet: {said[-1]}")


def waited_s(pid: int) -> float:
    """How long it could have run and others did."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def need_quiet(figures: dict[str, Any], server_waited_s: float, allowed_s: float) -> None:
    """A request is allowed to be so late, on the average, on the machine's account."""
    waited = figures["cpu"]["waited"] * figures["seconds"] + server_waited_s
    late = max(figures["lag_us"]["mean"] / 1e6, waited / figures["requests"])
    if late > allowed_s:
        raise Noisy(f"the mean request was {late * 1e3:.3g} ms late on its account, over {allowed_s * 1e3:.3g} ms")


def beyond(latencies: Mapping[int, int], ns: float) -> int:
    """How many took longer."""
    return sum(count for value, count in latencies.items() if value > ns)


def test_requests_are_made_when_the_schedule_says() -> None:
    """Of those that are never answered the ages at one moment are the times of the schedule, turned round."""
    times = arrivals(100, 1, 5)

    def attempt() -> None:
        with Staged(lambda _request: (b"", KEEP)) as server:
            arguments = ("--rate=100", "--duration=1", "--seed=5", "--drain=0")
            figures = finish(start(*arguments, server.url, preferred=True)).figures
        assert errors(figures) == {"unfinished": 100}
        counted = decode(figures["latency_us"]["hdr"])
        ages = [age for age in sorted(counted, reverse=True) for _ in range(counted[age])]
        off_s = max(abs((ages[0] - age) / 1e9 - (made - times[0])) for age, made in zip(ages, times))
        assert off_s <= 0.05
        if off_s > 0.02:
            raise Missed(f"not all were taken at one moment: one {off_s:.3f} s later")

    in_a_quiet_window(attempt)


# ---- a server that stands still ----


@contextmanager
def floor() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """scripts/floor.c and its URL."""
    process = subprocess.Popen(
        [FLOOR, "--listen=127.0.0.1:0"], stderr=subprocess.PIPE, text=True, preexec_fn=prefer
    )
    try:
        assert process.stderr
        listening = process.stderr.readline().split("listen=")[1].split()[0]
        yield process, f"http://{listening}/hello"
    finally:
        process.kill()
        process.communicate()


RATE, STOP_S = 5_000, 2.0  # at more it would never sleep, and what never sleeps cannot go before others


@pytest.mark.skipif(VARIANT != "release" or not FLOOR.exists(), reason="takes a generator that is fast")
def test_a_server_that_stands_still_delays_all_that_is_asked_of_it_meanwhile() -> None:
    """Stopped for T, it is asked RATE * T in that time. They are answered in order from then on, and those that
    come until the last of them is wait as well; each is so much less late than the one before as it was to be
    made later. So their delays are even from T down to nothing: RATE * (T - t) are late by more than t, and those
    that come while it catches up: an eleventh where it can do twelve times RATE."""

    def attempt() -> None:
        with floor() as (server, url):
            process = start(f"--rate={RATE}", "--duration=4", "--spacing=constant", url, preferred=True)
            time.sleep(1)
            begun = time.monotonic()
            server.send_signal(signal.SIGSTOP)
            before_s = waited_s(server.pid)
            time.sleep(STOP_S)
            server.send_signal(signal.SIGCONT)
            at_most_s = time.monotonic() - begun
            figures = finish(process).figures
            need_quiet(figures, waited_s(server.pid) - before_s, 0.002 * STOP_S)
        assert errors(figures) == {} and figures["answered"] == figures["requests"] == 4 * RATE
        latencies = decode(figures["latency_us"]["hdr"])
        stopped_s = figures["latency_us"]["max"] / 1e6  # the first one in that time
        assert 0.99 * STOP_S <= stopped_s <= 1.5 * at_most_s
        if stopped_s > 1.01 * at_most_s:
            raise Missed(f"it went on {stopped_s - at_most_s:.3f} s after it was told to")
        late = beyond(latencies, 0.05 * stopped_s * 1e9) / 0.95
        for tenth in range(1, 10):
            part = tenth / 10
            later = beyond(latencies, part * stopped_s * 1e9)
            asked = RATE * stopped_s * (1 - part)  # so long before the server went on
            assert 0.99 * asked <= later <= 1.5 * asked
            if later > 1.12 * asked or abs(later / late - (1 - part)) > 0.01:
                raise Missed(f"{later:,} were late by {part:g} of it, of {asked:,.0f}: it did not catch up evenly")

    in_a_quiet_window(attempt)


# ---- waits that are known ----

SERVICE_S, SECONDS = 0.01, 8.0
# Seeds of schedules whose own mean wait is near that of all such schedules, so that theory can be held against a
# run of seconds: at the higher utilisations chance alone makes most differ by more than a tenth.
SEEDS = {0.5: 4, 0.8: 44, 0.9: 59}


@contextmanager
def fixed_service() -> Iterator[tuple[subprocess.Popen[str], str]]:
    program = Path(__file__).with_name("fixed_service.py")
    process = subprocess.Popen(
        [sys.executable, program, str(SERVICE_S)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=prefer,
    )  # fmt: skip
    try:
        assert process.stdout
        yield process, f"http://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        process.communicate(timeout=patience(10))


@pytest.mark.skipif(VARIANT != "release", reason="theory knows nothing of what a sanitizer takes")
@pytest.mark.parametrize("utilisation", SEEDS)
def test_the_mean_wait_is_that_of_queueing_theory(utilisation: float) -> None:
    rate, seed = utilisation / SERVICE_S, SEEDS[utilisation]
    of_schedule = lindley(arrivals(rate, SECONDS, seed), SERVICE_S)
    of_theory = pollaczek_khinchine(utilisation, SERVICE_S)
    assert of_schedule == pytest.approx(of_theory, rel=0.02)

    def attempt() -> None:
        arguments = (f"--rate={rate}", f"--duration={SECONDS}", f"--seed={seed}", "--connections=500")
        with fixed_service() as (server, url):
            before_s = waited_s(server.pid)
            figures = finish(start(*arguments, url, preferred=True)).figures
            server_waited_s = waited_s(server.pid) - before_s
        need_quiet(figures, server_waited_s, 0.02 * of_theory)
        assert errors(figures) == {} and figures["answered"] == round(rate * SECONDS)
        wait = figures["latency_us"]["mean"] / 1e6 - SERVICE_S
        near = [wait == pytest.approx(mean, rel=0.1) for mean in (of_schedule, of_theory)]
        if not all(near):  # a service that takes 1 % longer makes waits (2 - u) / (1 - u) % longer
            explains_s = 0.05 * SERVICE_S * (1 - utilisation) / (2 - utilisation)
            need_quiet(figures, server_waited_s, explains_s)
        assert all(near), (wait, of_schedule, of_theory)

    in_a_quiet_window(attempt)
