# SPDX-License-Identifier: MIT
"""Where one model overtakes another: /mix by computing share, connections and pool size.

In each cell every model enters with the best of its pool sizes, and all that are equal to the best
one, or not known to be behind it, tie. How many workers are enough is the smallest pool of which
the same holds beside its model's best. Too few blocks decide neither.
"""

from __future__ import annotations

from typing import Any, Sequence

from ..ask.workloads import query_values
from . import best, stats, verdict, words
from .analysis import CellResult, Row


def share_of(result: CellResult) -> float:
    """The part of a request's service time, served alone, that is computing."""
    values = query_values(result.cell.workload.target)
    rounds = values.get("rounds", 1)
    cpu_ms = values.get("cpu", 0) / 1e3 * rounds
    wait_ms = values.get("wait", 0) * rounds
    return cpu_ms / (cpu_ms + wait_ms) if cpu_ms + wait_ms else 0.0


def enough(result: CellResult, name: str, top: Row) -> str:
    """The smallest pool that is as good as the best; NONE where too few blocks say so."""
    for row in sorted(best.contenders(result)[name], key=lambda row: row.configuration.workers):
        found = result.compare(row, top, best.figure(result))
        if found and found.n < stats.ENOUGH:
            return words.NONE
        if row is top or (found and not found.decided):
            return row.label
    return top.label


def judge_cell(result: CellResult) -> dict[str, Any]:
    """The cell's winner, or those that tie, neither where blocks are too few; with every model's best and
    its distance."""
    models: dict[str, Any] = dict.fromkeys(best.contenders(result))
    found = best.standing(result)
    level = found.level if found else ()
    for name, top in found.bests.items() if found else ():
        ahead = found.ahead.get(name) if found else None
        models[name] = {
            "configuration": top.label,
            "rps": top.rps,
            "enough": enough(result, name, top),
            "winner_ahead": ahead.to_json() if ahead else None,
        }
    return {
        "workload": result.cell.workload.name,
        "cpu_share": share_of(result),
        "connections": result.cell.connections,
        "winner": level[0] if len(level) == 1 else None,
        "tied": level if len(level) > 1 else [],
        "models": models,
    }


def _line(result: CellResult) -> str:
    place = f"{share_of(result):4.0%} computing, {result.cell.connections:4} connections: "
    found = best.standing(result)
    if found is None:
        return place + "void"
    parts = [f"{found.first.label} {found.first.rps:,.0f}/s", *verdict.ratios(result, found)]
    sizes = [enough(result, name, top) for name, top in found.bests.items() if top.configuration.pooled]
    parts += [f"enough: {', '.join(sizes)}"] if sizes else []
    return place + "; ".join(parts)


def draw(results: Sequence[CellResult]) -> tuple[dict[str, Any], list[str]]:
    ordered = sorted(results, key=lambda result: (share_of(result), result.cell.connections))
    text = ["Which model wins where (each with the best of its pool sizes):", ""]
    return {"crossover": [judge_cell(each) for each in ordered]}, text + [_line(each) for each in ordered]
