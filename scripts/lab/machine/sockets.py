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

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
INET_DIAG_INFO = 2
TCP_ESTABLISHED, TCP_CLOSE_WAIT = 1, 8
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


@dataclass(frozen=True)
class _Info:
    bytes_received: int
    since_sent_ms: int


@dataclass(frozen=True)
class _Socket:
    port: int
    peer_port: int
    info: _Info | None


def _request(states: int, info: bool) -> bytes:
    """struct inet_diag_req_v2 for every IPv4 socket in these states; ports are compared here."""
    extensions = 1 << (INET_DIAG_INFO - 1) if info else 0
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, extensions, 0, states)
    body += bytes(36) + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # any address, any port
    header = struct.pack("=IHHII", 16 + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0)
    return header + body


def _info(attributes: bytes) -> _Info | None:
    """What is used of tcp_info in a message's attributes, None if the kernel left it out."""
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, offset)
        if length < 4:
            return None
        if kind == INET_DIAG_INFO and length >= 4 + BYTES_RECEIVED_OFFSET + 8:
            (sent,) = struct.unpack_from("=I", attributes, offset + 4 + LAST_SENT_OFFSET)
            (received,) = struct.unpack_from("=Q", attributes, offset + 4 + BYTES_RECEIVED_OFFSET)
            return _Info(int(received), int(sent))
        offset += (length + 3) & ~3
    return None


def _sockets(states: int, info: bool) -> list[_Socket] | None:
    """None where the kernel does not offer this (sock_diag not built in or not permitted)."""
    found: list[_Socket] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(1.0)
            netlink.send(_request(states, info))
            while True:
                data = netlink.recv(1 << 18)
                offset = 0
                while offset + 16 <= len(data):
                    length, kind = struct.unpack_from("=IH", data, offset)
                    if kind == NLMSG_DONE:
                        return found
                    if kind == NLMSG_ERROR or length < 16:
                        return None
                    message = data[offset + 16 : offset + length]
                    port, peer_port = struct.unpack_from("!HH", message, 4)
                    found.append(_Socket(port, peer_port, _info(message[MESSAGE_BYTES:])))
                    offset += (length + 3) & ~3
    except OSError:
        return None


def connections_to(port: int) -> Connections | None:
    """Connections made to a local port, seen from the client's end; None: cannot be known."""
    found = _sockets(1 << TCP_ESTABLISHED, info=True)
    if found is None:
        return None
    clients = [each.info for each in found if each.peer_port == port]
    known = [info for info in clients if info is not None]
    if len(known) < len(clients):
        return None
    waiting_ms = sum(info.since_sent_ms for info in known) / len(known) if known else 0.0
    unanswered = sum(info.bytes_received == 0 for info in known)
    return Connections(len(known), unanswered, waiting_ms * 1e3)


def held_by_server(port: int) -> int | None:
    """Connections a server at this port has not yet closed, whether or not the client has."""
    found = _sockets(1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT, info=False)
    return None if found is None else sum(each.port == port for each in found)
