# SPDX-License-Identifier: MIT
"""The rows of a run as comma-separated values: plain numbers, one unit a column."""

from __future__ import annotations

import csv
import io
from typing import Sequence

from ..judge.analysis import CellResult, Row

COLUMNS = (
    "workload", "connections", "configuration", "void", "blocks", "rps", "cpu_us", "queued_us",
    "p50_us", "p90_us", "p99_us", "p999_us", "max_us", "switches", "syscalls", "memory_bytes",
    "memory_per_worker_bytes", "ceiling_rps", "share", "limiter", "void_reasons", "extras",
)  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _row(result: CellResult, row: Row) -> list[str]:
    calls = row.syscalls.a_request if row.syscalls else None
    extras = " ".join(f"{name}={value:.6g}" for name, value in row.extras.items())
    percentiles = [_number(row.percentiles_us[name]) for name in ("p50", "p90", "p99", "p999")]
    return [
        result.cell.workload.name, str(result.cell.connections), row.label,
        "yes" if row.void else "no", f"{len(row.valid)}/{len(row.samples)}", _number(row.rps),
        _number(row.cpu_us), _number(row.queued_us), *percentiles, _number(row.max_us),
        _number(row.switches), _number(calls), _number(row.memory_bytes),
        _number(row.memory_per_worker_bytes), _number(row.ceiling.rps), _number(row.share),
        row.limiter, "; ".join(row.void_reasons), extras,
    ]  # fmt: skip


def render(results: Sequence[CellResult]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in results:
        writer.writerows(_row(result, row) for row in result.rows)
    return out.getvalue()
