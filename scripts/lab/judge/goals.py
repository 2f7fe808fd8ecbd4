# SPDX-License-Identifier: MIT
"""The speed goals, judged against the floor server and other servers of the same run.

Every figure is a ratio within a block, so that the machine's mood cancels out; a goal whose
rows cannot be believed, or whose server is not installed, is VOID and says why.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Sequence

from ..machine.quiet import QUIET_CORES
from ..measure.sample import Sample
from . import analysis, ceilings
from .analysis import CellResult, Metric, Row
from .judging import Line, judge, paired, percent

MODELS = ("prefork(64)", "threads(64)", "coro")
APACHE = {
    "prefork(64)": ("apache-prefork(64)",),
    "threads(64)": ("apache-worker(64)", "apache-event(64)"),
}
IDLE_BYTES = 512
ELSEWHERE = (
    "a coroutine's switch and a generator's round trip: scripts/bench-coro, next in make bench-floor",
    "100,000 idle connections on six loops: scripts/idle-connections, last in make bench-floor",
)
NGINX_IDLE_BYTES = 17 << 20  # what nginx took when the goal was set


class _Judge:
    def __init__(self, results: Sequence[CellResult]) -> None:
        self._cells = {(r.cell.workload.name, r.cell.connections): r for r in results}
        self.lines: list[Line] = []

    def row(self, workload: str, connections: int, label: str) -> Row | None:
        cell = self._cells.get((workload, connections))
        return cell.row(label) if cell else None

    def ratio(
        self, workload: str, connections: int, ours: str, other: str, metric: Metric,
        goal: float, at_least: bool,
    ) -> None:  # fmt: skip
        if (workload, connections) not in self._cells:
            return
        first = self.row(workload, connections, ours)
        second = self.row(workload, connections, other)
        what = "CPU per request" if metric is analysis.cpu_us else "requests/s"
        text = f"{connections} connections: {what}, {ours} ÷ {other}"
        if second is None:
            self.lines.append(Line(None, workload, f"{text}: {other} did not run"))
            return
        if metric is analysis.rps:  # CPU per request bears company, throughput does not
            first, second = _alone(first), _alone(second)
        values = paired(first, second, metric)
        line = judge(workload, text, values, goal, at_least)
        if not values:
            line = dataclasses.replace(line, text=line.text + _why(first, second))
        self.lines.append(line)

    def share(self, workload: str, connections: int, label: str, goal: float) -> None:
        """Of the ceiling of waiting, as far as each window can show it."""
        row = self.row(workload, connections, label)
        if row is None or not row.ceiling.rps:
            return
        ceiling = row.configuration.contexts(connections) / 0.020
        text = f"{connections} connections: {label} of {ceiling:,.0f}/s"
        row = _alone(row) or row
        values = [
            sample.rps
            / ceiling
            / ceilings.in_window(20, sample.load.duration_s, sample.load.connecting_s)
            for sample in _counting(row)
            if sample.load
        ]
        line = judge(workload, text, values, goal, True, percent)
        if line.passed is False and label == "coro" and row.server_cores >= 0.95:
            line = dataclasses.replace(
                line, passed=True, text=f"{line.text}; its core is full ({row.server_cores:.0%})"
            )
        self.lines.append(line)


def _alone(row: Row | None) -> Row | None:
    """The row without the blocks in which other programs worked on its cores. One that is void
    stays so, whatever is left of it."""
    if row is None or row.void:
        return row
    quiet = tuple(s for s in row.samples if s.others_cores < QUIET_CORES)
    company = () if len(quiet) == len(row.samples) else ("other programs used its cores",)
    return dataclasses.replace(
        row, samples=quiet, void_reasons=(*row.void_reasons, *company)
    )


def _counting(row: Row) -> Sequence[Sample]:
    return () if row.void else row.valid


def _why(*rows: Row | None) -> str:
    reasons = [f"{row.label}: {row.void_reasons[0]}" for row in rows if row and row.void_reasons]
    return f" ({'; '.join(reasons)})" if reasons else ""


def lines(results: Sequence[CellResult]) -> list[Line]:
    found = _Judge(results)
    cpu, rps = analysis.cpu_us, analysis.rps
    found.ratio("hello", 64, "coro", "floor", cpu, 1.05, False)
    found.ratio("hello", 64, "coro", "nginx", cpu, 1.0, False)
    for model in ("prefork(4)", "threads(4)"):
        found.ratio("hello", 64, model, "floor", cpu, 1.25, False)
    for connections in (64, 256):
        for model, others in APACHE.items():
            found.ratio("hello", connections, model, "floor", cpu, 1.5, False)
            _served(found, connections, model)
            for other in others:
                found.ratio("hello", connections, model, other, rps, 6.0, True)
    for model in MODELS:
        found.ratio("pipeline", 64, model, "nginx", rps, 8.0, True)
        found.ratio("pipeline", 64, model, "floor", rps, 0.7, True)
    for model in MODELS:
        found.ratio("close", 64, model, "nginx", cpu, 1.0, False)
    for model in MODELS:
        found.ratio("files-1m", 16, model, "nginx", cpu, 1.1, False)
    _idle(found)
    for model in MODELS:
        found.share("sleep", 256, model, 0.97)
    found.lines += _cores(results)
    return found.lines


def _served(found: _Judge, connections: int, model: str) -> None:
    row = found.row("hello", connections, model)
    if row is None:
        return
    starved = [reason for reason in row.void_reasons if "never got an answer" in reason]
    known = [s for s in _counting(row) if s.load and s.load.unanswered is not None]
    text = f"{connections} connections: {model} serves every one"
    if starved:
        line = Line(False, "hello", f"{text}: {starved[0]}")
    elif known:
        line = Line(True, "hello", f"{text}: so in {len(known)} blocks")
    else:
        line = Line(None, "hello", f"{text}: no block can be believed{_why(row)}")
    found.lines.append(line)


def _idle(found: _Judge) -> None:
    rows = {label: found.row("idle", 4, label) for label in (*MODELS, "nginx")}
    for label in MODELS:
        row = rows[label]
        if row is None:
            continue
        text = f"{row.extras.get('parked_asked', 0):,.0f} idle connections: bytes each, {label}"
        values = [s.extras["bytes_a_connection"] for s in _counting(row)]
        found.lines.append(judge("idle", text, values, IDLE_BYTES, False, _bytes))
    ours, nginx = rows["coro"], rows["nginx"]
    if ours is not None:
        measured = [s.extras["memory_total_bytes"] for s in _counting(nginx)] if nginx else []
        goal = min(measured) if measured else NGINX_IDLE_BYTES
        values = [s.extras["memory_total_bytes"] for s in _counting(ours)]
        whose = "nginx's here" if measured else "nginx's elsewhere"
        text = f"total PSS, coro, below {whose}"
        found.lines.append(judge("idle", text, values, goal, False, _bytes))


def _bytes(value: float) -> str:
    return f"{value / (1 << 20):.1f} MB" if value >= 1 << 20 else f"{value:.0f}"


def _cores(results: Sequence[CellResult]) -> list[Line]:
    """Two loops against one: only where there are two cores for them."""
    made = []
    for result in results:
        one = result.row("coro")
        for row in result.models if result.cell.workload.name == "cpu" else []:
            workers = row.configuration.workers
            if row.configuration.model == "coro" and workers > 1:
                text = f"/cpu on {workers} cores shared with wrk: {row.label} ÷ coro, requests/s"
                values = paired(row, one, analysis.rps)
                made.append(judge("cpu", text, values, 0.95 * workers, True))
    return made


def multiples(results: Sequence[CellResult]) -> list[str]:
    """Each configuration's CPU time per request and throughput, as multiples of the floor's
    and of nginx's: a line each."""
    out = []
    for result in results:
        references = [row for row in (result.floor, result.row("nginx")) if row and not row.void]
        for row in result.rows if references else []:
            parts = [f"{row.cpu_us:.2f} µs", f"{row.rps:,.0f}/s"]
            for other in references:
                if other is row:
                    continue
                for metric, what in ((analysis.cpu_us, "CPU"), (analysis.rps, "req/s")):
                    found = analysis.ratio(row, other, metric)
                    if found:
                        parts.append(f"{what} {found.median:.2f} [{found.low:.2f}, "
                                     f"{found.high:.2f}] × {other.label}")  # fmt: skip
            state = "void" if row.void else "; ".join(parts)
            out.append(f"{result.cell.name}: {row.label}: {state}")
    return out


def draw(results: Sequence[CellResult]) -> tuple[dict[str, Any], list[str]]:
    judged = lines(results)
    states = {True: "PASS", False: "FAIL", None: "VOID"}
    counts = [sum(line.passed is state for line in judged) for state in states]
    data = {
        "goals": [
            {"state": states[line.passed], "workload": line.criterion, "text": line.text}
            for line in judged
        ]
    }
    compared = multiples(results)
    text = ["Multiples of the floor and of nginx:", "", *compared, "", "Goals:", ""]
    text += [str(line) for line in judged]
    text += [f"elsewhere: {line}" for line in ELSEWHERE]
    text.append(f"{counts[0]} passed, {counts[1]} failed, {counts[2]} void")
    return data, text
