# SPDX-License-Identifier: MIT
"""Numbers of deploy/ that follow one another, and the server's defaults, stay in their order (deploy/LIMITS.md)."""

from __future__ import annotations

import re
import subprocess
from typing import Dict

import pytest
import yaml

from behind import DEPLOY
from support.variant import BINARY, ROOT

HAPROXY = (DEPLOY / "haproxy/haproxy.cfg").read_text()
NGINX = (DEPLOY / "nginx/nginx.conf").read_text()
UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0}


def found(pattern: str, text: str) -> str:
    """The one place where that stands, its first group."""
    places: "list[str]" = re.findall(pattern, text, re.MULTILINE)
    assert len(places) == 1, (pattern, places)
    return places[0]


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNIT_S[unit]


def checks(word: str, times: int) -> float:
    """How long HAProxy takes to see that many checks in a row, the first of them a whole interval away."""
    assert found(rf"^ *default-server check .*\b{word} (\d+)", HAPROXY) == str(times)
    inter, fastinter = (seconds(found(rf"^ *default-server check .*\b{name} (\w+)", HAPROXY))
                        for name in ("inter", "fastinter"))  # fmt: skip
    return inter + (times - 1) * fastinter


@pytest.fixture(scope="module")
def defaults() -> Dict[str, str]:
    """The server's, by option."""
    nothing: Dict[str, str] = {}
    done = subprocess.run([BINARY, "--print-config"], env=nothing, capture_output=True, text=True, check=True)
    return dict(re.findall(r"^#([a-z-]+) = (.*)$", done.stdout, re.MULTILINE))


def test_a_lame_duck_lasts_longer_than_haproxy_needs() -> None:
    """More than twice, wherever one is suggested."""
    needed = 2 * checks("fall", 2)
    suggested = {
        "haproxy/README.md": found(r"--lame-duck=(\d+) --trusted", (DEPLOY / "haproxy/README.md").read_text()),
        "server@.service": found(r"^Environment=SERVER_LAME_DUCK=(\d+)$", (ROOT / "share/systemd/server@.service").read_text()),
        "ansible": str(yaml.safe_load((DEPLOY / "ansible/vars.yml").read_text())["server_lame_duck_s"]),
    }  # fmt: skip
    assert {name: value for name, value in suggested.items() if float(value) <= needed} == {}


def test_the_next_is_restarted_when_haproxy_has_seen_the_last() -> None:
    needed = checks("rise", 2)
    script = (DEPLOY / "systemd/rolling-restart").read_text()
    assert float(found(r"^settle=(\d+)$", script)) > needed
    assert yaml.safe_load((DEPLOY / "ansible/vars.yml").read_text())["server_settle_s"] > needed
    assert float(found(r"^settle=(\d+)$", script)) > max(map(int, re.findall(r"fail_timeout=(\d+)s", NGINX)))


def test_proxies_forget_idle_connections_first(defaults: Dict[str, str]) -> None:
    assert seconds(found(r"^ *keepalive_timeout (\w+);", NGINX)) < float(defaults["keepalive-timeout"])


def test_proxies_take_the_bodies_that_the_server_takes(defaults: Dict[str, str]) -> None:
    assert found(r"^ *client_max_body_size (\w+);", NGINX).upper() == defaults["max-body"]


def test_systemd_waits_for_requests_in_progress(defaults: Dict[str, str]) -> None:
    for unit in ("server.service", "server@.service"):
        text = (ROOT / "share/systemd" / unit).read_text()
        assert float(found(r"^TimeoutStopSec=(\d+)$", text)) > float(defaults["shutdown-timeout"])
        assert found(r"^KillMode=(.*)$", text) == "control-group"  # mixed kills at once after an upgrade
