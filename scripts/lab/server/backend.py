# SPDX-License-Identifier: MIT
"""The databases behind the workloads that ask one: private, pinned to the load's cores, watched.

They share those cores with wrk, so that the server's are the server's alone; what they use of
them is measured, since a database that has no core left limits everybody alike.
"""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType
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
        self._made: list[databases.Private] = []
        self._addresses: tuple[str, str] | None = None  # PostgreSQL's and Redis's

    def __enter__(self) -> "Backend":
        if not self._wanted:
            return self
        try:
            postgres = databases.Postgres()
            self._made.append(postgres)
            redis = databases.Redis()
            self._made.append(redis)
            databases.fill_redis(redis.address, databases.world(postgres.uri))
        except (databases.Trouble, OSError) as trouble:
            self._remove()
            raise LabError(f"no database: {trouble}") from None
        except BaseException:
            self._remove()
            raise
        self._addresses = postgres.uri, redis.address
        return self

    def options(self, workload: Workload) -> list[str]:
        """Of the command line of a server that this workload is asked of."""
        if not workload.database or self._addresses is None:
            return []
        postgres, redis = self._addresses
        slow = SLOW_FIRST if workload.row_ms else ""
        total = f"--db-connections={workload.db_connections}"
        return [f"--db={postgres}{slow}", f"--redis={redis}", total]

    def shown(self, option: str) -> str:
        """The same without a folder's name."""
        for made in self._made:
            option = option.replace(str(made.folder), "DB")
        return option

    def refill(self, workload: Workload, cpus: Sequence[int]) -> None:
        """Makes the tables anew, to be called before each run: nobody is to pay for what the
        updates of another have left behind, old versions of rows and a vacuum now and then.
        cpus: the load's in that run, which the databases share."""
        for pid in self.pids():  # a connection's process begins where its parent is
            with suppress(ProcessLookupError):
                os.sched_setaffinity(pid, cpus)
        for made in self._made:
            if isinstance(made, databases.Postgres):
                try:
                    made.psql(NO_SLOW_SCHEMA)
                    databases.fill_postgres(made.uri)
                    made.psql("ALTER TABLE world SET (autovacuum_enabled = off)")
                    if workload.row_ms:
                        made.psql(SLOW_SCHEMA.format(seconds=workload.row_ms / 1e3))
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
