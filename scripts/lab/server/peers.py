# SPDX-License-Identifier: MIT
"""Other servers beside ours: which are installed, what they offer, how they are started.

They run from the configurations in peer_conf/, filled in and written into a temporary folder, never
as the distribution's services: on a free port of 127.0.0.1, in the foreground, without logs, with all
their files in that folder. None of them says when it is ready: it is when it answers.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Sequence

from ..machine import procfs
from ..machine.children import Children
from ..machine.errors import LabError
from ..ask.plan import PEER_POOLS, Configuration, Cores
from ..ask.workloads import Workload
from . import servers, site
from .client import BadAnswer, Client
from .servers import Ready, Server

POOL = 64
START_TIMEOUT_S = 60.0
PORT_TRIES = 5
CONFIGURATIONS = Path(__file__).with_name("peer_conf")
APACHE_MODULES = "/usr/lib/apache2/modules"
APPLICATION = "lab_peer_app"  # gunicorn's module, see peer_app
KEEPALIVE_S = 75
CONNECTIONS = 16384  # that an event loop accepts
_STATIC = frozenset({"hello", "json", "files"})
_PYTHON = frozenset({"hello", "json", "files", "cpu", "sleep", "mix"})


@dataclass(frozen=True)
class Peer:
    program: str
    package: str
    routes: frozenset[str]
    arguments: str  # FOLDER and FILE stand for what it is to use
    user: str  # its settings where it is started by root, as whom most refuse to serve


_KINDS = {
    "nginx": Peer("nginx", "nginx", _STATIC, "-p FOLDER -c FILE -e stderr", "user nobody nogroup;"),
    "lighttpd": Peer(
        "lighttpd", "lighttpd", _STATIC, "-D -f FILE",
        'server.username = "nobody"\nserver.groupname = "nogroup"',
    ),
    "h2o": Peer("h2o", "h2o", _STATIC, "-m worker -c FILE", "user: nobody"),
    "apache": Peer(
        "apache2", "apache2-bin", _STATIC, "-DFOREGROUND -f FILE", "User nobody\nGroup nogroup"
    ),
    "gunicorn": Peer(
        "gunicorn", "gunicorn python3-gevent", _PYTHON, f"-c FILE {APPLICATION}:application",
        "user = 'nobody'\ngroup = 'nogroup'",
    ),
}  # fmt: skip


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
    return [name for name in names if _program(kind(name).program) is None or _no_gevent(name)]


def _no_gevent(name: str) -> bool:
    return name == "gunicorn-gevent" and not list(Path("/usr/lib/python3").glob("**/gevent"))


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


def offers(configuration: Configuration, workload: Workload) -> bool:
    """Whether a configuration has a workload's route and can be measured under it."""
    if not configuration.peer:
        return True
    if workload.route not in kind(configuration.model).routes:
        return False
    if not workload.kind.bounded or workload.post_bytes:
        return False
    # gunicorn's plain workers keep no connection open: nothing to park or to pipeline.
    lasting = workload.parked > 0 or workload.pipeline > 1
    return not (lasting and configuration.model.startswith("gunicorn"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration_text(name: str, folder: Path, port: int, workers: int) -> str:
    """folder: with the site and all of the server's own files below it."""
    family, _, flavour = name.partition("-")
    return Template((CONFIGURATIONS / f"{family}.conf").read_text()).substitute(
        folder=folder,
        port=port,
        user=kind(name).user if os.geteuid() == 0 else "",
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


def command(configuration: Configuration, folder: Path, port: int) -> list[str]:
    """Writes the configuration below folder and returns how to start the server on it."""
    name = configuration.model
    program = _program(kind(name).program)
    if program is None:
        raise LabError(f"{name} is not installed: scripts/deps --peers installs it")
    file = folder / "conf.py"  # gunicorn insists on the suffix
    file.write_text(configuration_text(name, folder, port, configuration.workers))
    shutil.copyfile(Path(__file__).with_name("peer_app.py"), folder / f"{APPLICATION}.py")
    place = {"FOLDER": str(folder), "FILE": str(file)}
    return [program, *(place.get(word, word) for word in kind(name).arguments.split())]


def folder_for(root: Path) -> Path:
    """A folder that an unprivileged server may read, with the site below it."""
    folder = Path(tempfile.mkdtemp(prefix="lab-peer-", dir=root))
    folder.chmod(0o777)  # gunicorn's workers, as nobody, keep their heartbeat files here
    (folder / "site").symlink_to(root / site.NAME)
    return folder


def start(children: Children, configuration: Configuration, root: Path) -> Server:
    """A peer that answers. root: the lab's temporary folder. Raises LabError."""
    reason = ""
    for _ in range(PORT_TRIES):  # a port that was free may be taken when it is wanted
        folder, port = folder_for(root), _free_port()
        argv = command(configuration, folder, port)
        with tempfile.NamedTemporaryFile(prefix="peer-", suffix=".log", dir=root, delete=False) as log:
            log_path = Path(log.name)
            process = children.start(argv, configuration.server_cpus, folder, stderr=log)
        ready = Ready({}, "127.0.0.1", port, process.pid)
        server = Server(
            children, process, ready, log_path, serves_itself=configuration.model == "h2o"
        )
        try:
            reason = _await_answer(server, configuration)
        except BaseException:
            children.kill(process)
            raise
        if not reason:
            return server
        children.kill(process)
        if "in use" not in reason:
            break
    raise LabError(f"{configuration.label} did not start: {reason}")


def _await_answer(server: Server, configuration: Configuration) -> str:
    """Waits until it answers with all its processes; "" then, else what it said."""
    deadline = time.monotonic() + START_TIMEOUT_S
    processes = configuration.workers if configuration.model.endswith(("prefork", "sync")) else 1
    while time.monotonic() < deadline:
        if not server.alive():
            return servers.last_words(server.log())
        try:
            with Client("127.0.0.1", server.ready.port, 2.0) as client:
                client.get("/hello")
            if len(procfs.descendants(server.pid)) >= processes or processes == 1:
                return ""
        except BadAnswer:
            pass
        time.sleep(0.01)
    return f"no answer within {START_TIMEOUT_S:.0f} s: {servers.last_words(server.log())}"

