# SPDX-License-Identifier: MIT
"""What the documents point at is there for whoever clones the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(\s*([^)\s]+)[^)]*\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def tracked() -> set[str]:
    """The repository's files and their folders; what is left of a checkout without git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        files = {name for name in listed.stdout.split("\0") if name}
    else:
        files = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*")}
    return files | {str(parent) for name in files for parent in Path(name).parents}


TRACKED = tracked()
DOCUMENTS = sorted(name for name in TRACKED if name.endswith(".md"))


def anchors(document: Path) -> set[str]:
    """Of its headings, as code hosts make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(document.read_text())
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    document = ROOT / name
    dead = []
    for link in LINK.findall(document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if path and str(target.relative_to(ROOT)) not in TRACKED:
            dead.append(link)
        elif anchor and anchor not in anchors(target):
            dead.append(link)
    assert dead == []


def test_the_documents_are_found() -> None:
    assert {"README.md", "DESIGN.md", "CONTRIBUTING.md", "results/README.md"} <= set(DOCUMENTS)
