# SPDX-License-Identifier: MIT
"""May a sample be believed? Each gate that fails voids it, and says why in a few words.

Little's law: a closed load of C connections keeps C requests in progress, so throughput
times mean latency is C, unless answers were lost or samples dropped. Two corrections make
the law hold for a short run of a real load generator, and one allowance:

* the C requests cut off at the end were in progress too. How long they had been so the kernel
  tells, a moment before the end. Where it cannot, their mean age would by renewal theory be
  E[L^2] / 2 E[L]. Either can be far too much: the one where late answers come just then, the
  other where a few came late at the beginning. So only the lower bound is checked with it. The
  upper is exact without: what was answered alone can never account for more than there is.
* between an answer and the next request a connection waits for wrk itself, but while wrk sleeps
  all of them are in progress. So for a busy wrk (running, or waiting for its core, for BUSY_WRK
  of the time) the lower bound is less by just that time. Connections that starve are still found
  by the kernel's count of bytes received on each.
* wrk's duration includes a time in which it only connects, longer with more connections: where
  it was not measured, so much is allowed for it.
* where each request has a connection of its own, connecting is in no latency: again only the
  upper bound is checked. So it is where a connection had fewer than TURNS answers: what is cut
  off at the end is then more of the sum than the tolerance, and where users think. With
  pipelining a batch is in progress as one.

Under an open load nothing keeps requests in progress: there the generator says itself when it cannot
be believed, and what it could not offer.

Requests lost to a killed worker or a draining server are what those workloads measure, and
close no gate there; a load that was not under way before does.
"""

from __future__ import annotations

from ..ask.plan import Configuration
from ..ask.workloads import Workload
from ..measure.load import IN_LATENCIES
from ..measure.sample import Sample
from ..measure.wrk import Load
from . import ceilings

LITTLE_TOLERANCE = 0.05
TURNS = 10
ANSWERED_TOLERANCE = 0.02  # wrk's threads may begin a little before its clock does
CONNECTING_S = 0.02
CONNECTING_EACH_S = 50e-6
BUSY_WRK = 0.25
NOT_OFFERED = "no request was offered"
EACH_ITS_OWN = 0.95  # of the requests had a connection made for them
_ERROR_NAMES = {"status": "statuses over 399", "timeout": "answers later than wrk waits"}


def answered_share(load: Load, connections: int, pipeline: int = 1) -> float:
    """Throughput times mean latency, as a share of the connections: never above 1."""
    return load.rps / pipeline * load.mean_us / 1e6 / connections


def little_share(load: Load, connections: int, pipeline: int = 1) -> float:
    """Requests in progress by Little's law, as a share of the connections; 1 is perfect."""
    if load.duration_s <= 0 or load.mean_us <= 0:
        return 0.0
    age_us = load.cut_off_us
    if age_us is None:
        age_us = load.mean_square_us2 / (2 * load.mean_us)
    return answered_share(load, connections, pipeline) + age_us / 1e6 / load.duration_s


def check(sample: Sample, workload: Workload, configuration: Configuration) -> list[str]:
    """The gates that fail, in words; empty for a sample that may be believed."""
    failed = [sample.answer_problem] if sample.answer_problem else []
    if failed and not sample.seen:
        return failed
    if configuration.offered:
        return failed + _offered(sample)
    if workload.kind.counted:
        failed += _counted(sample)
    elif sample.load is None or sample.load.requests == 0:
        starved = sample.load.unanswered if sample.load else 0
        said = f": {starved} connections never got an answer" if starved else ""
        return failed or [f"no request was answered{said}"]
    else:
        failed += _errors(sample.load, sample, workload, configuration)
        failed += _arithmetic(sample.load, sample, workload, configuration)
    if sample.pids_changed:
        failed.append("the server's worker processes changed")
    if sample.exit_status != 0 and not configuration.peer:
        status = sample.exit_status
        how = "had to be killed" if status is None else f"exited with {status}"
        failed.append(f"the server {how} at SIGTERM")
    return failed


def _offered(sample: Sample) -> list[str]:
    """Of an open load: overload is no fault of a sample, but what is to be seen."""
    load = sample.open
    if load is None or load.requests == 0:
        return [NOT_OFFERED]
    kinds = [f"{n} {kind} errors" for kind, n in load.errors.items() if n and kind not in IN_LATENCIES]
    refused = sum(n for status, n in load.statuses.items() if int(status) >= 400)
    return [*load.void, *kinds, *([f"{refused} {_ERROR_NAMES['status']}"] if refused else [])]


def _counted(sample: Sample) -> list[str]:
    extras = sample.extras
    failed = []
    if not extras.get("answered_before"):
        failed.append("no request was answered before the fault")
    if extras.get("errors"):
        failed.append(f"{extras['errors']:.0f} {_ERROR_NAMES['status']}")
    if extras.get("still_cut"):
        failed.append(f"{extras['still_cut']:.0f} connections were never served again")
    return failed


def _errors(
    load: Load, sample: Sample, workload: Workload, configuration: Configuration
) -> list[str]:
    failed = []
    for kind, count in load.errors.items():
        if count:
            failed.append(f"{count} {_ERROR_NAMES.get(kind, kind + ' errors')}")
    if not (workload.close or configuration.closes):  # else connections come and go
        if load.unanswered:
            failed.append(f"{load.unanswered} connections never got an answer")
        if load.established is not None and load.established < sample.connections:
            stood = f"{load.established} of {sample.connections}"
            failed.append(f"only {stood} connections stood at the end")
    if workload.close and sample.connections_made < EACH_ITS_OWN * load.requests:
        made = f"{sample.connections_made} connections for {load.requests} requests"
        failed.append(f"only {made}: connections were kept")
    asked, answered = sample.extras.get("parked_asked", 0), sample.extras.get("parked_answered", 0)
    if answered < asked:
        failed.append(f"only {answered:.0f} of {asked:.0f} parked connections were answered")
    return failed


def _arithmetic(
    load: Load, sample: Sample, workload: Workload, configuration: Configuration
) -> list[str]:
    failed = []
    share = little_share(load, sample.connections, workload.pipeline)
    answered = answered_share(load, sample.connections, workload.pipeline)
    connecting_s = load.connecting_s
    if connecting_s is None:
        connecting_s = CONNECTING_S + CONNECTING_EACH_S * sample.connections
    lowest = 1 - LITTLE_TOLERANCE - connecting_s / load.duration_s
    lasting = not (workload.close or configuration.closes or workload.think_ms)
    lasting &= load.samples >= TURNS * sample.connections
    if load.runnable_share >= BUSY_WRK:
        lowest -= load.runnable_share
    too_little = share < lowest and not configuration.shares_cores and lasting
    too_much = answered > 1 + ANSWERED_TOLERANCE
    if too_much or too_little:
        wrong = answered if too_much else share
        accounted = f"{wrong * 100:.0f} % of the connections"
        failed.append(f"Little's law: throughput × latency accounts for {accounted}")
    for ceiling in ceilings.of_waits(workload, sample.connections, configuration):
        if ceiling.rps and load.rps > ceilings.EXCEEDED * ceiling.rps:
            failed.append(f"{load.rps:,.0f}/s is more than waiting allows ({ceiling.rps:,.0f}/s)")
    return failed
