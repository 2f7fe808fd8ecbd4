# SPDX-License-Identifier: MIT
"""The colours of report.html and of the plots, light and dark.

matplotlib wants a colour where it draws; what a viewer sees is decided by prefers-color-scheme
much later. So plots are drawn in placeholders, and every placeholder is then replaced by a
CSS variable that both the page and a plot's own file define.
"""

from __future__ import annotations

from typing import Mapping

# Name: (light, dark). Models keep their colour in every plot; other servers share the rest.
COLOURS: Mapping[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14171c"),
    "panel": ("#f5f6f8", "#1d2229"),
    "ink": ("#1b1f24", "#e4e7eb"),
    "muted": ("#5a6470", "#9aa5b1"),
    "line": ("#d9dde2", "#343b45"),
    "good": ("#18794e", "#4cc38a"),
    "bad": ("#b42318", "#ff8b7e"),
    "prefork": ("#b4540a", "#f0a04b"),
    "threads": ("#1d63c9", "#6ea8fe"),
    "coro": ("#0f7d5d", "#3fcf9f"),
    "floor": ("#6b7280", "#8d97a5"),
    "other0": ("#8b3fb8", "#c792ea"),
    "other1": ("#b0306a", "#f48fb1"),
    "other2": ("#7a6a00", "#d9c74a"),
    "other3": ("#3d6b8c", "#8fbcd4"),
    "other4": ("#6d4c41", "#c7a595"),
}
_OTHERS = [name for name in COLOURS if name.startswith("other")]
MODELS = ("prefork", "threads", "coro", "floor")
_MARKED = {name: f"#0102{0x10 + at:02x}" for at, name in enumerate(COLOURS)}


def placeholder(name: str) -> str:
    """A colour to draw with, which no plot uses otherwise."""
    return _MARKED[name]


def of_model(model: str) -> str:
    """The name of a model's colour. A peer's is the same in every plot and every process."""
    if model in MODELS:
        return model
    return _OTHERS[sum(model.encode()) % len(_OTHERS)]


def with_variables(svg: str) -> str:
    for name, mark in _MARKED.items():
        svg = svg.replace(mark, f"var(--{name})")
    return svg


def css() -> str:
    """Definitions of the variables, for both schemes."""
    light = "".join(f"--{name}:{pair[0]};" for name, pair in COLOURS.items())
    dark = "".join(f"--{name}:{pair[1]};" for name, pair in COLOURS.items())
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )
