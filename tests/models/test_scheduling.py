# SPDX-License-Identifier: MIT
"""--scheduling: which workers wait for their turn instead of interrupting others."""

import os
import signal
from pathlib import Path
from typing import List

import pytest

from support.configurations import Configuration
from support.server import Launcher
from support.variant import VARIANT, patience
from support.waiting import eventually

BATCH, NORMAL, IDLE = os.SCHED_BATCH, os.SCHED_OTHER, os.SCHED_IDLE


def policies(pids: List[int]) -> List[int]:
    """Of every thread of these processes, but for the one that ThreadSanitizer has in each."""
    found: List[int] = []
    for pid in pids:
        own = [os.sched_getscheduler(int(name)) for name in os.listdir(f"/proc/{pid}/task")]
        if VARIANT == "tsan" and len(own) > 1 and NORMAL in own:
            own.remove(NORMAL)  # it was there before any setting was read
        found += own
    return found


def test_workers_of_a_pool_are_batch_tasks_and_loops_are_not(
    launch: Launcher, configuration: Configuration
) -> None:
    server = launch()
    expected = BATCH if configuration.pool else NORMAL
    found = policies(server.worker_pids())
    assert set(found) == {expected}
    assert len(found) >= (8 if configuration.pool else 1)
    assert set(policies(server.ready_pids())) == {NORMAL}, "the master"


@pytest.mark.parametrize("asked, expected", [("normal", NORMAL), ("batch", BATCH)])
def test_what_is_asked_for_holds_for_every_model(
    launch: Launcher, asked: str, expected: int
) -> None:
    server = launch(f"--scheduling={asked}")
    assert set(policies(server.worker_pids())) == {expected}


def test_a_replacement_and_a_reload_follow_the_setting(launch: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "server.conf"
    path.write_text("scheduling = batch\n")
    server = launch(f"--config={path}")
    old = server.worker_pids()
    os.kill(old[0], signal.SIGKILL)
    after = server.wait_for_workers(but=old[:1])
    eventually("the replacement is one too", lambda: set(policies(after)) == {BATCH})
    path.write_text("scheduling = normal\n")
    server.signal(signal.SIGHUP)
    server.wait_for_line("reloaded", within=patience(15))
    assert set(policies(server.wait_for_workers(but=after))) == {NORMAL}


def test_a_policy_that_the_server_was_started_with_stays(launch: Launcher) -> None:
    server = launch("--scheduling=batch", prefix=["chrt", "--idle", "0"])
    assert set(policies(server.worker_pids())) == {IDLE}
