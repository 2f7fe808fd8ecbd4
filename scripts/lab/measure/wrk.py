# SPDX-License-Identifier: MIT
"""Running wrk and understanding what it says.

What wrk 4.1 does to its numbers, and what is done about it here:

* It corrects for "coordinated omission" before done() sees the table: with E the mean
  interval between answers on one connection, each latency n of 2E or more also adds
  samples at n-E, n-2E ... down to E. These phantoms outnumber real samples exactly when
  answers are slow. All is integer arithmetic on one table, so it can be undone exactly:
  above E the table t holds t[m] = r[m] + r[m+E] + r[m+2E] ..., hence r[m] = t[m] - t[m+E].
  The lab reports the restored table, and wrk's own figures beside it in run.json. Phantoms
  below the smallest real latency are in wrk's percentiles but not in the table it hands over,
  so their number follows from the restored table.
* A latency beyond its time-out is counted as a time-out and dropped; statuses over 399
  count as completed; a refused connect shows as a read error. All fields are read.
* With pipelining, latency is recorded once for a batch.
* Its -d takes whole seconds. SIGINT ends a run early and in order, so that is what ends it
  here; wrk looks every 100 ms, and its reported duration says when it really ended.
"""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from typing import Mapping, Sequence

from ..machine import procfs, sockets
from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.hosts import LOOPBACK
from ..ask.workloads import Workload
from .environment import ROOT

SCRIPT = "scripts/wrk/report.lua"
POST_SCRIPT = "scripts/wrk/post.lua"
WAIT_SCRIPT = "scripts/wrk/wait.lua"
THINK_SCRIPT = "scripts/wrk/think.lua"
PIPELINE_SCRIPT = "scripts/wrk/pipeline.lua"
SET_SCRIPT = "scripts/wrk/set.lua"
TIMEOUT_S = 8  # an answer later than this is dropped by wrk and voids the sample
PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "p999": 0.999}
# A percentile p is shown only with this many samples expected beyond it.
SAMPLES_BEYOND = 10
# The load generator's CPU and its connections are read this long before the end.
SAMPLE_BEFORE_END_S = 0.03


@dataclass(frozen=True)
class Load:
    """What one run of wrk measured. Latencies in microseconds, restored (see above).

    cut_off_us: how long the requests in progress near the end had been so, the mean over all
    connections. connecting_s: how long wrk only connected, of duration_s. None: not known.
    by_time_us: percentiles of the time that requests spent, not of their number: one that stands
    still for a second weighs as much as ten thousand of 0.1 ms.
    """

    duration_s: float
    requests: int
    bytes: int
    errors: Mapping[str, int]
    samples: int
    phantoms: int
    mean_us: float
    mean_square_us2: float
    max_us: float
    percentiles_us: Mapping[str, float | None]
    corrected_us: Mapping[str, float]
    by_time_us: Mapping[str, float] | None = None
    cpu_share: float = 0.0
    runnable_share: float = 0.0  # cpu_share, and the time it waited for its cores
    cpus: int = 1  # that its threads could use: one each, of those it was given
    established: int | None = None
    unanswered: int | None = None
    cut_off_us: float | None = None
    connecting_s: float | None = None

    @property
    def rps(self) -> float:
        return self.requests / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def in_progress(self) -> float:
        """Requests in progress, on average: by Little's law, of those that were answered."""
        return self.mean_us * self.samples / (self.duration_s * 1e6) if self.duration_s > 0 else 0.0


def version() -> str:
    """Raises LabError where it is not installed."""
    try:
        said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    except OSError:
        raise LabError("wrk is not installed: scripts/deps bench installs it") from None
    match = re.search(r"wrk \S+ \[\w+\]", said.stdout + said.stderr)
    return match.group(0) if match else "unknown"


def correction_interval(duration_us: int, requests: int, connections: int) -> int:
    """What wrk takes for the mean interval on a connection; 0: it leaves the table alone."""
    each = requests // connections
    return duration_us // each if each else 0


def restore(table: Mapping[int, int], interval: int) -> dict[int, int]:
    """The latency table as it was before wrk corrected it: {microseconds: count}."""
    if interval == 0:
        return dict(table)
    restored = {}
    for value, count in table.items():
        real = count - table.get(value + interval, 0) if value > interval else count
        if real > 0:
            restored[value] = real
    return restored


def phantom_count(real: Mapping[int, int], interval: int) -> int:
    """How many samples wrk's correction made up, given the real ones and its interval."""
    return sum(
        count * max(0, (value - 1) // interval - 1)
        for value, count in real.items()
        if value >= 2 * interval > 0
    )


def percentile(table: Mapping[int, int], p: float) -> float | None:
    """Nearest-rank percentile; None with fewer than SAMPLES_BEYOND samples beyond it."""
    if sum(table.values()) * (1.0 - p) < SAMPLES_BEYOND * (1.0 - 1e-9):
        return None
    return _reached(table, p)


def percentile_by_time(table: Mapping[int, int], p: float) -> float:
    """The latency such that p of all the time requests spent was spent in those of at most that.
    All of that time is known, so it takes no number of samples beyond."""
    return _reached({value: value * count for value, count in table.items()}, p)


def _reached(weights: Mapping[int, int], p: float) -> float:
    """The least latency at and below which p of the weight lies; 0 where there is none."""
    enough = p * sum(weights.values())
    seen = 0
    for value in sorted(weights):
        seen += weights[value]
        if seen >= enough:
            return float(value)
    return 0.0


def parse(output: str, connections: int) -> Load:
    """wrk's stdout to a Load. Raises LabError where the report line is missing or broken."""
    lines = [line for line in output.splitlines() if line.startswith('{"lab_wrk":1,')]
    if len(lines) != 1:
        raise LabError(f"wrk gave no report: {output.strip()[-200:] or 'it said nothing'}")
    try:
        data = json.loads(lines[0])
        duration_us, requests = int(data["duration_us"]), int(data["requests"])
        connecting_us = data.get("connecting_us")
        interval = correction_interval(duration_us, requests, connections)
        real = restore({int(value): int(count) for value, count in data["histogram"]}, interval)
        samples = sum(real.values())
        return Load(
            duration_s=duration_us / 1e6,
            requests=requests,
            bytes=int(data["bytes"]),
            errors={name: int(count) for name, count in data["errors"].items()},
            samples=samples,
            phantoms=phantom_count(real, interval),
            mean_us=sum(v * n for v, n in real.items()) / samples if samples else 0.0,
            mean_square_us2=sum(v * v * n for v, n in real.items()) / samples if samples else 0.0,
            max_us=float(max(real, default=0)),
            percentiles_us={name: percentile(real, p) for name, p in PERCENTILES.items()},
            corrected_us={name: float(value) for name, value in data["corrected"].items()},
            by_time_us={name: percentile_by_time(real, p) for name, p in PERCENTILES.items()},
            connecting_s=None if connecting_us is None else int(connecting_us) / 1e6,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"wrk's report cannot be read: {error!r}") from None


@dataclass(frozen=True)
class Command:
    """One run of wrk, on these cores, against the server at this address and port."""

    workload: Workload
    connections: int
    cpus: Sequence[int]
    duration_s: float
    port: int
    address: str = LOOPBACK

    @property
    def threads(self) -> int:
        """wrk gives each thread connections/threads and drops the rest: take a divisor."""
        return max(n for n in range(1, len(self.cpus) + 1) if self.connections % n == 0)

    @property
    def argv(self) -> list[str]:
        workload = self.workload
        script, arguments = SCRIPT, []
        if workload.post_bytes:
            script, arguments = POST_SCRIPT, ["--", str(workload.post_bytes)]
        elif workload.pipeline > 1:
            script, arguments = PIPELINE_SCRIPT, ["--", str(workload.pipeline)]
        elif workload.set_files:
            script, arguments = SET_SCRIPT, ["--", str(workload.set_files)]
        elif workload.think_ms:
            script, arguments = THINK_SCRIPT, ["--", f"{workload.think_ms:g}"]
        elif workload.wait_ms > 0:
            script = WAIT_SCRIPT
        # Without the blank wrk takes no notice of the field, and says nothing.
        close = ["-H", "Connection: close"] if workload.close else []
        return [
            "wrk",
            f"-t{self.threads}",
            f"-c{self.connections}",
            # SIGINT ends the run; this is for the case that it does not arrive.
            f"-d{math.ceil(self.duration_s) + 2}s",
            f"--timeout={TIMEOUT_S}s",
            *close,
            "-s", script,
            f"http://{self.address}:{self.port}{workload.target}",
            *arguments,
        ]  # fmt: skip

    def run(self, children: Children) -> Load:
        """Raises LabError if wrk cannot."""
        begun = time.monotonic()
        process = children.start(
            self.argv, self.cpus, ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(max(0.0, self.duration_s - SAMPLE_BEFORE_END_S))
        used = procfs.usage([process.pid])
        window_s = (time.monotonic() - begun) * self.threads
        seen = sockets.connections_to(self.port)
        time.sleep(max(0.0, begun + self.duration_s - time.monotonic()))
        stdout, stderr = _end(children, process)
        if process.returncode != 0:
            said = (stderr or stdout).decode(errors="replace").strip()
            raise LabError(f"wrk failed (exit {process.returncode}): {said[-200:]}")
        return replace(
            parse(stdout.decode(errors="replace"), self.connections),
            cpu_share=used.cpu_s / window_s,
            runnable_share=(used.cpu_s + used.run_queue_s) / window_s,
            cpus=self.threads,
            established=seen.established if seen else None,
            unanswered=seen.unanswered if seen else None,
            cut_off_us=seen.waiting_us if seen else None,
        )


def _end(children: Children, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    for _attempt in range(10):  # a SIGINT before wrk has set its handler is lost
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            output = process.communicate(timeout=2.0)
        except subprocess.TimeoutExpired:
            continue
        children.ended(process)
        return output
    children.kill(process)
    raise LabError("wrk did not end when told to")
