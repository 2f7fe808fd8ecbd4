# SPDX-License-Identifier: MIT
"""Which of the load generator's connections never got an answer, and how long they all wait.

wrk does not tell. The kernel does: sock_diag (sock_diag(7)) lists TCP sockets with their
tcp_info, which counts the bytes received on each and times the last that were sent, which is
when the request in progress began. Asking costs the measured programs
nothing, unlike a hook in the load generator.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Iterator

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
INET_DIAG_INFO = 2
TCP_ESTABLISHED, TCP_CLOSE_WAIT = 1, 8
# What begins a message (struct nlmsghdr) and an attribute of one (struct nlattr): the length of
# all of it, its type; of a message then flags, number and sender.
MESSAGE, ATTRIBUTE = struct.Struct("=IH10x"), struct.Struct("=HH")
# struct inet_diag_msg: four bytes, the socket's id (48 bytes), five words.
MESSAGE_BYTES = 72
# Offsets of tcpi_last_data_sent (in ms, by the kernel's tick) and tcpi_bytes_received in struct
# tcp_info (linux/tcp.h; fixed by the ABI).
LAST_SENT_OFFSET = 44
BYTES_RECEIVED_OFFSET = 128


@dataclass(frozen=True)
class Connections:
    """waiting_us: since each sent its last request; the mean."""

    established: int
    unanswered: int
    waiting_us: float = 0.0


def _request(states: int, port: int, peer_port: int) -> bytes:
    """struct inet_diag_req_v2 for IPv4 sockets in these states; a port of 0 is any."""
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0, states)
    body += struct.pack("!HH32x", port, peer_port)
    body += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # any interface, no cookie
    header = struct.pack("=IHHII", 16 + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0)
    return header + body


def _parts(data: bytes, head: struct.Struct) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each message, or of each attribute."""
    offset = 0
    while offset + head.size <= len(data):
        length, kind = head.unpack_from(data, offset)
        yield kind, data[offset + head.size : offset + length]
        offset += max((length + 3) & ~3, head.size)


def _sockets(states: int, port: int = 0, peer_port: int = 0) -> list[bytes] | None:
    """The attributes of each; None where the kernel does not offer this (sock_diag not built in or
    not permitted)."""
    found: list[bytes] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(1.0)
            netlink.send(_request(states, port, peer_port))
            while True:
                for kind, message in _parts(netlink.recv(1 << 18), MESSAGE):
                    if kind == NLMSG_DONE:
                        return found
                    if kind == NLMSG_ERROR:
                        return None
                    found.append(message[MESSAGE_BYTES:])
    except OSError:
        return None


def connections_to(port: int) -> Connections | None:
    """Connections made to a local port, seen from the client's end; None: cannot be known."""
    found = _sockets(1 << TCP_ESTABLISHED, peer_port=port)
    if found is None:
        return None
    unanswered = waiting_ms = 0
    for attributes in found:
        info = dict(_parts(attributes, ATTRIBUTE)).get(INET_DIAG_INFO, b"")
        if len(info) < BYTES_RECEIVED_OFFSET + 8:
            return None
        waiting_ms += struct.unpack_from("=I", info, LAST_SENT_OFFSET)[0]
        unanswered += struct.unpack_from("=Q", info, BYTES_RECEIVED_OFFSET)[0] == 0
    return Connections(len(found), unanswered, waiting_ms * 1e3 / max(1, len(found)))


def held_by_server(port: int) -> int | None:
    """Connections a server at this port has not yet closed, whether or not the client has."""
    found = _sockets(1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT, port=port)
    return None if found is None else len(found)
