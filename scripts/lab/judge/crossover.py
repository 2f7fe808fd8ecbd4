# SPDX-License-Identifier: MIT
"""Where one model overtakes another: /mix by computing share, connections and pool size.

In each cell every model enters with the best of its pool sizes, and the best model is
compared with each other one, pair by pair within blocks. What cannot be told apart is a tie,
and all that tie with the best are named. How many workers are enough is the smallest pool
that ties with that model's best.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Sequence

from ..ask.workloads import query_values
from . import analysis, verdict, words
from .analysis import CellResult, Row
from .stats import Ratio

NOISE = 0.02  # throughputs this close are the same for any use of the answer


def share_of(result: CellResult) -> float:
    """The part of a request's service time, served alone, that is computing."""
    values = query_values(result.cell.workload.target)
    rounds = values.get("rounds", 1)
    cpu_ms = values.get("cpu", 0) / 1e3 * rounds
    wait_ms = values.get("wait", 0) * rounds
    return cpu_ms / (cpu_ms + wait_ms) if cpu_ms + wait_ms else 0.0


def best_of(rows: Sequence[Row]) -> Row | None:
    alive = [row for row in rows if not row.void]
    return max(alive, key=lambda row: row.rps) if alive else None


def ties(found: Ratio | None) -> bool:
    return found is None or verdict.is_tie(found, NOISE) or abs(found.median - 1) <= NOISE


def enough(rows: Sequence[Row], best: Row) -> Row:
    """The smallest pool that is as good as the best."""
    for row in sorted(rows, key=lambda row: row.configuration.workers):
        if not row.void and (row is best or ties(analysis.ratio(row, best, analysis.rps))):
            return row
    return best


def judge_cell(result: CellResult) -> dict[str, Any]:
    """The cell's winner, or those that tie, with every model's best and its distance."""
    families: dict[str, list[Row]] = {}
    for row in result.models:
        families.setdefault(row.configuration.model, []).append(row)
    bests = {model: best_of(rows) for model, rows in families.items()}
    alive = [row for row in bests.values() if row is not None]
    winner = max(alive, key=lambda row: row.rps) if alive else None
    entries: dict[str, Any] = {}
    tied = []
    for model, best in bests.items():
        if best is None or winner is None:
            entries[model] = None
            continue
        against = analysis.ratio(winner, best, analysis.rps) if best is not winner else None
        if best is winner or ties(against):
            tied.append(model)
        entries[model] = {
            "configuration": best.label,
            "rps": best.rps,
            "enough": enough(families[model], best).label,
            "winner_ahead": dataclasses.asdict(against) if against else None,
        }
    return {
        "workload": result.cell.workload.name,
        "cpu_share": share_of(result),
        "connections": result.cell.connections,
        "winner": winner.configuration.model if winner and len(tied) == 1 else None,
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
        best = models[cell["winner"]]
        others = [
            f"{e['winner_ahead']['median']:.2f} × {e['configuration']} "
            f"[{e['winner_ahead']['low']:.2f}, {e['winner_ahead']['high']:.2f}]"
            for model, e in models.items()
            if e and e["winner_ahead"] and model != cell["winner"]
        ]
        parts.append(f"{best['configuration']} {best['rps']:,.0f}/s; {', '.join(others)}")
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
