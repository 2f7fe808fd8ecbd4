# SPDX-License-Identifier: MIT
"""Histograms as text, against another reader and writer of HdrHistogram's encoding: the npm package
hdr-histogram-js."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from loading import load
from staged import Staged
from support.npm import installed
from support.variant import ROOT

HERE = Path(__file__).resolve().parent
HOUR = 3_600_000_000_000  # ns
# Ranks of percentiles are whole numbers of so many: rounding them is no reason to differ.
MANY = 100_000


@pytest.fixture(scope="module")
def javascript() -> list[str]:
    """The command of what does as hdr_steps.c does."""
    return ["node", str(HERE / "hdr_steps.js"), str(installed(HERE) / "hdr-histogram-js")]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    program = tmp_path_factory.mktemp("hdr") / "hdr_steps"
    sources = [f"src/load/{name}.c" for name in ("hdr", "base64", "histogram")]
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-Isrc", "-o", program, "tests/load/hdr_steps.c",
                    *sources, "-lz"], cwd=ROOT, check=True)  # fmt: skip
    return [str(program)]


def values() -> dict[str, list[int]]:
    """Values of all kinds, by what they are."""
    chance = random.Random(19)
    return {
        "one": [1234567],
        "none and the highest": [0, HOUR],
        "one beside the next": [2047, 2048, 2049, 2050, 4095, 4096],
        "some, far apart": [round(10 ** chance.uniform(0, 12.5)) for _ in range(1000)],
        "many, as a server's": [round(200_000 * chance.lognormvariate(0, 1)) for _ in range(MANY)],
        "many of one": [5000] * MANY,
    }


def answers(command: list[str], word: str, lines: list[str]) -> list[str]:
    done = subprocess.run(command, input="".join(f"{word} {line}\n" for line in lines), capture_output=True,
                          text=True, timeout=120, check=True)  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_each_reads_what_the_other_wrote(ours: list[str], javascript: list[str]) -> None:
    kinds = values()
    lines = [" ".join(map(str, listed)) for listed in kinds.values()]
    texts = {"C": answers(ours, "record", lines), "JavaScript": answers(javascript, "record", lines)}
    read = [answers(reader, "read", texts[writer]) for reader in (ours, javascript) for writer in texts]
    for kind, listed, *same in zip(kinds, kinds.values(), *read):
        assert same == same[:1] * 4, kind
        count, highest, p50, *_ = map(int, same[0].split()[:7])
        assert count == len(listed), kind
        assert 0 <= highest - max(listed) <= max(listed) / 1000, kind
        middle = sorted(listed)[(len(listed) + 1) // 2 - 1]
        assert 0 <= p50 - middle <= middle / 1000, kind


def test_the_program_writes_what_others_read(javascript: list[str]) -> None:
    with Staged() as server:
        figures = load("--rate=2000", "--duration=0.5", server.url).figures
    names = ("lag_us", "latency_us", "service_us")
    read = answers(javascript, "read", [figures[name]["hdr"] for name in names])
    for name, line in zip(names, read):
        count, highest, p50, p90, p99, *_ = (int(number) for number in line.split()[:7])
        assert count == figures[name]["count"] > 0
        for key, ns in {"max": highest, "p50": p50, "p90": p90, "p99": p99}.items():
            assert figures[name][key] == pytest.approx(ns / 1e3, abs=1e-3), (name, key)
        assert figures[name]["p9999"] is None  # of 1,000 too few are beyond it
