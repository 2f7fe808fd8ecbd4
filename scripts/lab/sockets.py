# SPDX-License-Identifier: MIT
"""Which of the load generator's connections never got an answer.

wrk does not tell. The kernel does: sock_diag (sock_diag(7)) lists TCP sockets with their
tcp_info, which counts the bytes received on each. Asking costs the measured programs
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
TCP_ESTABLISHED = 1
# struct inet_diag_msg: four bytes, the socket's id (48 bytes), five words.
MESSAGE_BYTES = 72
# Offset of tcpi_bytes_received in struct tcp_info (linux/tcp.h; fixed by the ABI).
BYTES_RECEIVED_OFFSET = 128


@dataclass(frozen=True)
class Connections:
    established: int
    unanswered: int


def _request(port: int) -> bytes:
    # struct inet_diag_req_v2; the kernel's own filter by port is for bound ports only, so
    # the peer's port is compared here.
    sockid = struct.pack("!HH", 0, port) + bytes(32) + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    body = struct.pack(
        "=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0, 1 << TCP_ESTABLISHED
    )
    body += sockid
    header = struct.pack("=IHHII", 16 + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 1, 0)
    return header + body


def _bytes_received(attributes: bytes) -> int | None:
    """tcpi_bytes_received out of a message's attributes, None if the kernel left it out."""
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, offset)
        if length < 4:
            return None
        if kind == INET_DIAG_INFO and length >= 4 + BYTES_RECEIVED_OFFSET + 8:
            (value,) = struct.unpack_from("=Q", attributes, offset + 4 + BYTES_RECEIVED_OFFSET)
            return int(value)
        offset += (length + 3) & ~3
    return None


def connections_to(port: int) -> Connections | None:
    """Connections made to a local port, seen from the client's end.

    None where the kernel does not offer this (sock_diag not built in or not permitted).
    """
    established = unanswered = 0
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(1.0)
            netlink.send(_request(port))
            while True:
                data = netlink.recv(1 << 18)
                offset = 0
                while offset + 16 <= len(data):
                    length, kind = struct.unpack_from("=IH", data, offset)
                    if kind == NLMSG_DONE:
                        return Connections(established, unanswered)
                    if kind == NLMSG_ERROR or length < 16:
                        return None
                    message = data[offset + 16 : offset + length]
                    (peer_port,) = struct.unpack_from("!H", message, 6)
                    if peer_port == port:
                        received = _bytes_received(message[MESSAGE_BYTES:])
                        if received is None:
                            return None
                        established += 1
                        unanswered += received == 0
                    offset += (length + 3) & ~3
    except OSError:
        return None
