# SPDX-License-Identifier: MIT
"""Other servers beside ours: which are installed, what they offer, how they are started.

They run from the configurations in peer_conf/, filled in and written into a temporary folder, never
as the distribution's services: on a free port of 127.0.0.1 (or where the load's host finds them), in the foreground, without logs, with all
their files in that folder. None of them says when it is ready: it is when it answers.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Sequence

from ..machine import procfs
from ..machine.children import Children
from ..machine.errors import LabError
from ..machine.hosts import LOOPBACK
from ..ask.plan import PEER_POOLS, Configuration, Cores
from ..ask.presets import POOL
from . import servers, site
from .client import BadAnswer, Client
from .servers import Server

PORT_TRIES = 5
CONFIGURATIONS = Path(__file__).with_name("peer_conf")
APACHE_MODULES = "/usr/lib/apache2/modules"
APPLICATION = "lab_peer_app"  # gunicorn's module, see peer_app
KEEPALIVE_S = 75
CONNECTIONS = 16384  # that an event loop accepts


@dataclass(frozen=True)
class Peer:
    program: str
    package: str
    arguments: str  # of its command line, between blanks; $file is its configuration


_KINDS = {
    "nginx": Peer("nginx", "nginx", "-p $folder -c $file -e stderr"),
    "lighttpd": Peer("lighttpd", "lighttpd", "-D -f $file"),
    "h2o": Peer("h2o", "h2o", "-m worker -c $file"),
    "apache": Peer("apache2", "apache2-bin", "-DFOREGROUND -f $file"),
    "gunicorn": Peer("gunicorn", "gunicorn python3-gevent", f"-c $file {APPLICATION}:application"),
}


def kind(name: str) -> Peer:
    return _KINDS[name.partition("-")[0]]


def version_command(name: str) -> list[str]:
    program = _program(kind(name).program) or kind(name).program
    return [program, "--version" if name.startswith(("gunicorn", "h2o")) else "-v"]


def _program(name: str) -> str | None:
    # Debian keeps servers in folders that only root has on its path.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def missing(names: Sequence[str]) -> list[str]:
    """Of these peers, those that cannot run here."""
    no_gevent = importlib.util.find_spec("gevent") is None
    return [
        name for name in names
        if _program(kind(name).program) is None or (name == "gunicorn-gevent" and no_gevent)
    ]  # fmt: skip


def absent_message(names: Sequence[str]) -> str:
    packages = " ".join(dict.fromkeys(kind(name).package for name in names))
    return (
        f"not installed, so left out: {', '.join(names)} "
        f"(scripts/deps --peers, or apt-get install {packages})"
    )


def configurations(names: Sequence[str], cores: Cores) -> list[Configuration]:
    """Pools as large as ours, a loop for each of the server's cores."""
    made = []
    for name in names:
        workers = POOL if name in PEER_POOLS else len(cores.server)
        if name == "gunicorn-gevent":
            workers = 1
        made.append(Configuration(name, workers, cores.server, cores.load))
    return made


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def configuration_text(name: str, folder: Path, port: int, workers: int, address: str = LOOPBACK) -> str:
    """folder: with the site and all of the server's own files below it."""
    family, _, flavour = name.partition("-")
    return Template((CONFIGURATIONS / f"{family}.conf").read_text()).substitute(
        folder=folder,
        address=address,
        port=port,
        as_root="" if os.geteuid() == 0 else "# ",  # as whom most refuse to serve
        flavour=flavour,
        workers=workers,
        workers_below=workers if workers > 1 else 0,
        processes=workers if flavour == "sync" else 1,
        threads=workers if flavour == "gthread" else 1,
        keepalive_s=KEEPALIVE_S,
        connections=CONNECTIONS,
        connections_a_worker=max(2, CONNECTIONS // workers),
        descriptors=CONNECTIONS + 1024,
        modules=APACHE_MODULES,
    )


def command(configuration: Configuration, folder: Path, port: int, address: str = LOOPBACK) -> list[str]:
    """Writes the configuration below folder and returns how to start the server on it."""
    name = configuration.model
    program = _program(kind(name).program)
    if program is None:
        raise LabError(f"{name} is not installed: scripts/deps --peers installs it")
    file = folder / "conf.py"  # gunicorn insists on the suffix
    file.write_text(configuration_text(name, folder, port, configuration.workers, address))
    shutil.copyfile(Path(__file__).with_name("peer_app.py"), folder / f"{APPLICATION}.py")
    words = [Template(word) for word in kind(name).arguments.split()]
    return [program, *(word.substitute(folder=folder, file=file) for word in words)]


def _folder_for(root: Path) -> Path:
    """A folder that an unprivileged server may read, with the site below it."""
    folder = Path(tempfile.mkdtemp(prefix="lab-peer-", dir=root))
    folder.chmod(0o777)  # gunicorn's workers, as nobody, keep their heartbeat files here
    (folder / "site").symlink_to(root / site.NAME)
    return folder


def start(
    children: Children, configuration: Configuration, root: Path, address: str = LOOPBACK
) -> Server:
    """A peer that answers. root: the lab's temporary folder. Raises LabError."""
    for tries_left in reversed(range(PORT_TRIES)):
        try:
            return _start(children, configuration, root, address)
        except LabError as error:  # a port that was free may be taken when it is wanted
            if tries_left == 0 or "in use" not in str(error):
                raise LabError(f"{configuration.label}: {error}") from None
    raise AssertionError("PORT_TRIES is 0")


def _start(children: Children, configuration: Configuration, root: Path, address: str) -> Server:
    folder, port = _folder_for(root), _free_port(address)
    many = configuration.model.endswith(("prefork", "sync"))
    processes = configuration.workers if many else 0

    def port_that_answers(server: Server) -> int | None:
        """Once all its processes are there."""
        try:
            with Client(port, 2.0, address) as client:
                client.get("/hello")
        except BadAnswer:
            return None
        return port if len(procfs.descendants(server.pid)) >= processes else None

    argv = command(configuration, folder, port, address)
    server = servers.start(children, argv, configuration.server_cpus, folder, port_that_answers)
    server.serves_itself = configuration.model == "h2o"
    return server
