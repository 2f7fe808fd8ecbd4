# SPDX-License-Identifier: MIT
"""Fixtures: the configurations, the server each is tested with, servers of a test's own."""

from pathlib import Path
from typing import Any, Iterator

import pytest

from support.configurations import Configuration, params
from support.limits import raise_open_files
from support.server import Launcher, Server, SharedServer
from support.site import build

pytest_plugins = ["support.database_fixtures", "support.contained"]


def pytest_configure() -> None:
    raise_open_files()


@pytest.fixture(scope="session", params=params())
def configuration(request: Any) -> Configuration:
    found: Configuration = request.param
    return found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that /files/ serves."""
    return build(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def the_server(configuration: Configuration, site: Path) -> Iterator[SharedServer]:
    shared = SharedServer(configuration, f"--root={site}")
    yield shared
    shared.stop()


@pytest.fixture
def server(the_server: SharedServer) -> Server:
    """The one server of this configuration for tests that leave it as they found it."""
    return the_server.running()


@pytest.fixture
def launch(configuration: Configuration) -> Iterator[Launcher]:
    """Servers of the test's own."""
    launcher = Launcher(configuration)
    try:
        yield launcher
        launcher.stop()
    finally:
        launcher.kill()
