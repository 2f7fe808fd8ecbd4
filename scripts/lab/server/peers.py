# SPDX-License-Identifier: MIT
"""Other servers beside ours: which are installed, what they offer, how they are started.

They run from configurations written into a temporary folder, never as the distribution's
services, on a free port of 127.0.0.1. None of them says when it is ready: it is when it
answers.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from ..machine import procfs
from ..machine.children import Children
from ..machine.errors import LabError
from ..ask.plan import PEER_POOLS, Configuration, Cores
from ..ask.workloads import Workload
from . import peer_config, servers, site
from .client import BadAnswer, Client
from .servers import Ready, Server

POOL = 64
START_TIMEOUT_S = 60.0
PORT_TRIES = 5
_STATIC = frozenset({"hello", "json", "files"})
_PYTHON = frozenset({"hello", "json", "files", "cpu", "sleep", "mix"})


@dataclass(frozen=True)
class Peer:
    program: str
    package: str
    routes: frozenset[str]


_KINDS = {
    "nginx": Peer("nginx", "nginx", _STATIC),
    "lighttpd": Peer("lighttpd", "lighttpd", _STATIC),
    "h2o": Peer("h2o", "h2o", _STATIC),
    "apache": Peer("apache2", "apache2-bin", _STATIC),
    "gunicorn": Peer("gunicorn", "gunicorn python3-gevent", _PYTHON),
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


def command(configuration: Configuration, folder: Path, port: int) -> list[str]:
    """Writes the configuration below folder and returns how to start the server on it."""
    name, workers = configuration.model, configuration.workers
    program = _program(kind(name).program)
    if program is None:
        raise LabError(f"{name} is not installed: scripts/deps --peers installs it")
    flavour = name.partition("-")[2]
    file = folder / ("conf.py" if name.startswith("gunicorn") else f"{name}.conf")
    if name == "nginx":
        text, arguments = peer_config.nginx(folder, port, workers), ["-p", str(folder), "-c"]
    elif name == "lighttpd":
        text, arguments = peer_config.lighttpd(folder, port, workers), ["-D", "-f"]
    elif name == "h2o":
        text, arguments = peer_config.h2o(folder, port, workers), ["-m", "worker", "-c"]
    elif name.startswith("apache"):
        text = peer_config.apache(folder, port, flavour, workers)
        arguments = ["-DFOREGROUND", "-f"]
    else:
        text, arguments = peer_config.gunicorn(folder, port, flavour, workers), ["-c"]
        shutil.copyfile(Path(__file__).with_name("peer_app.py"), folder / "lab_peer_app.py")
    file.write_text(text)
    argv = [program, *arguments, str(file)]
    if name == "nginx":
        argv += ["-e", "stderr"]
    return argv + (["lab_peer_app:application"] if name.startswith("gunicorn") else [])


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

