# SPDX-License-Identifier: MIT
"""slowhttptest against one server: an outside opinion on clients that are slow.

A trial starts the server and its twin, lets slowhttptest attack the one while a
probe asks both, waits until the attacked one is quiet again, and says what the
probe saw and what memory was left behind. A shorter attack comes first, so that
what any server touches once (buffers, stacks) does not count as growth.
"""

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from support import site
from support.configurations import Configuration
from support.probe import Delays, Probe
from support.server import Server
from support.variant import patience
from support.waiting import eventually

# Bytes that memory may differ by and not count as having grown: of the server, or of each process,
# which does not come to its full number of connections in every attack.
GROWTH, GROWTH_EACH = 1 << 20, 1 << 17
LATE = 0.1  # seconds: a probe answered so much later than on the twin is late

# What each mode is given beside the number, rate and length: data every second or two, as slow as
# it goes. A slow reader asks five times over for a file of 4 MB.
MODES: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    "H": ("/hello", ("-i", "2", "-x", "24")),
    "B": ("/echo", ("-i", "1", "-x", "16", "-s", "8192")),
    "X": ("/files/big.bin", ("-w", "1", "-y", "64", "-n", "1", "-z", "16", "-k", "5")),
}


@dataclass
class Attack:
    """How hard: connections in all, new ones a second, and for how many seconds."""

    connections: int
    rate: int
    seconds: int


@dataclass
class Outcome:
    """Of one trial."""

    delays: Delays
    open_most: int  # connections that the server had open at once
    memory_before: int  # bytes, of all the server's processes, after the first, short attack
    memory_after: int
    memory_allowed: int
    descriptors_grown: int


def run_attack(server: Server, mode: str, attack: Attack) -> int:
    """Runs slowhttptest to its end; the most connections that the server had open at once."""
    host, port = server.tcp_address
    path, options = MODES[mode]
    command = ["slowhttptest", f"-{mode}", "-u", f"http://{host}:{port}{path}", *options]
    command += ["-c", str(attack.connections), "-r", str(attack.rate), "-l", str(attack.seconds)]
    # -p: its own probe is not what is judged here.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*command, "-p", "10", "-v", "1"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            most = 0
            limit = time.monotonic() + patience(60) + attack.seconds
            while process.poll() is None:
                assert time.monotonic() < limit, "slowhttptest does not end"
                most = max(most, server.open_connections())
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    assert "Test ended on" in said, f"slowhttptest has not attacked:\n{said[-2000:]}"
    return most


def _quiet(server: Server) -> None:
    """Waits until no connection is left; slow ones have a while to live."""
    eventually("no connection is left", server.open_connections, lambda n: n == 0, within=60)


def _settled_memory(server: Server) -> int:
    """Once it falls no more: idle coroutines, for one, are given back bit by bit."""
    now = server.memory()
    while True:
        time.sleep(0.6)  # some of the server's ticks
        before, now = now, server.memory()
        if now > before - (1 << 16):
            return now


def _descriptors(server: Server) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir()))
               for pid in [server.pid, *server.worker_pids()])


# Runs a command before all that has no such priority; takes root.
REALTIME = ("chrt", "--fifo", "1")


def trial(
    configuration: Configuration,
    options: List[str],
    mode: str,
    attack: Attack,
    prefix: Sequence[str] = (),
) -> Outcome:
    """One trial of the server in that configuration, with these options beside; prefix is a
    command that servers and probe are run under."""
    with tempfile.TemporaryDirectory(prefix="server-slow-") as folder:
        root = f"--root={site.build(Path(folder))}"
        attacked = Server(configuration, root, *options, prefix=prefix)
        twin = None
        try:
            twin = Server(configuration, root, *options, prefix=prefix)
            first = Attack(attack.connections, attack.rate, max(2, attack.seconds // 4))
            run_attack(attacked, mode, first)
            _quiet(attacked)
            before, descriptors = _settled_memory(attacked), _descriptors(attacked)
            allowed = before + max(GROWTH, GROWTH_EACH * len(attacked.worker_pids()))
            with Probe(attacked.address, twin.address, prefix) as probe:
                most = run_attack(attacked, mode, attack)
            _quiet(attacked)
            assert probe.delays is not None, "the probe has died"
            outcome = Outcome(
                delays=probe.delays,
                open_most=most,
                memory_before=before,
                memory_after=_settled_memory(attacked),
                memory_allowed=allowed,
                descriptors_grown=_descriptors(attacked) - descriptors,
            )
            attacked.stop()
            twin.stop()
            return outcome
        finally:
            attacked.kill()
            if twin is not None:
                twin.kill()


def faults(outcome: Outcome, late: float = LATE) -> List[str]:
    """What is wrong with the outcome; empty when nothing is."""
    found = list(outcome.delays.failures[:3])
    if outcome.delays.rounds == 0:
        found.append("nothing was probed")
    elif outcome.delays.delay > late:
        found.append(
            f"{1000 * outcome.delays.delay:.0f} ms later than its twin,"
            f" {outcome.delays.delay_at:.1f} s after the beginning"
        )
    if outcome.memory_after > outcome.memory_allowed:
        found.append("memory has grown")
    if outcome.descriptors_grown > 0:
        found.append(f"{outcome.descriptors_grown} descriptors more")
    return found
