# SPDX-License-Identifier: MIT
"""Other servers: what is written for them, and, where installed, that they answer alike."""

import os
from pathlib import Path
from typing import Any

import made
import pytest
from lab.machine.children import Children
from lab.ask.plan import PEER_LOOPS, PEERS, Configuration, Cores
from lab.server import peer_app, peers, site
from lab.server.client import Client
from lab.measure import syscalls
from lab.measure.sample import Count

CORES = Cores(tuple(sorted(os.sched_getaffinity(0)))[:1], tuple(sorted(os.sched_getaffinity(0)))[-1:])


def written(name: str) -> str:
    return peers.configuration_text(name, Path("/folder"), 4321, 2 if name in PEER_LOOPS else 48)


@pytest.mark.parametrize("name", PEERS)
def test_what_is_written_stays_on_loopback_and_in_its_folder(name: str) -> None:
    text = written(name)
    assert "127.0.0.1" in text and "4321" in text and "0.0.0.0" not in text
    allowed = ("/folder", "/dev/stderr", peers.APACHE_MODULES, "/json", "/hello")
    for word in text.replace('"', " ").replace("'", " ").replace(";", " ").split():
        assert not word.startswith("/") or word in ("/:", "/>") or word.startswith(allowed), word


@pytest.mark.parametrize(
    "name, lines",
    [
        ("apache-prefork", ["StartServers 48", "MaxRequestWorkers 48", "mod_mpm_prefork.so"]),
        ("apache-worker", ["ThreadsPerChild 48", "MaxRequestWorkers 48", "mod_mpm_worker.so"]),
        ("gunicorn-sync", ["workers = 48", "threads = 1"]),
        ("gunicorn-gthread", ["workers = 1", "threads = 48"]),
        ("nginx", ["access_log off", "worker_processes 2"]),
    ],
)
def test_pools_are_as_large_as_asked_for(name: str, lines: list[str]) -> None:
    text = written(name)
    for line in lines:
        assert line in text


def test_apache_looks_for_htaccess_in_no_directory() -> None:
    """It would open a file that is not there for each directory above the site, every request."""
    text = written("apache-prefork")
    everywhere = text[text.index("<Directory />") : text.index("</Directory>")]
    assert "AllowOverride None" in everywhere


def ask(path: str, query: str = "") -> tuple[str, bytes]:
    said: list[str] = []
    environ = {"PATH_INFO": path, "QUERY_STRING": query}
    body = peer_app.application(environ, lambda status, fields: said.append(status))
    return said[0], b"".join(body)


@pytest.mark.parametrize(
    "path, query, body",
    [
        ("/hello", "", b"Hello, World!"),
        ("/json", "", b'{"message":"Hello, World!"}'),
        ("/sleep", "ms=1", b"slept 1\n"),
        ("/cpu", "n=10", b"computed\n"),
        ("/mix", "cpu=10&wait=1&rounds=2", b"mixed\n"),
    ],
)
def test_the_python_application_has_the_same_routes(path: str, query: str, body: bytes) -> None:
    assert ask(path, query) == ("200 OK", body)


@pytest.mark.parametrize("path", ["/nothing", "/files/../peers.py"])
def test_the_python_application_has_no_others(path: str) -> None:
    assert ask(path)[0] == "404 Not Found"


@pytest.mark.parametrize("name", PEERS)
def test_an_installed_peer_answers_as_we_do_and_ends(name: str, tmp_path: Path) -> None:
    if peers.missing([name]):
        pytest.skip(f"{name} is not installed")
    tmp_path.chmod(0o755)
    with site.folder() as folder, Children() as children:
        configuration = Configuration(name, 1 if name == "gunicorn-gevent" else 4, CORES.server, CORES.load)
        with peers.start(children, configuration, folder) as server:
            with Client(server.port, 30.0) as client:
                assert client.get("/hello").body == b"Hello, World!"
            with Client(server.port, 30.0) as client:
                body = client.get("/files/100k").body
            assert body == (folder / site.NAME / "files/100k").read_bytes()
            assert server.worker_pids()
        assert not server.alive()
    assert not folder.exists()


STRACE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 57.94    0.011588          11      1042           sendto
 30.53    0.006106           5      1107         3 recvfrom
  0.00    0.000000           0         1           mmap
------ ----------- ----------- --------- --------- ----------------
100.00    0.017694           8      2150         3 total
"""


def test_straces_table_is_read() -> None:
    calls = syscalls.parse(STRACE)
    assert calls == {"sendto": 1042, "recvfrom": 1107, "mmap": 1}
    counted = Count("hello", 64, "coro", 1000, calls)
    assert counted.a_request == pytest.approx(2.15)
    assert syscalls.parse("") == {}


def test_without_strace_no_server_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.measure.syscalls.shutil.which", lambda name: None)
    nothing: Any = None
    assert syscalls.count(nothing, made.cell(), made.CORO) is None


def test_missing_peers_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.server.peers.shutil.which", lambda *args, **kwargs: None)
    assert peers.missing(["nginx", "apache-event"]) == ["nginx", "apache-event"]
    with pytest.raises(Exception, match="scripts/deps --peers"):
        peers.command(Configuration("nginx", 1, *made.OWN), Path("/nowhere"), 1)
