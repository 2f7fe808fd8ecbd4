# SPDX-License-Identifier: MIT
"""What make install installs, and whether it works: program, manual page, completion, units."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from support.configurations import Configuration
from support.server import Server
from support.variant import BINARY, ROOT, VARIANT, patience

CORO = Configuration("coro", ("--model=coro",))
# Beside the build under test; a sanitizer's is not what is installed.
pytestmark = pytest.mark.skipif(VARIANT != "release", reason="the release build is what is installed")
COMPLETION = ROOT / "share/completion/server.bash"


def _make(*arguments: str) -> None:
    # MAKEFLAGS of a make above would be this one's too. -o: the program is there, as it is to be
    # tested.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", str(ROOT), "-o", "server", *arguments],
        capture_output=True, text=True, env=clean, check=False,
    )
    assert done.returncode == 0, done.stderr


def _files(folder: Path) -> dict[str, int]:
    """Paths below the folder and their permissions."""
    return {
        str(path.relative_to(folder)): path.stat().st_mode & 0o777
        for path in folder.rglob("*") if not path.is_dir()
    }


@pytest.fixture(autouse=True)
def _is_built() -> None:
    if not (ROOT / "server").exists():
        pytest.skip("./server is not built")


def test_install_and_uninstall(tmp_path: Path) -> None:
    _make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt/s")
    assert _files(tmp_path) == {
        "opt/s/bin/server": 0o755,
        "opt/s/share/man/man1/server.1": 0o644,
        "opt/s/share/bash-completion/completions/server": 0o644,
        "opt/s/lib/systemd/system/server.service": 0o644,
        "opt/s/lib/systemd/system/server@.service": 0o644,
        "opt/s/lib/systemd/system/server.socket": 0o644,
    }
    unit = (tmp_path / "opt/s/lib/systemd/system/server.service").read_text()
    assert "ExecStart=/opt/s/bin/server\n" in unit
    template = (tmp_path / "opt/s/lib/systemd/system/server@.service").read_text()
    assert "ExecStart=/opt/s/bin/server --listen=127.0.0.1:%i\n" in template
    assert not re.search("@[A-Z]+@", unit + template)
    (tmp_path / "opt/s/bin/other").write_text("somebody else's\n")
    _make("uninstall", f"DESTDIR={tmp_path}", "PREFIX=/opt/s")
    assert list(_files(tmp_path)) == ["opt/s/bin/other"]


def test_the_installed_program_runs(tmp_path: Path) -> None:
    _make("install", f"PREFIX={tmp_path}", f"UNITDIR={tmp_path}/units")
    done = subprocess.run([tmp_path / "bin/server", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == subprocess.run(
        [ROOT / "server", "--version"], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("unit", ["server.service", "server.socket"])
def test_the_units_set_nothing_twice(unit: str) -> None:
    lines = (ROOT / "share/systemd" / unit).read_text().splitlines()
    names = [line.partition("=")[0] for line in lines if re.match("[A-Z]", line)]
    assert len(names) == len(set(names)), names


def _set(unit: str) -> dict[str, list[str]]:
    """What a unit sets: the values of each name."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "share/systemd" / unit).read_text().splitlines():
        if re.match("[A-Z]", line):
            found.setdefault(line.partition("=")[0], []).append(line.partition("=")[2])
    return found


def test_an_instance_is_what_the_service_is() -> None:
    """server@.service differs where an instance must: its port, folders, settings and privileges."""
    service, instance = _set("server.service"), _set("server@.service")
    differ = {name for name in service.keys() | instance.keys() if service.get(name) != instance.get(name)}
    assert differ == {
        "Description", "Environment", "ExecStart", "EnvironmentFile", "StateDirectory", "RuntimeDirectory",
        "LogsDirectory", "CapabilityBoundingSet",
    }
    assert [len(values) for name, values in instance.items() if name != "EnvironmentFile"] == [1] * (len(instance) - 1)
    assert all("%i" in instance[name][0] for name in ("ExecStart", "StateDirectory", "RuntimeDirectory"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    _make("install", f"PREFIX={tmp_path}", f"UNITDIR={tmp_path}/units")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no",
         *(str(tmp_path / f"units/{unit}") for unit in ("server.service", "server.socket", "server@8081.service"))],
        capture_output=True, text=True, timeout=patience(30), check=False,
    )
    # It reads the machine's other units too and has its say about them.
    ours = [line for line in done.stderr.splitlines() if re.search(r"server(@\w*)?\.s", line)]
    if not ours and done.returncode != 0:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr[:200]}")
    assert not ours, ours


# ---- the manual page --------------------------------------------------------------------


def _help() -> list[tuple[str, str, str]]:
    """Name, metavariable and the line of what is accepted, of every option in --help."""
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  --([a-z-]+)(?:=(\S+))? .*\n(?: +\((.*)\)\n)?", text, re.MULTILINE)
    assert len(found) > 20
    return found


def _unformatted(page: str) -> str:
    return page.replace("\\-", "-").replace("\\fR", "").replace("\\fB", "").replace("\\fI", "")


def test_the_manual_has_every_option_as_help_says() -> None:
    page = _unformatted((ROOT / "share/man/server.1").read_text())
    described = dict(re.findall(r"^\.TP\n\.BI? (--\S+?)(?:=? \S+)?\n((?:[^.].*\n)+)", page, re.MULTILINE))
    for name, metavar, accepted in _help():
        line = f".BI --{name}= {metavar}\n" if metavar else f".B --{name}\n"
        assert line in page, f"--{name} is not in the manual as {line!r}"
        if accepted:
            body = described[f"--{name}"]
            assert f"({accepted})" in body, f"--{name}: {accepted!r} is not in {body!r}"
    assert {name.lstrip("-") for name in described} == {name for name, _, _ in _help()}


def test_help_fits_100_columns() -> None:
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
    assert [line for line in text.splitlines() if len(line) > 100] == []
    assert subprocess.run([BINARY, "-h"], capture_output=True, text=True, check=True).stdout == text


def _formatted(width: int) -> str:
    done = subprocess.run(
        ["man", "-E", "UTF-8", "-l", "-Tutf8", str(ROOT / "share/man/server.1")],
        capture_output=True, text=True, check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": str(width), "MANPAGER": "cat", "MAN_KEEP_FORMATTING": ""},
    )
    return re.sub("\x1b\\[[0-9;]*m|.\b", "", done.stdout)


@pytest.mark.skipif(not shutil.which("man"), reason="no man here")
def test_the_manual_breaks_no_command_at_80_columns() -> None:
    source = _unformatted((ROOT / "share/man/server.1").read_text())
    page = _formatted(80)
    assert [line for line in page.splitlines() if len(line) > 80] == []
    assert "\N{HYPHEN}\n" not in page
    lines = [line.strip() for line in page.splitlines()]
    commands = re.findall(r"^\.B (server .*)$", source.partition(".SH EXAMPLES")[2], re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        assert command in lines, f"{command} is broken"


@pytest.mark.skipif(not shutil.which("man"), reason="no man here")
def test_the_manual_is_formatted_without_a_warning() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(ROOT / "share/man/server.1")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "EXIT STATUS" in re.sub(".\b", "", done.stdout)  # bold is overstruck


# ---- completion -------------------------------------------------------------------------


def _complete(*words: str, program: str = BINARY) -> list[str]:
    """What bash would offer for the last of these words, cut as bash cuts them."""
    script = """
        source "$1" && shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _server "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script, "bash", str(COMPLETION), program, *words],
        capture_output=True, text=True, check=True,
    )
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line]


def test_completion_knows_every_option() -> None:
    wanted = {f"--{name}={'' if metavar else '#'}".replace("=#", "") for name, metavar, _ in _help()}
    assert set(_complete("--")) == wanted


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["--mod"], ["--model="]),
        (["--dis"], ["--dispatch="]),
        (["--model", "=", "pre"], ["prefork"]),
        (["--model", "="], ["prefork", "threads", "coro", "stealing"]),
        (["--model", "t"], ["threads"]),
        (["--dispatch", "=", "c"], ["connection"]),
        (["--pool", "=", ""], ["before", "none"]),
        (["--gil", "=", "o"], ["on", "off"]),
        (["--model", "=", "threads", "--wor"], ["--workers="]),
        (["--workers", "=", "3"], []),
        (["--user", "=", "roo"], ["root"]),
    ],
)
def test_completion(words: list[str], offers: list[str]) -> None:
    assert sorted(_complete(*words)) == sorted(offers)


def test_completion_of_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    start = f"{tmp_path}/f"
    assert _complete("--root", "=", start) == [f"{tmp_path}/folder"]
    assert sorted(_complete("--config", "=", start)) == [f"{tmp_path}/file", f"{tmp_path}/folder"]


def test_completion_without_the_program() -> None:
    assert _complete("--mod", program="/nothing/server") == []


# ---- the image --------------------------------------------------------------------------


def _dockerfile() -> list[list[str]]:
    """The instructions of the Dockerfile, stage by stage, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    stages: list[list[str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("FROM "):
            stages.append([])
        if line.strip():
            stages[-1].append(line.strip())
    return stages


def _installed(stage: list[str]) -> set[str]:
    found: set[str] = set()
    for line in stage:
        for words in re.findall(r"apt-get install -y --no-install-recommends ([^&]*)", line):
            found |= set(words.split())
    return found


def test_the_image_is_built_of_what_the_project_needs() -> None:
    build, final = _dockerfile()
    listed = (ROOT / "scripts/deps").read_text()
    needed = {line.split()[0] for line in listed.splitlines() if re.match(r"[a-z0-9+.-]+ {2,}", line)}
    assert _installed(build) <= needed
    users = [line for line in final if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]  # a number, for Kubernetes' runAsNonRoot
    assert final.index(users[0]) > max(i for i, line in enumerate(final) if line.startswith("RUN "))
    assert "useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin server" in " ".join(final)
    ignored = {line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in "#"}
    assert {".git", "build", "server"} <= ignored


def _release() -> str:
    """This machine's Debian release, as the names of images have it."""
    system = Path("/etc/os-release")
    text = system.read_text() if system.exists() else ""
    return "".join(re.findall(r'(?m)^VERSION_ID="(\d+)"$', text))


@pytest.mark.skipif(not shutil.which("dpkg"), reason="no dpkg here")
@pytest.mark.skipif(
    f"FROM debian:{_release()}-" not in (ROOT / "Dockerfile").read_text(),
    reason="packages have other names in the image's release of Debian",
)
def test_the_image_has_every_library() -> None:
    dynamic = subprocess.run(
        ["readelf", "-d", str(ROOT / "server")], capture_output=True, text=True, check=True).stdout
    packages = set()
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):  # each package brings its own
        found = subprocess.run(["dpkg", "-S", f"*/{name}"], capture_output=True, text=True, check=True).stdout
        packages |= {line.split(":")[0] for line in found.splitlines()}
    # The C library and gcc's are in every Debian image; here may be other machines' too.
    extra = {name for name in packages if not name.startswith(("libc6", "libgcc"))}
    assert extra and extra <= _installed(_dockerfile()[1])


def _health(server: Server) -> int:
    """What the image's health check says of it."""
    done = subprocess.run([ROOT / "share/docker/health", str(server.pid)], capture_output=True, timeout=patience(10),
                          check=False)
    return done.returncode


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.0.0.2:0", "0.0.0.0:0", "[::1]:0", "[::]:0", "unix:"])
def test_the_health_check_of_the_image_follows_listen(listen: str, tmp_path: Path) -> None:
    lines = "\n".join(_dockerfile()[1])
    assert 'CMD ["server-health"]' in lines and "COPY share/docker/health /usr/local/bin/server-health" in lines
    if listen == "unix:":
        listen += str(tmp_path / "socket")
    server = Server(CORO, "--allow-root", listen=listen)
    try:
        assert _health(server) == 0
        server.stop()
    finally:
        server.kill()
    assert _health(server) != 0


@pytest.mark.parametrize(("answer", "expected"), [(b"HTTP/1.1 200 OK\r\n\r\n", 0), (b"HTTP/1.1 503 No\r\n\r\n", 1), (b"", 1)])
def test_the_health_check_reads_the_answer(answer: bytes, expected: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        check = subprocess.Popen([ROOT / "share/docker/health", str(os.getpid())])
        with listener.accept()[0] as client:
            assert client.recv(100).startswith(b"GET /healthz HTTP/1.")
            client.sendall(answer)
        assert check.wait(patience(10)) == expected


def test_the_image_ends_before_docker_kills_it() -> None:
    """docker stop waits ten seconds; the server's own limit is the same, which is too late."""
    found = re.search(r"\bSERVER_SHUTDOWN_TIMEOUT=(\d+)\b", "\n".join(_dockerfile()[1]))
    assert found and 0 < int(found[1]) < 10


def _version(folder: Path, *arguments: str) -> str:
    """The version that a build in that folder would have."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "COMMIT"))}
    subprocess.run(["make", "-s", "-C", folder, "build/release/version", *arguments], check=True, env=clean)
    return (folder / "build/release/version").read_text().strip()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_the_version_carries_the_commit(tmp_path: Path) -> None:
    """Of a checkout, of an archive of it, and of files alone, where it is said."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            check=True).stdout.strip()
    said = subprocess.run([ROOT / "server", "--version"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"\+g[0-9a-f]{7,}(-dirty)?$", said.strip())
    archive = subprocess.run(["git", "-C", ROOT, "archive", "HEAD", "Makefile", "VERSION", "share/commit"],
                             capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", tmp_path], input=archive, check=True)
    plain = (ROOT / "VERSION").read_text().strip()
    assert _version(tmp_path) == f"{plain}+g{commit}"
    shutil.copy(ROOT / "share/commit", tmp_path / "share/commit")  # as in a copy of a checkout's files
    assert _version(tmp_path) == plain
    assert _version(tmp_path, "COMMIT=abc1234") == f"{plain}+gabc1234"
    assert _version(tmp_path, "COMMIT=") == plain
    build = "\n".join(_dockerfile()[0])
    assert "ARG COMMIT" in build and 'COMMIT="$COMMIT"' in build
