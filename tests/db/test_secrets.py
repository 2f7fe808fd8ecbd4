# SPDX-License-Identifier: MIT
"""A database's password is shown to nobody: not by /, /status, an answer, the log or a refusal."""

import subprocess
from pathlib import Path

import pytest

from support.client import message
from support.configurations import per_request
from support.server import Launcher
from support.variant import BINARY, ROOT

SECRET = "S3cret"
HERE = "127.0.0.1:1/world"  # nobody listens there
URIS = {
    "plain": f"postgresql://app:{SECRET}@{HERE}",
    "hash": f"postgresql://app:{SECRET}#x@{HERE}",
    "quote": f'postgresql://app:{SECRET}"x@{HERE}',
    "space": f"postgresql://app:{SECRET} x@{HERE}",
    "question": f"postgresql://app:{SECRET}?x@{HERE}",
    "escaped": f"postgresql://app:x%40{SECRET}%2Fx@{HERE}",
    "long": f"postgresql://app:{SECRET}{'x' * 900}@{HERE}",
    "parameter": f"postgresql://app@{HERE}?password={SECRET}&application_name=my app",
}


@per_request
@pytest.mark.parametrize("spelling", URIS)
def test_nothing_shows_it(launch: Launcher, spelling: str) -> None:
    """The manual: of a PostgreSQL URI only host, port and database are ever shown."""
    server = launch(f"--db={URIS[spelling]}")
    assert server.status()["settings"]["db"] == f"postgresql://{HERE}"
    with server.connect() as connection:
        for target in ("/", "/status", "/db"):
            connection.send(message("GET", target, "Accept: text/html"))
            assert SECRET.encode() not in connection.read_response().body, target
    server.wait_for_line("--db: ")
    server.stop()
    assert not any(SECRET in line for line in server.lines)


@per_request
def test_settings_can_be_left_out(launch: Launcher) -> None:
    server = launch("--no-show-settings")
    assert server.status()["settings"] == {}
    with server.connect() as connection:
        connection.send(message("GET", "/", "Accept: text/html"))
        page = connection.read_response()
    assert page.status == 200 and b"</html>" in page.body and b"Settings" not in page.body


def _refused(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [BINARY, "--check-config", *arguments],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 64 and done.stderr.count("\n") == 1, done
    return done.stdout + done.stderr


SLIPS = [
    [f"--db=postgre://app:{SECRET}@h/d"],
    [f"--db=app:{SECRET}@h/d"],
    ["--db", "=", f"postgresql://app:{SECRET}@h/d"],
    ["--db", "postgresql://app:my", SECRET, "word@h/d"],
    [f"--db:postgresql://app:{SECRET}@h/d"],
    [f"-db=postgresql://app:{SECRET}@h/d"],
    [f"postgresql://app:{SECRET}@h/d?a=b"],
    [f"--postgresql://app:{SECRET}@h/d?a=b"],
    [f"--db=postgresql://app:{SECRET}"],
    [f"--db=postgresql://app:12/{SECRET}@h/d"],
    [f"--db=postgresql://app:12@{SECRET}@h/d"],
    [f"--db=postgresql://app:{SECRET}%zz@h/d"],
    [f"--db=postgresql://h/d?pasword={SECRET}"],
    [f"--db=postgresql://h/d&password={SECRET}"],
    [f"--db=postgresql://h password={SECRET}"],
    [f"--db=postgresql://app:1?{SECRET}=2/3@h/d"],
    [f"--redis=redis://:{SECRET}@h:6379"],
    [f"--redis={SECRET}@h:6379"],
    [f"--listen=postgresql://app:{SECRET}@h/d"],
]


@pytest.mark.parametrize("arguments", SLIPS, ids=[slip[0].replace(SECRET, "_") for slip in SLIPS])
def test_a_slip_does_not_print_it(arguments: "list[str]", tmp_path: Path) -> None:
    assert SECRET not in _refused(*arguments)
    if len(arguments) == 1 and arguments[0].startswith(("--db=", "--redis=")):
        name, value = arguments[0][2:].split("=", 1)
        assert SECRET not in _refused(**{f"SERVER_{name.upper()}": value})
        path = tmp_path / "server.conf"
        for line in (f"{name} = {value}", f"{name} {value}", f"{name}: {value}", value, f'{name} = "{value}'):
            path.write_text(line)
            assert SECRET not in _refused(f"--config={path}"), line


@pytest.mark.parametrize("uri", [
    f"postgresql://app:{SECRET}@[::1/d",
    f"postgresql://app:{SECRET}%zz@h/d",
    f"postgresql://h/d?pasword={SECRET}",
    f"postgresql://app:{SECRET}@{HERE}",
])
def test_what_fills_and_verifies_does_not_print_it(uri: str) -> None:
    for action in ("fill", "verify"):
        done = subprocess.run([ROOT / "scripts/db", action, f"--db={uri}"], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 1 and "scripts/db: psql" in done.stderr
        assert SECRET not in done.stdout + done.stderr
