# SPDX-License-Identifier: MIT
"""Fixtures: the configurations, the server each is tested with, servers of a test's own."""

from pathlib import Path
from typing import Any, Iterator, List

import pytest

from support.configurations import ALL, Configuration, params
from support.limits import raise_open_files
from support.server import Launcher, Server, SharedServer
from support.site import build

pytest_plugins = ["support.database_fixtures", "support.contained"]


def pytest_configure() -> None:
    raise_open_files()


def _is_run(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    found = callspec and callspec.params.get("configuration")
    folders = found.folders if isinstance(found, Configuration) and not ALL else ()
    return not folders or item.path.parent.name in folders


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if not _is_run(item)])
    items[:] = [item for item in items if _is_run(item)]


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
