# SPDX-License-Identifier: MIT
"""What /proc says of the server's processes."""

import os
import re
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple


def _stat(pid: int) -> Tuple[str, List[str]]:
    """The state letter and the fields after it of /proc/PID/stat."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], fields[1:]


def _all_pids() -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def children(pid: int, but: Sequence[int] = ()) -> List[int]:
    """The living child processes of pid, zombies not counted, nor those in but."""
    found = []
    for other in _all_pids():
        try:
            state, fields = _stat(other)
        except (OSError, ValueError):
            continue
        if int(fields[0]) == pid and state not in "ZX" and other not in but:
            found.append(other)
    return sorted(found)


def alive(pid: int) -> bool:
    """True while pid is a process that is not a zombie."""
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def state(pid: int) -> str:
    """The letter of its state: R, S, T (stopped), Z ...; nothing where it is no more."""
    try:
        return _stat(pid)[0]
    except OSError:
        return ""


def traced(pid: int) -> bool:
    """A tracer is attached to it."""
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def descriptors(pid: int) -> int:
    """How many file descriptors pid has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def room_for_descriptors(pid: int) -> int:
    """How many its table, or the one it shares, has room for before the kernel makes it larger."""
    return int(re.findall(r"^FDSize:\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[0])


def cpu_seconds(pid: int) -> float:
    """User and system time of pid so far."""
    _, fields = _stat(pid)
    ticks = int(fields[10]) + int(fields[11])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    """The process's proportional share of memory, but that of files: the program and libraries
    are shared with whatever other server is running beside, and grow when that one ends."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.findall(r"^(?:Pss_Anon|Pss_Shmem): +(\d+) kB$", text, re.MULTILINE)
    assert len(found) == 2, f"no Pss lines for process {pid}"
    return sum(map(int, found)) * 1024


def system_call(pid: int) -> str:
    """The number of the one that the first thread of pid waits in, or "running"."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0]


def in_nanosleep(pid: int) -> bool:
    """True when a thread of pid is in the system call clock_nanosleep (x86-64 or AArch64)."""
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            call = Path(f"/proc/{pid}/task/{task}/syscall").read_text()
        except OSError:  # it has just ended
            continue
        if call.split()[0] in ("230", "115"):
            return True
    return False
