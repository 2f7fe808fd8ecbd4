# SPDX-License-Identifier: MIT
"""What deploy/LIMITS.md says the server makes of a container's limits, as its process 1: it starts with defaults
that fit, or with one line that says what does not. Quota and affinity alone: tests/models/test_command_line.py."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from functools import partial
from typing import Any, Dict, List

import pytest

from support import preload
from support.client import fetch
from support.configurations import Configuration, only
from support.contained import Contain, Contained
from support.limits import quota_of_one_core
from support.processes import memory_bytes
from support.variant import VARIANT
from support.waiting import eventually

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a process 1"),
    pytest.mark.skipif(VARIANT != "release", reason="sanitizers need /proc, address space and the first library"),
]
each_model = only("prefork", "threads", "coro")

THOUSAND_MILLION = 1_000_000_000
MOST_DESCRIPTORS = 1_048_576  # that the server asks for
ADDRESS_SPACE_KB = 512 * 1024
LITTLE_MEMORY = 64 << 20  # more than any model uses as it starts, and far less than what it reserves
NO_PROC = "mount -t tmpfs tmpfs /proc"
NO_PROC_SAID = "warning: no /proc: a CPU quota is not seen"
SPACE_SAID = "warning: there is address space (ulimit -v, vm.overcommit_memory) for the connections of "


@pytest.fixture(scope="module")
def thousand_million(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The shell's command that allows so many descriptors, or pretends to where the kernel does not."""
    allowed = ["prlimit", f"--nofile={THOUSAND_MILLION}:{THOUSAND_MILLION}", "true"]
    if subprocess.run(allowed, capture_output=True, check=False).returncode == 0:
        return f"ulimit -n {THOUSAND_MILLION}"
    return f"export LD_PRELOAD={preload.built('wide_limit', tmp_path_factory.mktemp('limit'))}"


def one_core() -> str:
    """The shell's command that binds it to one."""
    return f"taskset -cp {min(os.sched_getaffinity(0))} $$ >/dev/null"


def begin(contain: Contain, *limits: str) -> Contained:
    """A server that was told no number, below these limits."""
    return contain("--workers=auto", before="".join(f"{limit} && " for limit in limits))


def status(server: Contained) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads(fetch(server.address, "/status").text)
    return found


def connections(server: Contained) -> int:
    return int(status(server)["settings"]["max-connections"])


def warnings(server: Contained) -> List[str]:
    """All that it has said but that it is ready, and who died."""
    return [line for line in server.lines() if not re.match(r"ready |warning: worker process", line)]


def expected_workers(configuration: Configuration, cores: int) -> int:
    return 16 * cores if configuration.pool else 1


@each_model
def test_a_thousand_million_descriptors(contain: Contain, thousand_million: str) -> None:
    """As many as are of use; nothing is touched, or gone through, for each that there might be."""
    server = begin(contain, one_core(), thousand_million)
    assert MOST_DESCRIPTORS * 0.9 < connections(server) < MOST_DESCRIPTORS
    assert warnings(server) == []
    assert sum(memory_bytes(pid) for pid in [server.pid, *server.children()]) < LITTLE_MEMORY
    server.stop()


@each_model
def test_little_address_space(contain: Contain, thousand_million: str) -> None:
    """As many connections as there is room for, and that is said."""
    server = begin(contain, f"ulimit -v {ADDRESS_SPACE_KB}", thousand_million)
    _has_room(server)
    server.stop()


def _has_room(server: Contained) -> None:
    (said,) = warnings(server)
    assert re.fullmatch(re.escape(SPACE_SAID) + rf"\d+ descriptors, not of {MOST_DESCRIPTORS}: no more are used", said)
    assert 1000 < connections(server) < 20000


def _replaced(server: Contained, before: List[int]) -> bool:
    """As many children as before, and not the first of them."""
    now = server.children()
    return len(now) == len(before) and before[0] not in now


@each_model
def test_without_proc(contain: Contain, configuration: Configuration) -> None:
    """One line for all that is missed; a worker that dies is replaced without another."""
    server = begin(contain, one_core(), NO_PROC)
    (said,) = warnings(server)
    assert said.startswith(NO_PROC_SAID)
    assert int(status(server)["settings"]["workers"]) == expected_workers(configuration, 1), "the mask is seen"
    before = server.children()
    os.kill(before[0], signal.SIGKILL)
    eventually("it is replaced", partial(_replaced, server, before), within=10)
    assert fetch(server.address, "/hello").status == 200
    assert warnings(server) == [said]
    server.stop()


@each_model
def test_all_limits_at_once(contain: Contain, configuration: Configuration, thousand_million: str) -> None:
    with quota_of_one_core() as quota:
        server = begin(contain, quota, one_core(), f"ulimit -v {ADDRESS_SPACE_KB}", thousand_million)
        _has_room(server)
        assert int(status(server)["settings"]["workers"]) == expected_workers(configuration, 1)
        server.stop()
