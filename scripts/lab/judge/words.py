# SPDX-License-Identifier: MIT
"""Figures in words: the same wherever they are shown."""

from __future__ import annotations

from typing import Sequence

from .stats import Ratio

NONE = "–"


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def ratio_text(found: Ratio) -> str:
    return f"{found.median:.2f} [{found.low:.2f}, {found.high:.2f}]"


def duration_text(us: float | None) -> str:
    if us is None:
        return NONE
    if us >= 1e6:
        return f"{us / 1e6:.3g} s"
    return f"{us / 1e3:.3g} ms" if us >= 1e3 else f"{us:.0f} µs"


def bytes_text(count: float) -> str:
    if count >= 1 << 20:
        return f"{count / (1 << 20):.1f} MB"
    return f"{count / 1024:.0f} KB"
