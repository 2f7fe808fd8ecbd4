# SPDX-License-Identifier: MIT
"""The databases behind the workloads that ask one: private, pinned to the load's cores, watched.

They share those cores with wrk, so that the server's are the server's alone; what they use of
them is measured, since a database that has no core left limits everybody alike.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Sequence

sys.path.append(str(Path(__file__).resolve().parent.parent))

import databases  # noqa: E402

from . import procfs  # noqa: E402
from .errors import LabError  # noqa: E402

CONNECTIONS = 16  # of all workers together: the default of --db-connections


class Backend:
    """PostgreSQL and Redis, filled; or, when no workload asks for them, nothing. A context
    manager: leaving it ends them."""

    def __init__(self, wanted: bool, cpus: Sequence[int]) -> None:
        self._wanted, self._cpus = wanted, cpus
        self._made: list[databases.Private] = []
        self.options: list[str] = []  # of the server's command line
        self.shown: list[str] = []  # the same without folders' names

    def __enter__(self) -> "Backend":
        if not self._wanted:
            return self
        try:
            postgres = databases.Postgres()
            self._made.append(postgres)
            redis = databases.Redis()
            self._made.append(redis)
            databases.fill_redis(redis.address, databases.world(postgres.uri))
            for pid in self.pids():
                os.sched_setaffinity(pid, self._cpus)
        except (databases.Trouble, OSError) as trouble:
            self._remove()
            raise LabError(f"no database: {trouble}") from None
        except BaseException:
            self._remove()
            raise
        total = f"--db-connections={CONNECTIONS}"
        self.options = [f"--db={postgres.uri}", f"--redis={redis.address}", total]
        self.shown = ["--db=postgresql://world@/world?host=DB", "--redis=unix:DB/redis", total]
        return self

    def refill(self) -> None:
        """Makes the tables anew, to be called before each run: nobody is to pay for what the
        updates of another have left behind, old versions of rows and a vacuum now and then."""
        for made in self._made:
            if isinstance(made, databases.Postgres):
                try:
                    databases.fill_postgres(made.uri)
                    made.psql("ALTER TABLE world SET (autovacuum_enabled = off)")
                except databases.Trouble as trouble:
                    raise LabError(f"no database: {trouble}") from None

    def _remove(self) -> None:
        for made in reversed(self._made):
            made.remove()
        self._made.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _roots(self) -> list[int]:
        return [made.process.pid for made in self._made if made.process is not None]

    def pids(self) -> list[int]:
        """The databases' processes now: PostgreSQL has one for each connection."""
        return [pid for root in self._roots() for pid in (root, *procfs.descendants(root))]

    def cpu_s(self) -> float:
        """CPU seconds used so far, those of connections that have been closed included."""
        return procfs.cpu_seconds(self.pids()) + sum(map(procfs.reaped_seconds, self._roots()))
