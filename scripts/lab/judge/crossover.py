# SPDX-License-Identifier: MIT
"""Where one model overtakes another: /mix by computing share, connections and pool size.

In each cell every model enters with the best of its pool sizes, and the best model is
compared with each other one, pair by pair within blocks. What is equal or undecided is a tie,
and all that tie with the best are named. How many workers are enough is the smallest pool
that ties with that model's best.
"""

from __future__ import annotations

from typing import Any, Sequence

from ..ask.workloads import query_values
from . import best, words
from .analysis import RPS, CellResult, Row

def share_of(result: CellResult) -> float:
    """The part of a request's service time, served alone, that is computing."""
    values = query_values(result.cell.workload.target)
    rounds = values.get("rounds", 1)
    cpu_ms = values.get("cpu", 0) / 1e3 * rounds
    wait_ms = values.get("wait", 0) * rounds
    return cpu_ms / (cpu_ms + wait_ms) if cpu_ms + wait_ms else 0.0


def enough(result: CellResult, rows: Sequence[Row], top: Row) -> Row:
    """The smallest pool that is as good as the best."""
    for row in sorted(rows, key=lambda row: row.configuration.workers):
        if not row.void and (row is top or best.ties(result.compare(row, top, RPS))):
            return row
    return top


def judge_cell(result: CellResult) -> dict[str, Any]:
    """The cell's winner, or those that tie, with every model's best and its distance."""
    rows = best.families(result)
    found = best.standing(result, rows, RPS)
    entries: dict[str, Any] = dict.fromkeys(rows)
    tied = []
    for model, top in found.bests.items() if found else ():
        ahead = found.ahead.get(model) if found else None
        if best.ties(ahead):
            tied.append(model)
        entries[model] = {
            "configuration": top.label,
            "rps": top.rps,
            "enough": enough(result, rows[model], top).label,
            "winner_ahead": {**ahead.to_json(), "text": words.ratio_text(ahead)} if ahead else None,
        }
    return {
        "workload": result.cell.workload.name,
        "cpu_share": share_of(result),
        "connections": result.cell.connections,
        "winner": found.first.configuration.model if found and len(tied) == 1 else None,
        "tied": tied if len(tied) > 1 else [],
        "models": entries,
    }


def _line(cell: dict[str, Any]) -> str:
    models = cell["models"]
    place = f"{cell['cpu_share']:4.0%} computing, {cell['connections']:4} connections: "
    if cell["winner"] is None and not cell["tied"]:
        return place + "void"
    parts = []
    if cell["winner"]:
        first = models[cell["winner"]]
        others = [
            f"{e['winner_ahead']['text']} × {e['configuration']}"
            for model, e in models.items()
            if e and e["winner_ahead"] and model != cell["winner"]
        ]
        parts.append(f"{first['configuration']} {first['rps']:,.0f}/s; {', '.join(others)}")
    else:
        names = [models[model]["configuration"] for model in cell["tied"]]
        top = max(models[model]["rps"] for model in cell["tied"])
        behind = [
            f"{top / e['rps']:.2f} × {e['configuration']}"
            for model, e in models.items()
            if e and model not in cell["tied"]
        ]
        parts.append(f"tie of {words.listed(names)} {top:,.0f}/s")
        parts += [f"ahead {', '.join(behind)}"] if behind else []
    sizes = [e["enough"] for e in models.values() if e and "(" in e["enough"]]
    if sizes:
        parts.append(f"enough: {', '.join(sizes)}")
    return place + "; ".join(parts)


def draw(results: Sequence[CellResult]) -> tuple[dict[str, Any], list[str]]:
    cells = [judge_cell(result) for result in results]
    cells.sort(key=lambda cell: (cell["cpu_share"], cell["connections"]))
    text = ["Which model wins where (each with the best of its pool sizes):", ""]
    return {"crossover": cells}, text + [_line(cell) for cell in cells]
