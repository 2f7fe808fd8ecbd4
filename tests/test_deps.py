# SPDX-License-Identifier: MIT
"""scripts/deps, with stand-ins for dpkg and apt-get: nothing is installed here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"

# Fails so many times with those words, then does nothing; writes down how it was called.
APT_GET = """#!/bin/sh
echo "$*" >>"{log}"
if [ "$2" = update ] && [ "$(grep -c update "{log}")" -le {failures} ]; then
    echo "{words}" >&2
    exit 100
fi
"""


def deps(folder: Path, failures: int, words: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    log = folder / "log"
    programs = {
        "dpkg-query": "#!/bin/sh\n",
        "sudo": '#!/bin/sh\nexec "$@"\n',
        "apt-get": APT_GET.format(log=log, failures=failures, words=words),
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    # With no PostgreSQL and no services in the list nothing is written outside the folder.
    script = folder / "deps"
    script.write_text(
        "".join(
            line for line in (ROOT / "scripts/deps").read_text().splitlines(keepends=True)
            if not line.startswith(("postgresql", "haproxy", "nginx", "openssh-server"))
        )
    )  # fmt: skip
    done = subprocess.run(
        ["sh", script], env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done, log.read_text().splitlines()


def test_it_waits_for_the_lock_of_another_apt(tmp_path: Path) -> None:
    done, calls = deps(tmp_path, 2, LOCKED)
    assert done.returncode == 0, done.stderr
    assert [call for call in calls if call == "-q update"] == ["-q update"] * 3
    assert "-o DPkg::Lock::Timeout=600 install gcc " in calls[-1]


@pytest.mark.parametrize("words", ["E: The repository is not signed.", "E: no network"])
def test_what_else_is_wrong_is_said_at_once(tmp_path: Path, words: str) -> None:
    done, calls = deps(tmp_path, 9, words)
    assert done.returncode != 0 and words in done.stderr
    assert calls == ["-q update"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_a_signal_ends_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    """Of files that forbid services, the folder's here."""
    policy = tmp_path / "policy-rc.d"
    (tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\n")
    (tmp_path / "apt-get").write_text(f"#!/bin/sh\n[ ! -e {policy} ] || kill -{int(number)} $PPID\n")
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")  # or, should it come so far, real services would be disabled
    for name in ("sudo", "dpkg-query", "apt-get", "systemctl"):
        (tmp_path / name).chmod(0o755)
    text = (ROOT / "scripts/deps").read_text()
    for path in ("/usr/sbin/policy-rc.d", "/etc/postgresql-common/createcluster.d/no-cluster-for-tests.conf"):
        assert path in text
        text = text.replace(path, str(tmp_path / Path(path).name))
    (tmp_path / "deps").write_text(text)
    done = subprocess.run(
        ["sh", tmp_path / "deps"], env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # the shell cannot trap what is ignored
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    assert not policy.exists() and not (tmp_path / "no-cluster-for-tests.conf").exists()


# What programs and imports come from, where no other package that is always there has them.
COMES_FROM = {
    "wrk": "wrk", "matplotlib": "python3-matplotlib", "numpy": "python3-numpy", "scipy": "python3-scipy",
    "jinja2": "python3-jinja2", "jsonschema": "python3-jsonschema", "rich": "python3-rich",
    "pytest": "python3-pytest", "yaml": "python3-yaml",
}  # fmt: skip
LINT_STEPS = ("clang-format", "clang-tidy", "cppcheck", "shellcheck", "mypy", "clang", "git")


def needed_for(purpose: str, folder: Path) -> set[str]:
    """What scripts/deps would install for it on a machine that has nothing."""
    (folder / "dpkg-query").write_text("#!/bin/sh\n")
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")  # not root, and no sudo: it says what is missing
    for name in ("dpkg-query", "id"):
        (folder / name).chmod(0o755)
    for name in ("cat", "cut", "sed", "awk", "sh"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "scripts/deps"), *purpose.split()], env={"PATH": str(folder)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said, _, names = done.stderr.partition(" apt-get install ")
    assert (done.returncode, said) == (1, "deps: not root and no sudo; as root:"), done.stderr
    return set(names.split())


def _imported(*folders: str) -> set[str]:
    found: set[str] = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r"^ *(?:import|from) (\w+)", path.read_text(), re.MULTILINE))
    return {COMES_FROM[name] for name in found if name in COMES_FROM}


BUILD = {"gcc", "libc6-dev", "make", "libev-dev", "libhttp-parser-dev", "libpq-dev", "libsqlite3-dev", "libhiredis-dev", "zlib1g-dev"}
CALLED_BY_TESTS = {
    "wrk", "strace", "valgrind", "procps", "nghttp2-client", "slowhttptest", "postgresql", "redis-tools",
    "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user", "man-db", "git", "iproute2",
    "haproxy", "nginx", "ansible-core", "systemd", "openssh-server",
}  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "needed"),
    [
        ("build", BUILD),
        ("bench", BUILD | {"wrk", "python3", "strace"} | _imported("scripts")),
        ("lab", BUILD | {"wrk", "postgresql", "redis-tools", "libboost-context-dev"} | _imported("scripts")),
        ("check", BUILD | CALLED_BY_TESTS | {"libcmocka-dev", "python3-pytest-xdist"} | _imported("scripts", "tests")),
        ("fuzz", BUILD | {"clang", "libclang-rt-dev", "python3"}),
        ("lint", BUILD | {*LINT_STEPS, "man-db", "libcmocka-dev"} | _imported("scripts", "tests")),
    ],
)  # fmt: skip
def test_each_purpose_has_what_it_uses(tmp_path: Path, purpose: str, needed: set[str]) -> None:
    assert needed <= needed_for(purpose, tmp_path)


def test_measuring_takes_no_more_than_it_uses(tmp_path: Path) -> None:
    unused = {"clang", "clang-tidy", "mypy", "gcc-aarch64-linux-gnu", "qemu-user", "postgresql", "valgrind"}
    assert not unused & needed_for("bench", tmp_path)


def test_a_purpose_that_is_none(tmp_path: Path) -> None:
    done = subprocess.run(["sh", str(ROOT / "scripts/deps"), "benhc"], capture_output=True, text=True, check=False,
                          env={**os.environ, "DEPS": ""})  # fmt: skip
    assert done.returncode == 64 and "expected build, bench," in done.stderr


def test_make_says_what_is_missing_and_how_to_get_it() -> None:
    command = ["make", "VARIANT=nothing", "CC=false", "build/nothing/flags"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "make: false finds no stdio.h ev.h " in done.stderr
    assert "scripts/deps build installs what is missing" in done.stderr
    flags = ROOT / "build/nothing/flags"
    assert not flags.exists(), "or it would not be asked again"
    flags.parent.rmdir()
