# SPDX-License-Identifier: MIT
"""A server as process 1 of a container, which is a namespace of processes here."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from support import processes
from support.configurations import Configuration
from support.server import READY
from support.variant import BINARY, patience
from support.waiting import eventually


class Contained:
    """A server that is process 1 of a namespace of its own. before: what a shell does there first."""

    def __init__(self, log: Path, *options: str, before: str = "") -> None:
        self._log = log
        with log.open("w") as stderr:
            self._process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL",
                 "sh", "-c", f'{before}exec "$@"', "sh", BINARY, *options, "--listen=127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            listen, pid = eventually("it is ready", self._ready, within=10)
        except BaseException:
            self.kill()
            raise
        assert pid == "1"
        host, port = listen.rsplit(":", 1)
        self.address = host, int(port)
        self.pid = processes.children(self._process.pid)[0]

    def _ready(self) -> Tuple[str, ...]:
        """Where it listens and its number, once it says so."""
        found = [READY.match(line) for line in self.lines()]
        return next((match.group(3, 4) for match in found if match), ())

    def lines(self) -> List[str]:
        return self._log.read_text().splitlines()

    def children(self) -> List[int]:
        """Zombies too."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self) -> None:
        self.signal(signal.SIGTERM)
        assert self._process.wait(patience(15)) == 0, self.lines()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Contain:
    """Starts one in the configuration of the test, with options after those."""

    def __init__(self, configuration: Configuration, log: Path) -> None:
        self._configuration = configuration
        self._log = log
        self.started: List[Contained] = []

    def __call__(self, *options: str, before: str = "") -> Contained:
        self.started.append(Contained(self._log, *self._configuration.options, *options, before=before))
        return self.started[-1]


@pytest.fixture
def contain(configuration: Configuration, tmp_path: Path) -> Iterator[Contain]:
    start = Contain(configuration, tmp_path / "log")
    yield start
    for one in start.started:
        one.kill()
