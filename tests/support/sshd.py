# SPDX-License-Identifier: MIT
"""OpenSSH's server, by which this machine is a host that is reached as others are. One is started for
each connection, at the other end of a pipe, as OpenSSH's own tests do it: there is no port, and none
is left."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.variant import patience

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SEPARATED = Path("/run/sshd")  # where root's has the process that reads what strangers send
# It says nothing to who is asked, and believes the keys in its folder, whoever may write there.
SERVER = """\
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
# To any host, with nothing of the user's own.
CLIENT = """\
ProxyCommand {sshd} -i -E {folder}/log -f {folder}/sshd_config
HostKeyAlias tested
User {user}
IdentityFile {folder}/{key}
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile {folder}/{known}
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
"""
SHELLS = {"good": ("user", "known"), "unknown": ("user", "nobody"), "refused": ("stranger", "known")}


@contextmanager
def shells(folder: Path) -> Iterator[dict[str, str]]:
    """What LOAD_SSH may be to get in here, `good`; so that the host is not known, `unknown`; and with a
    key that is not let in, `refused`. Files go to folder."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("no sshd here")
    if os.geteuid() == 0:
        SEPARATED.mkdir(mode=0o755, exist_ok=True)
    for key in ("host", "user", "stranger"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True, timeout=patience(30))
    (folder / "known").write_text(f"tested {(folder / 'host.pub').read_text()}")
    (folder / "sshd_config").write_text(SERVER.format(folder=folder))
    me = pwd.getpwuid(os.geteuid()).pw_name
    for name, (key, known) in SHELLS.items():
        (folder / name).write_text(CLIENT.format(sshd=SSHD, folder=folder, user=me, key=key, known=known))
    try:
        yield {name: f"ssh -F {folder / name}" for name in SHELLS}
    except Exception:
        if "is locked" in (folder / "log").read_text():
            pytest.skip("this user's account is locked, so sshd lets nobody in")
        raise
