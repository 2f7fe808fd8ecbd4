# SPDX-License-Identifier: MIT
"""The folder of files that the tests let the server serve."""

import os
from pathlib import Path

PAGE = b"<!doctype html><title>site</title>\n"
TEXT = b"0123456789abcdefghijklmnopqrstuvwxyz"  # 36 bytes: ranges are easy to read
BIG = bytes(range(256)) * 4096 * 4  # 4 MB: more than any socket buffer takes at once
LONG = "\u00e9" * 127  # a folder whose name is escaped to 762 bytes
MODIFIED = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
MODIFIED_TEXT = "Sun, 06 Nov 1994 08:49:37 GMT"


def build(parent: Path) -> Path:
    """Makes the folder below parent; beside it lies `secret`, which must never be served."""
    (parent / "secret").write_bytes(b"secret\n")
    root = parent / "root"
    (root / "folder").mkdir(parents=True)
    (root / "bare").mkdir()
    (root / LONG).mkdir()
    (root / "text.txt").write_bytes(TEXT)
    (root / "page.html").write_bytes(PAGE)
    (root / "a file.txt").write_bytes(b"spaced\n")
    (root / "empty.txt").write_bytes(b"")
    (root / "big.bin").write_bytes(BIG)
    (root / ".hidden").write_bytes(b"secret\n")
    (root / "folder" / "index.html").write_bytes(PAGE)
    (root / "folder" / ".hidden").write_bytes(b"secret\n")
    (root / "outside").symlink_to(parent / "secret")
    (root / "outside-folder").symlink_to(parent)
    os.mkfifo(root / "pipe")
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (MODIFIED, MODIFIED))
    return root
