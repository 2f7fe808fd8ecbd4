# SPDX-License-Identifier: MIT
"""The generator's state table, compared with CPython's own generators.

The C side is the unit test's --table output: for several kinds of body, directly and through
yield_from, what every call does in every state. The same is done here to Python's generators,
and the lines must be equal.
"""

from __future__ import annotations

import inspect
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATES = ["CREATED", "RUNNING", "SUSPENDED", "CLOSED"]
CALLS = ["next", "v", "stop", "throw", "close"]
KINDS = ["plain", "catch", "ignore", "other", "return"]


class Thrown(Exception):
    """What the table throws in."""


class Other(Exception):
    """What a body raises instead of ending when it is closed."""


class Subject:
    """One generator under test; mirrors struct subject of test_generator.c."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.log: list[str] = []
        self.self_call: str | None = None
        self.gen: Generator[str, str | None, str] | None = None

    def body(self) -> Generator[str, str | None, str]:
        self.log.append("begin")
        if self.self_call is not None:
            assert self.gen is not None
            self.log.append(describe(self.gen, self.self_call))
        while True:
            try:
                got = yield "y"
                self.log.append(str(got))
                if got == "stop":
                    return "r"
            except Thrown:
                self.log.append("thrown")
                if self.kind != "catch":
                    raise
            except GeneratorExit:
                self.log.append("exit")
                if self.kind == "other":
                    raise Other from None
                if self.kind == "return":
                    return "r"
                if self.kind != "ignore":
                    raise


def proxy(log: list[str], inner: Generator[str, str | None, str]) -> Generator[str, str | None, str]:
    log.append("proxy")
    result = yield from inner
    log.append("proxied")
    return result


def describe(gen: Generator[str, str | None, str], call: str) -> str:
    """Does `call` to gen and says what came of it."""
    try:
        if call == "close":
            gen.close()
            return "closed"
        if call == "throw":
            return f"yielded:{gen.throw(Thrown())}"
        return f"yielded:{gen.send(None if call == 'next' else call)}"
    except StopIteration as stop:
        return f"returned:{stop.value}"
    except (TypeError, ValueError, RuntimeError, Thrown, Other) as error:
        return f"failed:{type(error).__name__}"


def cell(delegated: bool, kind: str, state: str, call: str) -> str:
    subject, outer = Subject(kind), Subject(kind)
    inner = gen = subject.body()
    if delegated:
        gen = proxy(outer.log, inner)
    subject.gen = gen
    outcome = ""
    if state == "RUNNING":
        subject.self_call = call
    if state != "CREATED":
        gen.send(None)
    if state == "CLOSED":
        describe(gen, "stop")
    if state != "RUNNING":
        subject.log.clear()
        outer.log.clear()
        outcome = describe(gen, call)
    after = inspect.getgeneratorstate(gen).removeprefix("GEN_")
    line = f"{'delegated' if delegated else 'direct'} {kind} {state} {call}: {outcome} {after}"
    line = "".join([line, *(f" {word}" for word in outer.log + subject.log)])
    subject.kind = "plain"  # so that a body that ignores its closing can be let go
    return line


def test_table_equals_cpython() -> None:
    build = Path(os.environ.get("CORO_BUILD", "build/release"))
    program = build / "tests/unit/coro/test_generator"
    subprocess.run(["make", "-s", str(program)], cwd=ROOT, check=True)
    ours = subprocess.run([str(ROOT / program), "--table"], capture_output=True, text=True,
                          check=True).stdout.splitlines()
    theirs = [cell(delegated, kind, state, call)
              for delegated in (False, True) for kind in KINDS
              for state in STATES for call in CALLS]
    assert len(ours) == 2 * len(KINDS) * len(STATES) * len(CALLS)
    assert ours == theirs
