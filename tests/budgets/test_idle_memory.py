# SPDX-License-Identifier: MIT
"""User memory for an idle keep-alive connection: the difference that many of them make."""

import os

import pytest

from counting import idle_bytes
from support.configurations import per_request
from support.limits import need_open_files
from support.server import Launcher
from support.variant import VARIANT

CONNECTIONS = int(os.environ.get("IDLE_CONNECTIONS", "2000"))
BUDGET = 512  # bytes

pytestmark = pytest.mark.skipif(VARIANT != "release", reason="a sanitizer's memory is not the server's")


@per_request
def test_idle_connections(launch: Launcher) -> None:
    """What a connection holds in the model whose workers belong to connections is a worker."""
    need_open_files(CONNECTIONS)
    server = launch()
    each = idle_bytes(server, CONNECTIONS)
    print(f"{server.configuration.name}: {each:.0f} of {BUDGET} bytes for an idle connection")
    assert each <= BUDGET
