# SPDX-License-Identifier: MIT
"""Counters from /proc, against what this process itself does."""

import os
import resource
import socket
import subprocess
import sys
import time
import threading
from pathlib import Path

import made  # noqa: F401  makes the lab importable
import pytest
from lab.machine import procfs, sockets
from lab.machine.procfs import Usage

FIRST = Path(f"/proc/self/task/{os.getpid()}")  # the first thread


def test_usage_sums_over_threads_not_the_first_alone() -> None:
    begin, finish = threading.Event(), threading.Event()

    def work() -> None:
        begin.wait()
        sum(range(3_000_000))
        finish.wait()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    before = procfs.usage([os.getpid()])
    start = procfs.thread_usage(FIRST)
    begin.set()
    while procfs.cpu_seconds([os.getpid()]) - before.cpu_s < 0.01:
        pass
    total = procfs.usage([os.getpid()]) - before
    first = procfs.thread_usage(FIRST) - start
    finish.set()
    for worker in workers:
        worker.join()
    assert total.cpu_s >= 0.01
    assert total.cpu_s > first.cpu_s
    assert total.voluntary_switches + total.involuntary_switches > 0


def test_the_tree_below_a_process_is_found() -> None:
    # A shell, a shell below it, and below that one cat that ends with its input.
    inner = "cat; true"
    outer = subprocess.Popen(
        ["sh", "-c", f"echo up; sh -c '{inner}'; true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert outer.stdin and outer.stdout
    outer.stdout.readline()
    while len(found := procfs.descendants(outer.pid)) < 2:
        pass
    assert outer.pid not in found
    assert procfs.parent_of(found[0]) in (outer.pid, *found)
    assert outer.pid in procfs.descendants(os.getpid())
    outer.communicate()
    assert procfs.descendants(outer.pid) == []


def test_what_has_ended_reads_as_nothing() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert procfs.parent_of(child.pid) is None
    assert procfs.usage([child.pid]) == Usage()
    assert procfs.spent_seconds([child.pid]) == 0.0
    assert procfs.pss_bytes(child.pid) == 0


def test_memory_of_a_process() -> None:
    assert procfs.pss_bytes(os.getpid()) > 1 << 20


def test_cpu_times_are_of_the_cores_asked_for_and_count_guests_once() -> None:
    times = " ".join(str(n * procfs.TICKS_PER_S) for n in (1, 2, 3, 100, 50, 4, 5, 6, 9, 9))
    text = f"cpu  {times}\ncpu0 {times}\ncpu1 {times}\ncpu10 {times}\nintr 5 6\n"
    assert procfs.parse_cpu_times(text, {0}) == (15.0, 6.0, 171.0)
    assert procfs.parse_cpu_times(text, {0, 1}) == (30.0, 12.0, 342.0)
    assert procfs.parse_cpu_times(text, {2}) == (0.0, 0.0, 0.0)


def test_a_threads_switches_are_those_that_getrusage_counts() -> None:
    def asked() -> list[int]:
        own = resource.getrusage(resource.RUSAGE_THREAD)
        return [own.ru_nvcsw, own.ru_nivcsw]

    time.sleep(0.001)
    before = asked()
    read = procfs.thread_usage(Path(f"/proc/self/task/{threading.get_native_id()}"))
    switches = [read.voluntary_switches, read.involuntary_switches]
    assert all(low <= value <= high for low, value, high in zip(before, switches, asked()))


def test_readings_are_subtracted() -> None:
    assert Usage(2.0, 1.0, 5, 4) - Usage(0.5, 0.5, 1, 1) == Usage(1.5, 0.5, 4, 3)


def test_machine_counters_grow() -> None:
    cpus = os.sched_getaffinity(0)
    first, second = procfs.machine(cpus), procfs.machine(cpus)
    assert second.total_s >= first.total_s > 0
    assert first.busy_s <= first.total_s


def test_connections_without_an_answer_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        peers = [listener.accept()[0] for _ in clients]
        seen = sockets.connections_to(port)
        if seen is not None:  # the kernel may not offer it
            assert (seen.established, seen.unanswered) == (3, 3)
            peers[1].sendall(b"x")
            clients[1].recv(1)
            now = sockets.connections_to(port)
            assert now is not None and (now.established, now.unanswered) == (3, 2)
            assert sockets.held_by_server(port) == 3
            clients[0].close()
            assert sockets.held_by_server(port) == 3
        for each in clients + peers:
            each.close()


def test_the_kernel_times_what_is_in_progress() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        peers = [listener.accept()[0] for _ in clients]
        sent = []  # when each did, between these times: this may be held up at any line
        for client in clients:
            sent.append([time.monotonic()])
            client.sendall(b"x")
            sent[-1].append(time.monotonic())
            time.sleep(0.1)
            peers[0].sendall(b"a part of an answer does not end it")
            time.sleep(0.1)
        asked = time.monotonic()
        seen = sockets.connections_to(port)
        told = time.monotonic()
        if seen is not None:  # the mean of both, by the kernel's ticks
            at_least = sum(asked - after for _, after in sent) / 2
            at_most = sum(told - before for before, _ in sent) / 2
            assert at_least - 0.012 <= seen.waiting_us / 1e6 <= at_most + 0.012
            assert seen.waiting_us >= 280_000  # the mean of 400 ms and 200
        for each in clients + peers:
            each.close()


def test_a_process_that_has_spent_less_than_a_tick_counts() -> None:
    before = time.process_time()
    spent = procfs.spent_seconds([os.getpid()]) - procfs.reaped_seconds(os.getpid())
    assert before - 1e-9 <= spent <= time.process_time() + 1e-9


def test_who_is_waited_for_while_cpu_time_is_read_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child is there, then what it spent is its parent's, then all is still."""
    seen = iter([[2, 3], [2], [2], [2]])
    monkeypatch.setattr(procfs, "descendants", lambda root: next(seen, [2]))
    monkeypatch.setattr(procfs, "spent_seconds", lambda pids: 0.5 if 3 in pids else 2.0)
    assert procfs.spent_below(1) == 2.0
    turns = iter(range(1000))
    monkeypatch.setattr(procfs, "descendants", lambda root: [next(turns)])
    assert procfs.spent_below(1) == 2.0  # it gives up in the end


def test_children_that_have_ended_are_not_forgotten() -> None:
    before = procfs.reaped_seconds(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.1: pass"
    subprocess.run([sys.executable, "-S", "-c", burn], check=True)
    assert procfs.reaped_seconds(os.getpid()) - before >= 0.08  # ticks of 10 ms
    assert procfs.reaped_seconds(0) == 0.0
    assert procfs.spent_seconds([os.getpid()]) - before >= 0.08
