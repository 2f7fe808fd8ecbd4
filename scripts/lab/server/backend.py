# SPDX-License-Identifier: MIT
"""The databases behind the workloads that ask one: private, pinned to cores, watched.

Under a closed loop they share the load's cores with wrk, so that the server's are the server's alone.
Beside a generator that has to send in time they share the server's. What they use is measured, since
a database that has no core left limits everybody alike.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import Sequence

import databases

from ..machine import procfs
from ..machine.errors import LabError
from ..ask.workloads import Workload

# Over table world, a view of the same name that waits before each row: who looks here first finds
# a slow database. It goes before the table does, and is made anew with it.
NO_SLOW_SCHEMA = "DROP SCHEMA IF EXISTS slow CASCADE;"
SLOW_SCHEMA = """CREATE SCHEMA slow;
CREATE VIEW slow.world AS SELECT * FROM public.world WHERE pg_sleep({seconds}) IS NOT NULL;"""
SLOW_FIRST = "&options=-csearch_path%3Dslow,public"


class Backend:
    """PostgreSQL and Redis, filled; or, when no workload asks for them, nothing. A context
    manager: leaving it ends them."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._made: tuple[databases.Postgres, databases.Redis] | None = None
        self._until_left = ExitStack()

    def __enter__(self) -> "Backend":
        if self._wanted:
            try:
                self._made = self._until_left.enter_context(databases.both())
            except (databases.Trouble, OSError) as trouble:
                raise LabError(f"no database: {trouble}") from None
        return self

    def options(self, workload: Workload) -> list[str]:
        """Of the command line of a server that this workload is asked of."""
        if not workload.database or self._made is None:
            return []
        postgres, redis = self._made
        slow = SLOW_FIRST if workload.row_ms else ""
        total = f"--db-connections={workload.db_connections}"
        return [f"--db={postgres.uri}{slow}", f"--redis={redis.address}", total]

    def shown(self, option: str) -> str:
        """The same without a folder's name."""
        for made in self._made or ():
            option = option.replace(str(made.folder), "DB")
        return option

    def refill(self, workload: Workload, cpus: Sequence[int]) -> None:
        """Makes the tables anew, to be called before each run: nobody is to pay for what the
        updates of another have left behind, old versions of rows and a vacuum now and then.
        cpus: of the databases in that run."""
        for pid in self.pids():  # a connection's process begins where its parent is
            with suppress(ProcessLookupError):
                os.sched_setaffinity(pid, cpus)
        if self._made is None:
            return
        postgres, _ = self._made
        try:
            postgres.psql(NO_SLOW_SCHEMA)
            databases.fill_postgres(postgres.uri)
            postgres.psql("ALTER TABLE world SET (autovacuum_enabled = off)")
            if workload.row_ms:
                postgres.psql(SLOW_SCHEMA.format(seconds=workload.row_ms / 1e3))
        except databases.Trouble as trouble:
            raise LabError(f"no database: {trouble}") from None

    def __exit__(self, *_: object) -> None:
        self._made = None
        self._until_left.close()

    def _roots(self) -> list[int]:
        return [made.process.pid for made in self._made or () if made.process is not None]

    def pids(self) -> list[int]:
        """The databases' processes now: PostgreSQL has one for each connection."""
        return [pid for root in self._roots() for pid in (root, *procfs.descendants(root))]

    def cpu_s(self) -> float:
        """CPU seconds used so far, those of connections that have been closed included."""
        return procfs.cpu_seconds(self.pids()) + sum(map(procfs.reaped_seconds, self._roots()))
