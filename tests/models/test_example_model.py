# SPDX-License-Identifier: MIT
"""The model that models/model.h shows as its example is one: as it stands there it compiles, and serves."""

import json
import os
import re
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

import pytest

from support.client import message
from support.configurations import Configuration
from support.server import Launcher, Server
from support.variant import ROOT, VARIANT, patience
from support.waiting import eventually

pytestmark = pytest.mark.skipif(VARIANT == "tsan", reason="a pool of processes, as prefork")

WORKERS = 4
EXAMPLE = Configuration("example", ("--model=example", f"--workers={WORKERS}"))


def _example() -> str:
    """The lines of the header's comment that stand in by four, from the first #include on."""
    header = (ROOT / "models" / "model.h").read_text(encoding="utf-8")
    lines = header.partition("*/\n#ifndef")[0].splitlines()
    found = [line[7:] for line in lines if line.startswith(" *     ") or line == " *"]
    text = "\n".join(found)
    return text[text.index("#include") :].strip() + "\n"


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server of this build with one model more: its file, and its name in models.c, twice."""
    folder = tmp_path_factory.mktemp("example")
    build = ROOT / "build" / VARIANT
    table = (ROOT / "models" / "models.c").read_text(encoding="utf-8")
    table = table.replace("stealing_model;", "stealing_model, example_model;")
    table = table.replace("&stealing_model,", "&stealing_model, &example_model,")
    (folder / "models.c").write_text(table, encoding="utf-8")
    (folder / "example.c").write_text(_example(), encoding="utf-8")
    libraries = re.search(r"^LIBS +:= (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert libraries
    made = folder / "server"
    # As each file of the tree is compiled; what is defined here is not taken from the archives.
    command = [*(build / "flags").read_text(encoding="utf-8").split(), "-Werror", "-o", str(made)]
    sources = [build / "src/main.o", folder / "example.c", folder / "models.c"]
    command += map(str, [*sources, build / "libserver.a", build / "libcoro.a"])
    done = subprocess.run(
        command + libraries.group(1).split(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience(60),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def launch(binary: Path) -> Iterator[Callable[..., Server]]:
    launcher = Launcher(EXAMPLE)
    try:
        yield partial(launcher, binary=str(binary))
        launcher.stop()
    finally:
        launcher.kill()


REQUEST = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_REQUEST = b"GET /sleep?ms=300 HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = "Hello, World!"


def test_it_is_listed(binary: Path) -> None:
    done = subprocess.run([binary, "--list-models"], capture_output=True, text=True, timeout=10, check=True)
    assert "\nexample   a process for each connection\n" in done.stdout


def test_it_keeps_connections_alive(launch: Callable[..., Server]) -> None:
    with launch().connect() as connection:
        for _ in range(3):
            assert connection.get("/hello").text == HELLO
        assert connection.get("/sleep?ms=20").status == 200
        connection.send(REQUEST * 5)
        assert [connection.read_response().text for _ in range(5)] == [HELLO] * 5


def test_who_finds_no_worker_waits_for_one(launch: Callable[..., Server]) -> None:
    server = launch()
    clients = [server.connect() for _ in range(WORKERS)]
    assert len({json.loads(client.get("/whoami").text)["pid"] for client in clients}) == WORKERS
    with server.connect() as late:
        late.send(REQUEST)
        clients.pop().close()
        assert late.read_response().text == HELLO
    for client in clients:
        client.close()


def test_places_are_limited(launch: Callable[..., Server]) -> None:
    server = launch("--max-connections=1")
    with server.connect() as first, server.connect() as second:
        assert first.get("/hello").status == 200
        second.send(REQUEST)
        first.close()
        assert second.read_response().text == HELLO


def test_an_idle_connection_is_closed_in_time(launch: Callable[..., Server]) -> None:
    with launch("--keepalive-timeout=0.2").connect() as connection:
        assert connection.get("/hello").status == 200
        assert connection.read_to_end() == b""


def test_a_killed_worker_is_replaced(launch: Callable[..., Server]) -> None:
    server = launch()
    before = set(server.worker_pids())
    os.kill(before.pop(), signal.SIGKILL)
    eventually("another is started", lambda: set(server.worker_pids()) - before, bool)
    assert server.get("/hello").text == HELLO


def test_who_has_served_enough_is_replaced(launch: Callable[..., Server]) -> None:
    server = launch("--max-requests=3")
    before = set(server.worker_pids())
    for _ in range(3 * WORKERS):
        assert server.get("/hello").text == HELLO
    eventually("one is replaced", lambda: before - set(server.worker_pids()), bool)


def test_a_reload_loses_nobody(launch: Callable[..., Server]) -> None:
    server = launch()
    with server.connect() as busy:
        busy.send(SLOW_REQUEST)
        server.signal(signal.SIGHUP)
        server.wait_for_line("reloaded")
        assert server.get("/hello").text == HELLO
        assert busy.read_response().status == 200


def test_a_stop_drains(launch: Callable[..., Server]) -> None:
    server = launch()
    with server.connect() as idle, server.connect() as busy:
        assert idle.get("/hello").status == 200
        busy.send(message("POST", "/echo", "Expect: 100-continue", "Content-Length: 1"))
        assert busy.read_head().status == 100  # it is served, and not answered before its body comes
        server.signal(signal.SIGTERM)
        eventually("it is stopping", server.refuses)
        busy.send(b"x")
        answer = busy.read_response("POST")
        assert (answer.status, answer.closes) == (200, True)
        assert idle.read_to_end() == b""
        assert server.wait() == 0


def test_who_waits_at_a_stop_is_served(launch: Callable[..., Server]) -> None:
    server = launch()
    busy = [server.connect() for _ in range(WORKERS)]
    for client in busy:
        assert client.get("/hello").status == 200
        client.send(SLOW_REQUEST)
    with server.connect() as late:
        late.send(REQUEST)
        server.signal(signal.SIGTERM)
        assert [client.read_response().status for client in busy] == [200] * WORKERS
        assert late.read_response().text == HELLO
    assert server.wait() == 0
    for client in busy:
        client.close()
