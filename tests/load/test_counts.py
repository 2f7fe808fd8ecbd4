# SPDX-License-Identifier: MIT
"""What scripts/load counts, against staged servers. Only counts: what no machine's mood changes."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from pathlib import Path

import pytest

from loading import BAD_USAGE, NOTHING, VOID, errors, finish, load, refused, run, start
from staged import CLOSE, KEEP, LEAVE, OK, RESET, Staged, path_of
from support.limits import need_open_files
from support.processes import room_for_descriptors
from support.variant import VARIANT, patience
from support.waiting import eventually

ASKED = ("--rate=500", "--duration=0.4", "--seed=7")
COUNT = 200


def test_every_request_of_the_schedule_is_made_and_counted() -> None:
    with Staged() as server:
        figures = load(*ASKED, server.url).figures
    assert (figures["requests"], figures["answered"]) == (COUNT, COUNT)
    assert (figures["statuses"], errors(figures)) == ({"200": COUNT}, {})
    assert (figures["seed"], figures["rate_asked"], figures["rate_offered"]) == (7, 500, 500)
    assert figures["unfinished"]["count"] == 0 and figures["stopped"] is None
    assert figures["bytes"] == COUNT * len(OK)
    assert figures["connections"]["opened"] == server.connections - 1  # the first looked whether one is there
    assert len(server.requests) == COUNT
    assert set(server.requests) == {b"GET / HTTP/1.1\r\nHost: " + server.url[7:-1].encode() + b"\r\n\r\n"}


@pytest.mark.parametrize(
    ("answer", "then", "kind"),
    [
        (b"", RESET, "reset"),
        (b"", CLOSE, "reset"),
        (OK[:-1], RESET, "short"),
        (OK[:-1], CLOSE, "short"),
        (b"HTTP/1.1 OK\r\n\r\n", CLOSE, "malformed"),
        (OK + b"more", KEEP, "malformed"),
    ],
)
def test_what_is_no_answer_is_counted_by_its_kind(answer: bytes, then: str, kind: str) -> None:
    with Staged(lambda _request: (answer, then)) as server:
        figures = load(*ASKED, server.url).figures
    assert (figures["requests"], figures["answered"], errors(figures)) == (COUNT, 0, {kind: COUNT})
    assert figures["latency_us"]["max"] in (0, None)  # nobody knows how long they would have taken


def test_the_refused_are_counted() -> None:
    def leave(_request: bytes) -> tuple[bytes, str]:
        return OK.replace(b"200 OK", b"200 OK\r\nConnection: close"), LEAVE

    with Staged(leave) as server:
        figures = load(*ASKED, "--connections=1", server.url).figures
    assert (figures["answered"], errors(figures)) == (1, {"connect": COUNT - 1})


def test_the_unanswered_time_out() -> None:
    with Staged(lambda _request: (b"", KEEP)) as server:
        figures = load(*ASKED, "--timeout=0.1", "--connections=20", server.url).figures
    # What waits for a connection runs out of time too; at the end nothing is left.
    assert sum(errors(figures).values()) == COUNT and errors(figures)["timeout"] > COUNT / 2
    assert figures["latency_us"]["p50"] >= 100e3
    assert figures["connections"]["most"] == 20


def test_what_is_out_at_the_end_is_counted_with_its_age() -> None:
    with Staged(lambda _request: (b"", KEEP)) as server:
        figures = load(*ASKED, "--drain=0.2", server.url).figures
    assert errors(figures) == {"unfinished": COUNT}
    assert figures["unfinished"]["count"] == COUNT
    assert figures["unfinished"]["oldest_us"] >= 550e3  # all but the time to the first arrival
    assert figures["latency_us"]["max"] >= 550e3 and figures["latency_us"]["p50"] >= 350e3


def test_statuses_are_counted_and_paths_drawn_by_weight() -> None:
    answers = {"/a": b"200 OK", "/b?c=d": b"404 Not Found", "/c": b"500 Oh"}

    def by_path(request: bytes) -> tuple[bytes, str]:
        return b"HTTP/1.1 " + answers[path_of(request)] + b"\r\nContent-Length: 0\r\n\r\n", KEEP

    arguments = (*ASKED, "--path=/a*5", "--path=/b?c=d*3", "--path=/c*2")
    with Staged(by_path) as server:
        first = load(*arguments, server.url).figures
        drawn = [path_of(request) for request in server.requests]
        again = load(*arguments, server.url).figures
    counts = {path: drawn.count(path) for path in answers}
    assert first["statuses"] == {"200": counts["/a"], "404": counts["/b?c=d"], "500": counts["/c"]}
    assert first["paths"] == {"/a": 0.5, "/b?c=d": 0.3, "/c": 0.2}
    assert abs(counts["/a"] - 100) < 30 and abs(counts["/c"] - 40) < 25  # four sigma
    assert again["statuses"] == first["statuses"] and errors(first) == {}


def test_shares_make_the_whole_schedule() -> None:
    """Threads, and processes that have a share each."""

    def requests_of(*arguments: str) -> list[bytes]:
        with Staged() as server:
            figures = load(*ASKED, "--path=/a", "--path=/b*2", *arguments, server.url).figures
        assert figures["requests"] == figures["answered"] == len(server.requests)
        return sorted(request.split(b" ")[1] for request in server.requests)

    whole = requests_of()
    assert requests_of("--threads=3") == whole
    parts = [requests_of(f"--share={share}/3", "--threads=2") for share in range(3)]
    assert sorted(sum(parts, [])) == whole and [len(part) for part in parts] == [67, 67, 66]


def test_each_request_can_have_a_connection_of_its_own() -> None:
    with Staged() as server:
        figures = load(*ASKED, "--close", server.url).figures
    assert server.connections == COUNT + 1 and figures["connections"]["opened"] == COUNT
    assert errors(figures) == {}
    assert all(b"\r\nConnection: close\r\n" in request for request in server.requests)


def test_the_server_closes_first_where_it_says_so() -> None:
    """Else each request would take one of this host's ports for a minute."""
    closing = OK.replace(b"200 OK", b"200 OK\r\nConnection: close")
    with Staged(lambda _request: (closing, CLOSE)) as server:
        figures = load(*ASKED, server.url).figures
        eventually("all are closed", lambda: server.open == 0)
    assert (figures["answered"], server.connections, server.left) == (COUNT, COUNT + 1, 1)


@pytest.mark.skipif(VARIANT == "tsan", reason="ThreadSanitizer has room for 8,000 coroutines")
def test_so_many_connections_come_from_several_addresses() -> None:
    """One has 28,000 ports for a server, and more than half of them make the kernel slow."""
    need_open_files(10_050)
    asked = ("--rate=8000", "--duration=60", "--connections=10050", "--threads=3", "--timeout=60", "--drain=0")
    with Staged(lambda _request: (b"", KEEP)) as server:
        process = start(*asked, server.url)
        eventually("another address", lambda: server.addresses == {"127.0.0.1", "127.0.0.2"}, within=50)
        eventually("most of them", lambda: server.connections > 9_900, within=50)
        process.send_signal(signal.SIGINT)
        figures = finish(process).figures
    assert 9_900 <= figures["connections"]["most"] <= 10_050


def test_a_shortage_here_is_one_line() -> None:
    with Staged(lambda _request: (b"", KEEP)) as server:
        begin = time.time() + patience(2)
        process = start("--rate=200", "--duration=0.5", f"--start-at={begin}", "--drain=0.1", server.url)
        eventually("it waits to begin", lambda: server.left == 1)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (40, 40))
        loaded = finish(process)
    said = [line for line in loaded.summary.splitlines() if line.startswith("load: --connections=1000: ")]
    assert len(said) == 1 and "Too many open files: no descriptor is left; see ulimit -n" in said[0]
    refused_here = errors(loaded.figures)
    assert refused_here["connect"] > 50 and sum(refused_here.values()) == 100
    assert any(reason.startswith("short itself: ") for reason in loaded.figures["void"])


def test_a_body_is_posted(tmp_path: Path) -> None:
    body = os.urandom(300_000)
    (tmp_path / "body").write_bytes(body)
    with Staged() as server:
        figures = load("--rate=50", "--duration=0.2", f"--body=@{tmp_path / 'body'}", server.url).figures
    assert (figures["answered"], errors(figures)) == (10, {})
    assert {request.split(b"\r\n\r\n", 1)[1] for request in server.requests} == {body}
    assert {request.split(b" ")[0] for request in server.requests} == {b"POST"}


def test_a_unix_socket(tmp_path: Path) -> None:
    with Staged(unix=tmp_path / "socket") as server:
        figures = load(*ASKED, f"--unix={tmp_path / 'socket'}", "http://name/path").figures
    assert (figures["answered"], errors(figures)) == (COUNT, {})
    assert server.requests[0].startswith(b"GET /path HTTP/1.1\r\nHost: name\r\n")


def test_the_ramp_is_made_and_not_measured() -> None:
    with Staged() as server:
        figures = load(*ASKED, "--ramp=0.4", server.url).figures
    assert figures["requests"] == COUNT and len(server.requests) == COUNT + COUNT / 2
    assert figures["seconds"] == pytest.approx(0.4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_what_was_measured(number: signal.Signals) -> None:
    with Staged() as server:
        process = start("--rate=500", "--duration=3600", server.url)
        eventually("some requests", lambda: len(server.requests) >= 100)
        process.send_signal(number)
        loaded = finish(process, within=10)
    figures = loaded.figures
    assert figures["stopped"] == number.name
    assert figures["requests"] == figures["answered"] == len(server.requests) >= 100
    assert 0 < figures["seconds"] < 60 and figures["seconds_asked"] == 3600
    assert "answered" in loaded.summary


def test_what_ends_before_its_window_has_measured_nothing() -> None:
    with Staged() as server:
        process = start("--rate=500", "--ramp=100", server.url)
        eventually("some requests", lambda: len(server.requests) >= 10)
        process.send_signal(signal.SIGINT)
        loaded = finish(process, within=10)
    assert loaded.status == VOID and loaded.figures["requests"] == 0
    assert loaded.figures["void"] == ["measured nothing: it ended before a request was due"]


def test_a_second_signal_waits_for_nothing() -> None:
    with Staged(lambda _request: (b"", KEEP)) as server:
        process = start("--rate=500", "--duration=3600", "--timeout=3600", "--drain=3600", server.url)
        eventually("some requests", lambda: len(server.requests) >= 10)
        process.send_signal(signal.SIGINT)
        # One signal at a time: while the first is pending another of its kind would be lost.
        eventually("the first is read", lambda: not pending(process.pid))
        process.send_signal(signal.SIGINT)
        figures = finish(process, within=20).figures
    assert errors(figures) == {"unfinished": figures["requests"]}


def test_a_signal_ends_what_still_connects() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        port = full.getsockname()[1]
        process = start("--rate=1", "--timeout=3600", f"http://127.0.0.1:{port}/")
        eventually("it connects", lambda: f"0100007F:{port:04X} 02 " in Path("/proc/net/tcp").read_text())
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=patience(20))
    assert (process.returncode, said) == (-signal.SIGTERM, "")


def pending(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(line.startswith(("SigPnd", "ShdPnd")) and int(line.split()[1], 16) for line in lines)


def test_it_gives_up_when_the_oldest_request_is_too_old() -> None:
    with Staged(lambda _request: (b"", KEEP)) as server:
        figures = load("--rate=500", "--duration=3600", "--give-up=0.2", server.url).figures
    assert figures["stopped"] == "give-up" and figures["seconds"] < 60
    assert figures["unfinished"]["oldest_us"] >= 200e3
    assert errors(figures) == {"unfinished": figures["requests"]}


def test_it_begins_when_told() -> None:
    with Staged() as server:
        begin = time.time() + patience(2)
        process = start(*ASKED, f"--start-at={begin}", server.url)
        eventually("the first request", lambda: server.requests, within=30)
        assert time.time() >= begin
        assert finish(process).figures["started"] == pytest.approx(begin, abs=1e-3)


REFUSED: list[tuple[list[str], str]] = [
    ([], "expected the URL of a server"),
    (["--rate=0", "http://127.0.0.1/"], "--rate=0: expected requests a second, more than 0"),
    (["--rate=1", "ftp://127.0.0.1/"], "ftp://127.0.0.1/: expected http://HOST[:PORT]/PATH"),
    (["--rate=1", "--path=x", "http://127.0.0.1/"], "--path=x: expected /PATH"),
    (["--rate=1", "--rate", "--close", "http://127.0.0.1/"], "--rate=--close: expected requests a second"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_bad_usage_is_one_line(arguments: list[str], words: str) -> None:
    status, said = refused(*arguments)
    assert (status, said.count("\n")) == (BAD_USAGE, 1)
    assert said.startswith(f"load: {words}")


UNREACHABLE = [
    ("http://127.0.0.1:{port}/", "cannot connect: Connection refused\n"),
    ("http://nobody.invalid/", "no address of nobody.invalid: "),
]


@pytest.mark.parametrize(("url", "words"), UNREACHABLE)
def test_nobody_there_is_one_line(url: str, words: str) -> None:
    with socket.socket() as silent:  # nobody else is given its port, and it does not listen
        silent.bind(("127.0.0.1", 0))
        target = url.format(port=silent.getsockname()[1])
        status, said = refused("--rate=1", target)
    assert (status, said.count("\n")) == (NOTHING, 1)
    assert said.startswith(f"load: {target}: {words}")


def test_what_the_host_has_too_little_of_is_one_line() -> None:
    with Staged() as server:
        status, said = refused("--rate=1", "--connections=1000000", "--threads=256", server.url)
    if status == NOTHING:  # unless a million descriptors are allowed here
        assert said.count("\n") == 1
        assert said.startswith("load: --connections=1000000: needs 1002080 descriptors, and ulimit -Hn allows ")


def test_there_is_room_for_all_connections_before_the_first() -> None:
    """Who makes room in a table that threads share waits for the kernel, and what is due then is late."""
    with Staged() as server:
        process = start("--rate=10", "--duration=3600", "--connections=5000", server.url)
        eventually("there is room", lambda: room_for_descriptors(process.pid) >= 5000)
        eventually("a request", lambda: server.requests)
        process.send_signal(signal.SIGINT)
        finish(process)


def test_a_json_that_cannot_be_made_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    with Staged() as server:
        status, said = refused("--rate=1", "--duration=600", f"--json={tmp_path / 'no' / 'file'}", server.url)
    assert status == NOTHING
    assert said == f"load: --json={tmp_path / 'no' / 'file'}: No such file or directory\n"


def test_a_json_that_cannot_be_written_loses_no_figures() -> None:
    with Staged() as server:
        done = run("--rate=100", "--duration=0.1", "--json=/dev/full", server.url)
    assert done.returncode == NOTHING
    assert "load: --json=/dev/full: " in done.stderr
    assert "answered" in done.stdout


@pytest.mark.skipif(VARIANT != "release", reason="a sanitizer takes more time than there is to spin")
def test_it_spins_for_as_long_as_it_is_told() -> None:
    def used_s(spin_us: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with Staged() as server:
            load(*ASKED, f"--spin={spin_us}", server.url)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert used_s(0) < used_s(4000) / 2
