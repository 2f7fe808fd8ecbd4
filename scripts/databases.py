# SPDX-License-Identifier: MIT
"""Private databases for tests and measurements, and the data set they hold.

A Postgres or a Redis here is a process of its own on a Unix socket in a temporary folder that
only its owner (and root) can enter. It listens on no port, and nothing of it is left when it has
been stopped. Run as root they become an unprivileged user first: PostgreSQL insists on it.

What they hold is what the server makes of a missing SQLite file: table world with ROWS rows,
table fortune with the rows of src/db/fortunes.def; and in Redis a string "world:ID" for each row.
"""

from __future__ import annotations

import os
import pwd
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
ROWS = 10000
START_LIMIT = 60.0  # seconds: for a machine that has other things to do

_FORTUNE = re.compile(r'^FORTUNE\((\d+), "(.*)"\)$', re.MULTILINE)


class Trouble(Exception):
    """What is wrong, in one line."""


def fortunes() -> dict[int, str]:
    """The rows of table fortune, from the file that the server is built with."""
    text = (ROOT / "src" / "db" / "fortunes.def").read_text(encoding="utf-8")
    return {int(number): message for number, message in _FORTUNE.findall(text)}


def _postgres_program(name: str) -> str:
    """Debian keeps these out of the path, a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise Trouble(f"no {name}: scripts/deps lab installs it")
    return path


def _redis_program() -> str:
    """One program under several names; package redis-tools has it without a service."""
    for name in ("redis-server", "redis-check-rdb"):
        path = shutil.which(name)
        if path is not None:
            return path
    raise Trouble("no Redis: scripts/deps lab installs it")


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to become; None when we are somebody harmless already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Trouble("no unprivileged user: neither postgres nor nobody exists")


class Private:
    """A server process in a folder of its own."""

    def __init__(self) -> None:
        self.user = _unprivileged()
        # Short, whatever TMPDIR says: a socket's path has room for 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="db-", dir="/tmp"))
        self.process: subprocess.Popen[bytes] | None = None
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        user = self.user
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                # Should we be killed, the kernel tells it to stop.
                ["setpriv", "--pdeathsig", "INT", *command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
                user=None if user is None else user.pw_uid,
                group=None if user is None else user.pw_gid,
                extra_groups=None if user is None else [],
            )

    def _run(self, command: list[str]) -> None:
        if self._popen(command).wait() != 0:
            raise Trouble(f"{Path(command[0]).name} failed:\n{self.log()}")

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def _answers(self) -> bool:
        raise NotImplementedError

    def _launch(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def start(self) -> None:
        """Starts it, again after stop() or kill(), and waits until it answers."""
        limit = time.monotonic() + START_LIMIT
        self.process = self._launch()
        while not self._answers():
            if self.process.poll() is not None:
                # One that was killed may leave children that hold its data for a moment.
                self.process = self._launch()
            if time.monotonic() > limit:
                raise Trouble(f"not ready within {START_LIMIT:g} s:\n{self.log()}")
            time.sleep(0.02)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(START_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Stops it in good order; its data stay."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """Stops it and removes all it had."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Private):
    """A PostgreSQL whose data need not survive a power cut."""

    def __init__(self) -> None:
        super().__init__()
        self.data = self.folder / "data"
        try:
            self._run(
                [_postgres_program("initdb"), "-D", str(self.data), "-U", "world", "-A", "trust"]
                + ["-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]
            )
            self.start()
            self.psql("CREATE DATABASE world", database="postgres")
            fill_postgres(self.uri)
        except BaseException:
            self.remove()
            raise

    @property
    def uri(self) -> str:
        return f"postgresql://world@/world?host={self.folder}"

    def psql(self, sql: str, database: str = "world") -> str:
        return psql(f"postgresql://world@/{database}?host={self.folder}", sql)

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "max_connections": "128",
            "fsync": "off",  # the lab measures servers, not disks
            "autovacuum": "on",
            "log_min_messages": "fatal",
        }
        options = [word for item in settings.items() for word in ("-c", "=".join(item))]
        return self._popen([_postgres_program("postgres"), "-D", str(self.data), *options])

    def _answers(self) -> bool:
        command = [_postgres_program("pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(command, check=False).returncode == 0


class Redis(Private):
    """A Redis that keeps nothing on disk."""

    def __init__(self) -> None:
        super().__init__()
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    @property
    def address(self) -> str:
        return f"unix:{self.folder}/redis"

    def _launch(self) -> subprocess.Popen[bytes]:
        # It goes by the name it is called by.
        program = self.folder / "redis-server"
        if not program.is_symlink():
            program.symlink_to(_redis_program())
        options = ["--port", "0", "--unixsocket", f"{self.folder}/redis", "--save", ""]
        return self._popen([str(program), *options, "--appendonly", "no"])

    def _answers(self) -> bool:
        try:
            return redis(self.address, [("PING",)]) == [b"PONG"]
        except OSError:
            return False


@contextmanager
def both() -> Iterator[tuple[Postgres, Redis]]:
    """The two of them with the same data, until they are left."""
    postgres = Postgres()
    try:
        redis = Redis()
        try:
            fill_redis(redis.address, world(postgres.uri))
            yield postgres, redis
        finally:
            redis.remove()
    finally:
        postgres.remove()


# ---- the data set ------------------------------------------------------------------------------


def psql(uri: str, sql: str) -> str:
    """What psql prints for the statements, unaligned."""
    program = shutil.which("psql")
    if program is None:
        raise Trouble("no psql: scripts/deps lab installs it")
    done = subprocess.run(
        [program, "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", uri],
        input=sql,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PGCLIENTENCODING": "UTF8"},
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip()
        if "connection to server" not in said and "ERROR:" not in said:
            # Of a URI that it cannot read it quotes what may be a password.
            said = said.split('"', 1)[0].rstrip(": ")
        raise Trouble(f"psql: {said}")
    return done.stdout


def redis(address: str, commands: Sequence[Sequence[str]]) -> list[bytes]:
    """Sends the commands together; the answers, all of which must be of one line or a string."""
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(START_LIMIT)
        connection.connect(address[len("unix:") :])
    else:
        host, port = address.rsplit(":", 1)
        connection = socket.create_connection((host.strip("[]"), int(port)), START_LIMIT)
    with connection, connection.makefile("rwb") as stream:
        for command in commands:
            words = [word.encode() for word in command]
            stream.write(b"*%d\r\n" % len(words))
            for word in words:
                stream.write(b"$%d\r\n%s\r\n" % (len(word), word))
        stream.flush()
        answers = []
        for command in commands:
            line = stream.readline().rstrip(b"\r\n")
            if line.startswith(b"-") or not line:
                raise Trouble(f"Redis: {' '.join(command)}: {line.decode()}")
            if line == b"$-1":
                answers.append(b"")
            elif line.startswith(b"$"):
                answers.append(stream.read(int(line[1:]) + 2)[:-2])
            else:
                answers.append(line[1:])
        return answers


def postgres_sql() -> str:
    """What makes both tables anew."""
    quoted = [(number, text.replace("'", "''")) for number, text in fortunes().items()]
    values = ",\n    ".join(f"({number}, '{text}')" for number, text in quoted)
    return f"""BEGIN;
DROP TABLE IF EXISTS world, fortune;
CREATE TABLE world (id integer PRIMARY KEY, randomnumber integer NOT NULL);
INSERT INTO world
    SELECT id, 1 + floor(random() * {ROWS})::integer FROM generate_series(1, {ROWS}) id;
CREATE TABLE fortune (id integer PRIMARY KEY, message text NOT NULL);
INSERT INTO fortune VALUES
    {values};
COMMIT;
ANALYZE world;
ANALYZE fortune;
"""


def fill_postgres(uri: str) -> None:
    """Makes both tables anew."""
    psql(uri, postgres_sql())


def fill_sqlite(path: Path) -> None:
    """Makes the file anew."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    numbers = ((number, random.randint(1, ROWS)) for number in range(1, ROWS + 1))
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("CREATE TABLE world (id INTEGER PRIMARY KEY, randomnumber INTEGER NOT NULL)")
        file.execute("CREATE TABLE fortune (id INTEGER PRIMARY KEY, message TEXT NOT NULL)")
        file.executemany("INSERT INTO world VALUES (?, ?)", numbers)
        file.executemany("INSERT INTO fortune VALUES (?, ?)", fortunes().items())
    file.close()


def world(uri: str) -> dict[int, int]:
    """All rows of world."""
    if uri.startswith("sqlite:"):
        path = quote(uri[len("sqlite:") :])
        with sqlite3.connect(f"file:{path}?mode=rw", uri=True) as file:  # else one that is missing is made
            rows = dict(file.execute("SELECT id, randomnumber FROM world").fetchall())
        file.close()
        return rows
    lines = psql(uri, "SELECT id, randomnumber FROM world").splitlines()
    return {int(number): int(value) for number, value in (line.split("|") for line in lines)}


def fill_redis(address: str, rows: dict[int, int]) -> None:
    redis(address, [("SET", f"world:{number}", str(value)) for number, value in rows.items()])


def _check_rows(where: str, rows: dict[int, int]) -> None:
    if set(rows) != set(range(1, ROWS + 1)):
        raise Trouble(f"{where}: not exactly the rows 1 to {ROWS}")
    wrong = [number for number, value in rows.items() if not 1 <= value <= ROWS]
    if wrong:
        raise Trouble(f"{where}: row {wrong[0]} holds {rows[wrong[0]]}")


def verify(uri: str) -> None:
    """Raises Trouble unless the database holds the data set."""
    _check_rows("world", world(uri))
    if uri.startswith("sqlite:"):
        with sqlite3.connect(uri[len("sqlite:") :]) as file:
            found = dict(file.execute("SELECT id, message FROM fortune").fetchall())
        file.close()
    else:
        lines = psql(uri, "SELECT id, message FROM fortune").splitlines()
        found = {int(line.split("|", 1)[0]): line.split("|", 1)[1] for line in lines}
    if found != fortunes():
        raise Trouble("fortune does not hold the rows of src/db/fortunes.def")


def verify_redis(address: str) -> None:
    names = [("GET", f"world:{number}") for number in range(1, ROWS + 1)]
    answers = redis(address, names)
    _check_rows(address, {i + 1: int(text) for i, text in enumerate(answers) if text})
