# SPDX-License-Identifier: MIT
"""What the documents point at, and what comments name, is there for whoever clones the repository."""

from __future__ import annotations

import functools
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(\s*([^)\s]+)[^)]*\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
# A path from the root, in text and commands alike; a file's name; one that stands for any.
PATH = re.compile(
    r"(?<![\w/.<-])(?:\.ci|deploy|examples|models|results|scripts|share|src|tests)/[\w.*/-]*[\w*]"
)
FILE = re.compile(r"`([\w-]+\.(?:[ch]|py))`")
ANY = re.compile(r"(?:^|[/_])(?!README)[A-Z]+(?:\.\w+)?$")
NAME = re.compile(r"`(\w+)\(\)`|`(?:enum|struct) (\w+)`|`((?:CONN|DB|ROUTE)_\w+)`")
PLACED = re.compile(r"`(\w+)\(\)`\s+(?:\(|in\s+)`([\w./-]+)`")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
SOURCE = re.compile(r"(?<![\w./<-])(?:[\w-]+/)*[\w-]+\.[ch]\b")
OF_OTHERS = {"Python/ceval_gil.h"}


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


# What make puts beside them, or who follows a document.
BUILT = {"scripts/load", "deploy/ansible/server.tar.gz", "deploy/compose/.env"}
TRACKED = tracked()
DOCUMENTS = sorted(name for name in TRACKED if name.endswith(".md"))
WRITTEN = [name for name in DOCUMENTS if not re.match(r"results/.*/", name)]  # by people
SOURCES = sorted(name for name in TRACKED if name.endswith((".c", ".h")))


def named(name: str) -> list[str]:
    """The files that a path from the root, or its end, or a pattern names."""
    return [file for file in TRACKED | BUILT if fnmatch(file, name) or fnmatch(file, f"*/{name}")]


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


@pytest.mark.parametrize("name", WRITTEN)
def test_every_file_that_a_document_names_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    files = [*PATH.findall(text), *FILE.findall(text)]
    assert [file for file in files if not named(file) and not ANY.search(file)] == []


@functools.cache
def code() -> str:
    return "".join((ROOT / n).read_text() for n in TRACKED if n.endswith((".c", ".h", ".py")))


@pytest.mark.parametrize("name", WRITTEN)
def test_every_name_that_a_document_takes_from_the_code_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    names = {str(match[match.lastindex or 0]) for match in NAME.finditer(text)}
    gone = [n for n in sorted(names) if not re.search(rf"\b{n}\b", code())]
    misplaced = [
        (function, file)
        for function, file in PLACED.findall(text)
        if not any(re.search(rf"\b{function}\(", (ROOT / n).read_text()) for n in named(file))
    ]
    assert (gone, misplaced) == ([], [])


@pytest.mark.parametrize("name", [n for n in WRITTEN if n.startswith(("src/", "models/"))])
def test_the_document_of_a_folder_names_each_of_its_modules(name: str) -> None:
    text = (ROOT / name).read_text()
    modules = {Path(file).stem for file in SOURCES if Path(file).parent == Path(name).parent}
    assert [module for module in sorted(modules) if not re.search(rf"\b{module}\b", text)] == []


def test_every_file_that_a_comment_names_is_there() -> None:
    stale = [
        (name, file)
        for name in SOURCES
        for comment in COMMENT.findall((ROOT / name).read_text())
        for file in SOURCE.findall(comment)
        if not named(file) and not ANY.search(file) and file not in OF_OTHERS
    ]
    assert stale == []
