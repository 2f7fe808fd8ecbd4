# SPDX-License-Identifier: MIT
"""deploy/ansible: the play's syntax, and what its templates make for the example's inventory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Dict

import pytest

from behind import DEPLOY
from support.variant import BINARY, ROOT, patience

PLAY = DEPLOY / "ansible"

pytestmark = pytest.mark.skipif(not shutil.which("ansible-playbook"), reason="no ansible here")


def ansible(folder: Path, program: str, *words: "str | Path") -> str:
    """Runs one of ansible's programs, whose files are below the folder; what it says."""
    environment: Dict[str, str] = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(folder), "ANSIBLE_HOME": str(folder), "HOME": str(folder)}
    done = subprocess.run([program, "-i", PLAY / "inventory.ini", *words], env=environment, capture_output=True,
                          text=True, timeout=patience(120), check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("play", ["site.yml", "lab.yml"])
def test_the_syntax_of_the_plays(tmp_path: Path, play: str) -> None:
    said = ansible(tmp_path, "ansible-playbook", "-i", PLAY / "lab.ini", "--syntax-check", PLAY / play)
    assert "playbook:" in said and "WARNING" not in said


def test_the_lab_is_started_for_each_pair(tmp_path: Path) -> None:
    """By a stand-in, which the lab's own parser then understands."""
    bench, said = tmp_path / "bench", tmp_path / "said"
    bench.write_text(f'#!/bin/sh\necho "$*" >>{said}\n')
    bench.chmod(0o755)
    ansible(tmp_path, "ansible-playbook", "-i", PLAY / "lab.ini", "--tags=measure", "-e", f"lab_bench={bench}",
            "-e", "ansible_user=me", PLAY / "lab.yml")  # fmt: skip
    lines = sorted(said.read_text().splitlines())
    assert [line.split()[:2] for line in lines] == [
        ["--server-host=me@10.0.0.21", "--load-host=me@10.0.0.22"],
        ["--server-host=me@10.0.0.23", "--load-host=me@10.0.0.24"],
    ]
    nowhere = {**os.environ, "LOAD_SSH": "/nonexistent/shell"}
    done = subprocess.run([ROOT / "scripts/bench", *lines[0].split()], env=nowhere, capture_output=True, text=True,
                          timeout=patience(60), check=False)  # fmt: skip
    assert done.stderr == "scripts/bench: me@10.0.0.21: /nonexistent/shell: No such file or directory\n"


def fill_in(folder: Path, host: str, template: str) -> str:
    """What the template makes on that host of the inventory; nothing is sent there."""
    play = folder / "play.yml"
    out = folder / "out"
    play.write_text(
        f"- hosts: {host}\n  connection: local\n  gather_facts: false\n  vars_files: [{PLAY}/vars.yml]\n"
        "  vars: {ansible_python_interpreter: /usr/bin/python3}\n"
        f"  tasks:\n    - template: {{src: {PLAY}/templates/{template}, dest: {out}}}\n"
    )
    ansible(folder, "ansible-playbook", "-e", f"haproxy_cfg={DEPLOY}/haproxy/haproxy.cfg", play)
    return out.read_text()


def test_the_settings_are_accepted_by_the_server(tmp_path: Path) -> None:
    made = fill_in(tmp_path, "server2", "server.conf.j2")
    assert "listen = 10.0.0.12:8080\n" in made and 'trusted-proxies = "10.0.0.10"\n' in made
    done = subprocess.run([BINARY, "--print-config", f"--config={tmp_path}/out"], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "lame-duck = 5\n" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a network of its own")
def test_the_play_finds_its_settings_good(tmp_path: Path) -> None:
    """By the command that it validates them with, on a machine that has the address."""
    fill_in(tmp_path, "server2", "server.conf.j2")
    validate = re.search(r'validate: "{{ server_program }} (.*)"', (PLAY / "site.yml").read_text())
    assert validate
    command = f"ip link set lo up && ip addr add 10.0.0.12 dev lo && exec {BINARY} {validate[1] % (tmp_path / 'out')}"
    done = subprocess.run(["unshare", "--net", "sh", "-c", command], capture_output=True, text=True, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip(done.stderr)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_balancers_configuration_has_the_servers(tmp_path: Path) -> None:
    made = fill_in(tmp_path, "balancer1", "haproxy.cfg.j2")
    assert re.findall(r"^    server (.*)$", made, re.MULTILINE) == [
        "server1 10.0.0.11:8080", "server2 10.0.0.12:8080", "server3 10.0.0.13:8080",
    ]  # fmt: skip
    # But for these lines it is the one beside.
    kept = re.compile(r"^    server .*\n", re.MULTILINE)
    assert kept.sub("", made) == kept.sub("", (DEPLOY / "haproxy/haproxy.cfg").read_text())
    if shutil.which("haproxy"):
        done = subprocess.run(["haproxy", "-c", "-f", tmp_path / "out"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_libraries_are_those_of_the_image() -> None:
    """Both are of Debian 13."""
    packages = re.search(r"^server_packages: \[(.*)\]$", (PLAY / "vars.yml").read_text(), re.MULTILINE)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert packages and all(name in dockerfile.partition("FROM debian:13-slim\n")[2] for name in packages[1].split(", "))
