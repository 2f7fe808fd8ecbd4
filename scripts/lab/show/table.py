# SPDX-License-Identifier: MIT
"""Results as text for a terminal and as Markdown, the same cells in both; and as CSV."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from typing import Sequence

from ..machine import priority
from ..ask.plan import Cores, Plan
from ..measure.wrk import PERCENTILES
from ..judge import analysis, stats, verdict, words
from ..judge.analysis import CellResult, Row
from . import columns
from .columns import SHARED_MARK, VOID_MARK, Column, row_cells

WIDTH = 110
NAME = "configuration"


def footnotes(result: CellResult) -> list[str]:
    """What a reader must know of this cell before believing it."""
    notes = []
    shared = [row for row in result.rows if row.configuration.shares_cores]
    if shared:
        cores = shared[0].configuration.server_cpus
        rest = "" if len(shared) == len(result.rows) else "; the others have cores of their own"
        notes.append(
            f"{SHARED_MARK} {words.listed([*(row.label for row in shared), 'wrk'])} share "
            f"{'core' if len(cores) == 1 else 'cores'} {cores_text(cores)}{rest}"
        )
    for row in result.rows:
        if not row.void_reasons:
            continue
        bad = len(row.samples) - len(row.valid)
        reasons = "; ".join(row.void_reasons)
        state = "void" if row.void else f"{bad} of {len(row.samples)} blocks left out"
        notes.append(f"{VOID_MARK} {row.label}: {state}: {reasons}")
    return notes + verdict.notes(result)


def common_lines(plan: Plan, results: Sequence[CellResult]) -> list[str]:
    """What holds for the whole run: blocks, interval, noise, phantoms."""
    lines = [interval_line(blocks_begun(plan, results))]
    more = [f"{cell.name}: {n}" for cell in plan.cells if (n := plan.blocks_of(cell)) > plan.blocks]
    if more:
        wide = f"ratios were wider than ±{plan.precision * 100:g} %"
        lines.append(f"more blocks, within {plan.budget_s:g} s, where {wide}: {'; '.join(more)}")
    if plan.nice != priority.NORMAL:
        ahead = ", so other programs got what they left idle" if plan.nice < 0 else ""
        asks = any(result.cell.workload.database for result in results)
        apart = "; databases, and what asks them, at 0" if asks else ""
        lines.append(f"servers and wrk ran at nice {plan.nice}{ahead}{apart}")
    for result in results:
        for figure in (analysis.CPU, analysis.RPS):
            found = result.aa_pair(figure)
            if found:
                lines.append(
                    f"noise: {found.second} against itself ({result.cell.workload.name}, "
                    f"{figure.name}): {words.ratio_text(found)}{words.sureness(found)}"
                )
    phantoms = sum(row.phantoms for result in results for row in result.rows)
    if phantoms:
        lines.append(
            f"wrk back-filled {phantoms:,} latency samples that were never measured; "
            "they are taken out again here"
        )
    return lines


def blocks_begun(plan: Plan, results: Sequence[CellResult]) -> int:
    """Those of the plan; of a run cut short as many as it began."""
    begun = (len(row.samples) for result in results for row in result.rows)
    return min(plan.blocks, max(begun, default=plan.blocks))


def interval_line(blocks: int) -> str:
    if blocks < stats.ENOUGH:
        return (
            f"{blocks} block{'s'[: blocks - 1]}: no ratio has an interval, and none is decided; "
            f"it takes {stats.ENOUGH}"
        )
    return (
        f"n = {blocks} blocks, less those left out: brackets are 95 % intervals of ratios within blocks "
        "(Student's t on logarithms), each by itself: of 20 pairs of equals one may look different"
    )


def where(cores: Cores) -> str:
    far = " of another machine" if cores.two_machines else ""
    return f"server on core {cores_text(cores.server)}, wrk on core {cores_text(cores.load)}{far}"


def cores_text(cpus: Sequence[int]) -> str:
    return words.listed([str(cpu) for cpu in cpus])


def heading(result: CellResult) -> str:
    workload = result.cell.workload
    return (
        f"{workload.name}: {workload.method} {workload.target}, "
        f"{result.cell.connections} connections "
        f"({workload.shape})"
    )


def render_text(
    plan: Plan,
    results: Sequence[CellResult],
    width: int = WIDTH,
    conclusions: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """The whole report for a terminal of width columns. conclusions: what a preset is for."""
    out: list[str] = []
    for result in results:
        out += [*wrap(heading(result), "  ", width), ""]
        chosen = columns.columns(result)
        out += _fitted(_rows(result, chosen), chosen, width)
        out.append("")
        for note in footnotes(result):
            out += wrap(note, "  ", width)
        out += [""] if out[-1] else []
    for column in legend(results):
        out += wrap(f"{column.name}: {column.meaning}", "  ", width)
    for line in [*common_lines(plan, results), *notes]:
        out += wrap(line, "  ", width)
    out += ["", "In short:"]
    for result in results:
        out += ["", *wrap(verdict.sentence(result), "    ", width)]
    out += ["", *conclusions] if conclusions else []
    return "\n".join(out) + "\n"


def wrap(text: str, indent: str, width: int) -> list[str]:
    kept = re.sub(r"(?<=\d) (?=%|ms|µs|×)", "\u00a0", text)  # a figure stays with its unit
    lines = textwrap.wrap(
        kept, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ") for line in lines]


def legend(results: Sequence[CellResult]) -> list[Column]:
    """Every column in use, once."""
    found = {(c.name, c.meaning): c for result in results for c in columns.columns(result)}
    return list(found.values())


def _rows(result: CellResult, chosen: tuple[Column, ...]) -> list[list[str]]:
    head = [NAME, *(column.name for column in chosen)]
    return [head, *(row_cells(row, chosen) for row in result.rows)]


def _fitted(rows: list[list[str]], chosen: tuple[Column, ...], width: int) -> list[str]:
    """Aligned, with optional columns left out until it fits, if it can be made to."""
    lines = aligned(rows)
    for column in sorted(chosen, key=lambda c: -c.optional):
        if max(map(len, lines)) <= width or not column.optional:
            break
        index = rows[0].index(column.name)
        rows = [row[:index] + row[index + 1 :] for row in rows]
        lines = aligned(rows)
    return lines


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
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


def render_markdown(
    plan: Plan,
    results: Sequence[CellResult],
    title: str,
    how: str,
    conclusions: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    out = [f"# {title}", "", how, ""]
    if conclusions:
        out += ["```text", *conclusions, "```", ""]
    for result in results:
        out += [f"## {heading(result)}", ""]
        head, *rows = _rows(result, columns.columns(result))
        alignment = ["---" if i in (0, len(head) - 1) else "---:" for i in range(len(head))]
        out += ["| " + " | ".join(head) + " |", "| " + " | ".join(alignment) + " |"]
        out += ["| " + " | ".join(_escape(cell) for cell in row) + " |" for row in rows]
        out += ["", f"**{_escape(verdict.sentence(result))}**", ""]
        out += [f"- {_escape(note)}" for note in footnotes(result)]
        out.append("")
    out += ["## Reading the tables", ""]
    out += [f"- {_escape(line)}" for line in [*common_lines(plan, results), *notes]]
    out += [f"- {column.name}: {column.meaning}" for column in legend(results)]
    return "\n".join(out).replace("\n\n\n", "\n\n") + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


CSV_COLUMNS = (
    "workload", "connections", "configuration", "void", "blocks", "rps", "cpu_us", "queued_us",
    "queue", "p50_us", "p90_us", "p99_us", "p999_us", "max_us", "p50_by_time_us",
    "p90_by_time_us", "p99_by_time_us", "p999_by_time_us", "switches", "syscalls", "memory_bytes",
    "memory_per_worker_bytes", "ceiling_rps", "share", "limiter", "void_reasons", "extras",
)  # fmt: skip


def _csv_row(result: CellResult, row: Row) -> list[str | float | None]:
    return [
        result.cell.workload.name, result.cell.connections, row.label, "yes" if row.void else "no",
        f"{len(row.valid)}/{len(row.samples)}", row.rps, row.cpu_us, row.queued_us, row.run_queue,
        *(row.percentiles_us[name] for name in PERCENTILES), row.max_us,
        *(row.by_time_us.get(name) for name in PERCENTILES), row.switches,
        row.syscalls.a_request if row.syscalls else None, row.memory_bytes,
        row.memory_per_worker_bytes, row.ceiling.rps, row.share, row.limiter, "; ".join(row.void_reasons),
        " ".join(f"{name}={value:.6g}" for name, value in row.extras.items()),
    ]  # fmt: skip


def render_csv(results: Sequence[CellResult]) -> str:
    """For other programs: plain numbers, one unit a column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for result in results:
        for row in result.rows:
            values = _csv_row(result, row)
            writer.writerow([f"{v:.6g}" if isinstance(v, (int, float)) else v for v in values])
    return out.getvalue()
