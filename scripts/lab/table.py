# SPDX-License-Identifier: MIT
"""Results as text for a terminal and as Markdown; the same cells in both."""

from __future__ import annotations

import re
import textwrap
from typing import Sequence

from . import analysis, stats, verdict
from .analysis import CellResult, Row
from .plan import Plan

COLUMNS = (
    "configuration", "req/s", "CPU µs", "p50", "p99", "switches",
    "memory", "/worker", "ceiling", "limited by",
)  # fmt: skip
WIDTH = 110
# Left out of a terminal too narrow, in this order; table.md always has them.
OPTIONAL = ("memory", "switches", "/worker", "p99")
VOID_MARK = "!"
SHARED_MARK = "*"

LEGEND = (
    ("CPU µs", "server CPU time per request, all workers and threads summed"),
    ("p50, p99", "latency; a percentile needs 10 samples beyond it, else –"),
    ("switches", "context switches per request, voluntary and not"),
    ("memory", "PSS of all server processes"),
    ("/worker", "memory without the master's, by workers; a loop's includes its coroutines"),
    ("ceiling", "share reached of what cores, pool size or connections allow at best"),
    ("limited by", "what was used up; wrk: the load generator, so req/s says little of the server"),
)


def duration_text(us: float | None) -> str:
    if us is None:
        return "–"
    if us >= 1e6:
        return f"{us / 1e6:.3g} s"
    return f"{us / 1e3:.3g} ms" if us >= 1e3 else f"{us:.0f} µs"


def bytes_text(count: float) -> str:
    if count >= 1 << 20:
        return f"{count / (1 << 20):.1f} MB"
    return f"{count / 1024:.0f} KB"


def mark(row: Row) -> str:
    if row.void:
        return VOID_MARK
    return analysis.DISTURBED_MARK if row.disturbed else ""


def row_cells(row: Row) -> list[str]:
    name = row.label + (SHARED_MARK if row.configuration.shares_cores else "")
    if not any(sample.load for sample in row.samples):
        return [name, "void", *["–"] * (len(COLUMNS) - 2)]
    known = row.share is not None and not row.configuration.floor
    share = verdict.percent(row.share or 0.0) if known else "–"
    return [
        name,
        mark(row) + f"{row.rps:,.0f}",
        f"{row.cpu_us:,.1f}",
        duration_text(row.percentiles_us["p50"]),
        duration_text(row.percentiles_us["p99"]),
        f"{row.switches:.2f}",
        bytes_text(row.memory_bytes),
        bytes_text(row.memory_per_worker_bytes),
        share,
        "void" if row.void else row.limiter or "–",
    ]


def noise_floor(results: Sequence[CellResult], cpu: bool) -> float:
    """How far the A/A pair got from 1 in any block."""
    metric = analysis.cpu_us if cpu else analysis.rps
    distances = [0.0]
    for result in results:
        found = analysis.aa_pair(result, metric)
        if found:
            distances += [abs(found[1].low - 1.0), abs(found[1].high - 1.0)]
    return max(distances)


def sentences(results: Sequence[CellResult]) -> list[str]:
    return [
        verdict.sentence(result, noise_floor(results, verdict.by_cpu(result)))
        for result in results
    ]


def footnotes(result: CellResult) -> list[str]:
    """What a reader must know of this cell before believing it."""
    notes = []
    shared = [row for row in result.rows if row.configuration.shares_cores]
    if shared:
        cores = shared[0].configuration.server_cpus
        rest = "" if len(shared) == len(result.rows) else "; the others have cores of their own"
        notes.append(
            f"{SHARED_MARK} {verdict.listed([*(row.label for row in shared), 'wrk'])} share "
            f"{'core' if len(cores) == 1 else 'cores'} {cores_text(cores)}{rest}"
        )
    for row in result.rows:
        if not row.void_reasons:
            continue
        bad = len(row.samples) - len(row.valid)
        reasons = "; ".join(row.void_reasons)
        state = "void" if row.void else f"{bad} of {len(row.samples)} blocks left out"
        notes.append(f"{VOID_MARK} {row.label}: {state}: {reasons}")
    return notes + list(result.notes)


def common_lines(plan: Plan, results: Sequence[CellResult]) -> list[str]:
    """What holds for the whole run: blocks, interval, noise, phantoms."""
    lines = [interval_line(plan.blocks)]
    for result in results:
        for name, metric in (("CPU/request", analysis.cpu_us), ("requests/s", analysis.rps)):
            found = analysis.aa_pair(result, metric)
            if found:
                once, value = found
                lines.append(
                    f"noise: {once.label} against itself ({result.cell.workload.name}, "
                    f"{name}): {verdict.ratio_text(value)}"
                )
    phantoms = sum(row.phantoms for result in results for row in result.rows)
    if phantoms:
        lines.append(
            f"wrk back-filled {phantoms:,} latency samples that were never measured; "
            "they are taken out again here"
        )
    return lines


def interval_line(blocks: int) -> str:
    if blocks == 1:
        return "1 block: every ratio is a single one; how sure it is cannot be told"
    if blocks < stats.ENOUGH_BLOCKS:
        sure = stats.range_confidence(blocks)
        return (
            f"{blocks} blocks: brackets are the smallest and "
            "largest ratio within a block "
            f"(they hold the true median {verdict.percent(sure)} of the time); "
            f"{stats.ENOUGH_BLOCKS} blocks or more give a 95 % interval"
        )
    return f"{blocks} blocks: brackets are 95 % bootstrap intervals of the median ratio"


def cores_text(cpus: Sequence[int]) -> str:
    return verdict.listed([str(cpu) for cpu in cpus])


def heading(result: CellResult) -> str:
    workload = result.cell.workload
    return (
        f"{workload.name}: GET {workload.target}, {result.cell.connections} connections "
        f"({workload.shape})"
    )


def render_text(plan: Plan, results: Sequence[CellResult], width: int = WIDTH) -> str:
    """The whole report for a terminal of width columns."""
    out: list[str] = []
    for result in results:
        out += [*_wrap(heading(result), "  ", width), ""]
        out += _fitted([list(COLUMNS), *[row_cells(row) for row in result.rows]], width)
        out.append("")
        for note in footnotes(result):
            out += _wrap(note, "  ", width)
        out += [""] if out[-1] else []
    for name, meaning in LEGEND:
        out += _wrap(f"{name}: {meaning}", "  ", width)
    for line in common_lines(plan, results):
        out += _wrap(line, "  ", width)
    out += ["", "In short:"]
    for line in sentences(results):
        out += ["", *_wrap(line, "    ", width)]
    return "\n".join(out) + "\n"


def _wrap(text: str, indent: str, width: int) -> list[str]:
    kept = re.sub(r"(?<=\d) (?=%|ms|µs|×)", "\u00a0", text)  # a figure stays with its unit
    lines = textwrap.wrap(
        kept, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ") for line in lines]


def _fitted(rows: list[list[str]], width: int) -> list[str]:
    """Aligned, with optional columns left out until it fits, if it can be made to."""
    lines = _aligned(rows)
    for name in OPTIONAL:
        if max(map(len, lines)) <= width:
            break
        index = rows[0].index(name)
        rows = [row[:index] + row[index + 1 :] for row in rows]
        lines = _aligned(rows)
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns padded; names and reasons to the left, figures to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return lines


def render_markdown(plan: Plan, results: Sequence[CellResult], title: str, how: str) -> str:
    said = sentences(results)
    out = [f"# {title}", "", how, ""]
    for result, line in zip(results, said):
        out += [f"## {heading(result)}", ""]
        out.append("| " + " | ".join(COLUMNS) + " |")
        alignment = ["---" if i in (0, len(COLUMNS) - 1) else "---:" for i in range(len(COLUMNS))]
        out.append("| " + " | ".join(alignment) + " |")
        for row in result.rows:
            out.append("| " + " | ".join(_escape(cell) for cell in row_cells(row)) + " |")
        out += ["", f"**{_escape(line)}**", ""]
        out += [f"- {_escape(note)}" for note in footnotes(result)]
        out.append("")
    out += ["## Reading the tables", ""]
    out += [f"- {_escape(line)}" for line in common_lines(plan, results)]
    out += [f"- {name}: {meaning}" for name, meaning in LEGEND]
    return "\n".join(out).replace("\n\n\n", "\n\n") + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
