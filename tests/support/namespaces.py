# SPDX-License-Identifier: MIT
"""Network namespaces that stand for hosts, and a remote shell that enters them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ADDRESS = "10.213.0.1"  # of the first, on its loopback; number i has 10.213.i.2


def ip(*words: object) -> None:
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        pytest.skip(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")


@contextmanager
def joined(count: int) -> Iterator[list[str]]:
    """One, and so many that each have a cable to it and nothing else."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    names = [f"test{os.getpid()}-{i}" for i in range(1 + count)]
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", names[0], "address", "add", f"{ADDRESS}/32", "dev", "lo")
        for i, name in enumerate(names[1:], start=1):
            ip("link", "add", "cable", "netns", name, "type", "veth", "peer", "name", f"cable{i}", "netns", names[0])
            ip("-n", name, "address", "add", f"10.213.{i}.2/24", "dev", "cable")
            ip("-n", names[0], "address", "add", f"10.213.{i}.1/24", "dev", f"cable{i}")
            ip("-n", names[0], "link", "set", f"cable{i}", "up")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "route", "add", f"{ADDRESS}/32", "via", f"10.213.{i}.1")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=30, check=False)


def shell(folder: Path) -> str:
    """What LOAD_SSH may be: its hosts are namespaces. Below folder."""
    script = folder / "enter"
    script.write_text('#!/bin/sh\nexec ip netns exec "$1" sh -c "$2"\n')
    script.chmod(0o755)
    return str(script)
