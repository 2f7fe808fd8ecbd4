# SPDX-License-Identifier: MIT
"""The rules that keep one's way through the tree easy to find, and that their check can fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHECK = ROOT / "scripts" / "check-layers"

# A small tree that keeps every rule.
GOOD = {
    "src/main.c": '#include "config.h"\n#include "handler/handler.h"\n#include "models/model.h"\n',
    "src/config.h": "",
    "src/io.h": "#include <stddef.h>\n",
    "src/http.h": '#include "io.h"\n',
    "src/db/db.h": "struct io;\n",
    "src/db/postgres.c": '#include "db/db.h"\n#include "io.h"\n#include <postgresql/libpq-fe.h>\n',
    "src/db/sqlite.c": '#include "db/db.h"\n#include <sqlite3.h>\n',
    "src/db/redis.c": '#include "db/db.h"\n#include <hiredis/hiredis.h>\n',
    "src/handler/db.c": '#include "handler.h"\n#include "db/db.h"\n',
    "src/coro/loop.h": "",
    "src/coro/loop.c": '#include "coro/loop.h"\n#include <ev.h>\n',
    "src/coro/generator.h": "",
    "src/load/answer.c": '#include "coro/loop.h"\n#include <http_parser.h>\n',
    "src/load/hdr.c": "#include <zlib.h>\n",
    "src/http/request.h": '#include "http.h"\n',
    "src/http/request.c": '#include "request.h"\n#include <http_parser.h>\n',
    "src/handler/handler.h": '#include "http.h"\n',
    "src/handler/stream.c": '#include "handler.h"\n#include "coro/generator.h"\n'
    "/* Never: strcmp(model, name) */\n"
    'const char *f(const char *model) { return model == NULL ? "model == x" : model; }\n',
    "models/model.h": "struct io;\n",
    "models/coro.c": '#include "model.h"\n#include "coro/loop.h"\n#include "http/request.h"\n',
    "models/pool/pool.h": '#include "models/model.h"\n',
    "models/pool/pool.c": '#include "pool.h"\n',
    "models/prefork.c": '#include "pool/pool.h"\n',
    "scripts/lab/__init__.py": "",
    "scripts/lab/machine/__init__.py": "",
    "scripts/lab/machine/procfs.py": "import os\n",
    "scripts/lab/ask/__init__.py": "",
    "scripts/lab/ask/plan.py": "from lab.machine import procfs\nimport lab.machine.procfs\n",
    "scripts/lab/ask/run.py": "from . import plan\nfrom .plan import procfs\n",
    "scripts/bench": "#!/usr/bin/python3\n# SPDX-License-Identifier: MIT\n",
    "examples/average.c": "",
    "README.md": "`scripts/bench` measures, build/examples/average is an example.\n",
}
C_LICENCE = "/* SPDX-License-Identifier: MIT */\n"
LICENCE = {".c": C_LICENCE, ".h": C_LICENCE, ".py": "# SPDX-License-Identifier: MIT\n"}

# What is added to which file, and a part of what the check then says.
VIOLATIONS = [
    ("src/coro/loop.c", '#include "http.h"', "src/coro/loop.c:4: this layer may not include src/http.h"),
    ("src/coro/loop.c", "#include <io.h>", "may not include src/io.h"),
    ("src/coro/loop.c", '  #  include "../io.h"', "may not include src/io.h"),
    ("src/handler/stream.c", '#include "coro/loop.h"', "may not include src/coro/loop.h"),
    ("src/handler/stream.c", '#include "http/request.h"', "may not include src/http/request.h"),
    ("src/handler/stream.c", '#include "models/model.h"', "may not include models/model.h"),
    ("src/http/request.c", '#include "models/model.h"', "may not include models/model.h"),
    ("src/http/request.c", '#include "handler/text.h"', "is no file of this tree"),
    ("src/http/request.c", '#include "handler/handler.h"', "may not include src/handler/handler.h"),
    ("src/http/request.c", '#include "coro/loop.h"', "may not include src/coro/loop.h"),
    ("src/config.h", '#include "http/request.h"', "may not include src/http/request.h"),
    ("models/coro.c", '#include "handler/handler.h"', "may not include src/handler/handler.h"),
    ("models/coro.c", "#include <ev.h>", "<ev.h> is for src/coro/ only"),
    ("models/coro.c", "#include <http_parser.h>", "<http_parser.h> is for src/http/ and src/load/ only"),
    ("src/load/hdr.c", "#include <http_parser.h>", "src/load/: exactly one file includes <http_parser.h>"),
    ("src/load/hdr.c", '#include "io.h"', "this layer may not include src/io.h"),
    ("src/coro/loop.h", '#include "load/hdr.h"', "is no file of this tree"),
    ("src/coro/loop.h", "#include <ev.h>", "exactly one file includes <ev.h>"),
    ("src/http/request.h", "#include <http_parser.h>", "exactly one file includes <http_parser.h>"),
    ("src/db/postgres.c", '#include "http.h"', "may not include src/http.h"),
    ("src/db/postgres.c", '#include "models/model.h"', "may not include models/model.h"),
    ("src/db/postgres.c", "#include <sqlite3.h>", "exactly one file includes <sqlite3.h>"),
    ("src/handler/db.c", "#include <libpq-fe.h>", "<postgresql/libpq-fe.h> is for src/db/postgres only"),
    ("src/http/request.c", '#include "db/db.h"', "may not include src/db/db.h"),
    ("src/db/redis.c", 'int a = strcmp(io->ops->model, "coro");', "asks which model"),
    ("src/handler/stream.c", 'int a = strcmp(io->ops->model, "coro");', "asks which model"),
    ("src/http/request.c", 'if (0 == strcmp("coro",\n  server->model->name)) {}', "asks which model"),
    ("src/http/request.c", "if (server->model == &model_coro) {}", "asks which model"),
]


# Files that are written over or added to the good tree, and a part of what the check then says.
BREACHES = [
    # Circles, in C.
    (
        {"src/coro/loop.c": '#include "coro/stack.h"\n', "src/coro/stack.h": '#include "coro/loop.h"\n'},
        "src/coro/loop.c:1: a circle of files, src/coro/loop -> src/coro/stack -> src/coro/loop, none"
        " of which can be read without the others; it is closed at src/coro/stack.h:1",
    ),
    (
        {"src/log.h": '\n#include "system/bells.h"\n', "src/system/bells.h": '#include "log.h"\n'},
        "src/log.h:2: a circle of folders, src/log -> src/system/ -> src/log,",
    ),
    (
        {
            "src/config/option.h": '#include "db/uri.h"\n',
            "src/db/uri.h": "",
            "src/db/uri.c": '#include "config.h"\n',
        },
        "src/config/option.h:1: a circle of folders, src/config/ -> src/db/ -> src/config/,",
    ),
    (
        {"models/pool/pool.c": '#include "models/other.h"\n', "models/other.h": ""},
        "a circle of folders, models/ -> models/pool/ -> models/,",
    ),
    ({f"models/{letter}.c": "" for letter in "abcdefgh"}, "models: has 11 modules"),
    # Circles in the lab, and its rooms.
    (
        {"scripts/lab/machine/cores.py": "\nfrom lab.ask.run import x\n"},
        "scripts/lab/machine/cores.py:2: machine may not import scripts/lab/ask/run.py; ask comes",
    ),
    (
        {"scripts/lab/machine/cores.py": "def f():\n    from ..ask import run\n"},
        "scripts/lab/machine/cores.py:2: machine may not import scripts/lab/ask/run.py",
    ),
    (
        {"scripts/lab/ask/plan.py": "import lab.ask.run\n"},
        "scripts/lab/ask/plan.py:1: a circle of modules, scripts/lab/ask/plan.py -> scripts/lab/ask/run",
    ),
    ({"scripts/lab/wrk.py": ""}, "scripts/lab/wrk.py: is in no room of the lab"),
    ({"scripts/lab/cellar/wrk.py": ""}, "scripts/lab/cellar/wrk.py: is in no room of the lab"),
    # Lengths: one line more than there may be.
    ({"src/io.h": "\n" * 601}, "src/io.h: has 601 lines"),
    ({"tests/lab/test_plan.py": "\n" * 601}, "tests/lab/test_plan.py: has 601 lines"),
    ({"scripts/lint": "#!/bin/bash\n" + "\n" * 600}, "scripts/lint: has 601 lines"),
    ({"DESIGN.md": "\n" * 601}, "DESIGN.md: has 601 lines"),
    (
        {"src/io.c": "#define F(a) {\nstatic int f(void)\n{\n" + "\n" * 68 + "}\n"},
        "src/io.c:2: this function has 71 lines",
    ),
    (
        {"tests/a.c": "int a[] = {\n    0};\nint f(\n    int a)\n{\n/* } */ c = '}';\n{}\n" + "\n" * 65 + "}\n"},
        "tests/a.c:3: this function has 71 lines",
    ),
    (
        {"src/io.c": "#if A\nint f(int a)\n{\n#else\nint f(void)\n{\n#endif\n}\nint g(void)\n{\n" + "\n" * 68 + "}\n"},
        "src/io.c:9: this function has 71 lines",
    ),
    (
        {"tests/conftest.py": "class A:\n    def f(self):\n" + "\n" * 69 + "        pass\n"},
        "tests/conftest.py:2: this function has 71 lines",
    ),
    # Programs without a document, and modules without their test.
    (
        {"scripts/report": "#!/bin/sh\n", "DESIGN.md": "scripts/reports, scripts/report-all, report"},
        "scripts/report: no document says what this program is for",
    ),
    ({"README.md": "scripts/bench, average"}, "examples/average.c: no document says"),
    (
        {"src/http/body.c": "", "tests/unit/http/test_bodies.c": "/* bodies */\n/* body.c */\n"},
        "src/http/body.c: has no unit test; tests/unit/http/test_body.c would be it",
    ),
    (
        {"models/pool/lot.c": "", "tests/unit/models/test_lot.c": "/* lot.c */"},
        "models/pool/lot.c: has no unit test; tests/unit/models/pool/test_lot.c would be it",
    ),
    # One dialect.
    ({"src/io.h": "// SPDX-License-Identifier: MIT\n"}, "src/io.h:1: opens with the licence"),
    ({"scripts/bench": "#!/bin/sh\n# Runs\n# SPDX-License-Identifier: MIT\n"}, "scripts/bench:1: opens"),
    ({"src/io.h": "#ifndef A\n#define A\n#define MOST (-1)\n#endif\n"}, "src/io.h:3: MOST is a number"),
]

# Files that break no rule.
HARMLESS = {
    "src/io.h": C_LICENCE
    + "#ifndef A\n#if B\n#define C 1\n#endif\n#define D 1.5\n#define E(x) 1\n#endif\n",
    "src/log.h": C_LICENCE + "\n" * 599,
    "src/http/body.c": C_LICENCE + "int f(void)\n{\n" + "\n" * 67 + "}\n#define F(a) \\\n  {\n",
    "tests/unit/http/test_body_length.c": C_LICENCE,
    "src/http/trailer.c": C_LICENCE,
    "tests/unit/http/test_sections.c": "/* SPDX-License-Identifier: MIT\n *\n * trailer.h: x\n */\n",
    "results/run/table.py": "no licence",
    "build/made.c": "none either",
}


def check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/usr/bin/python3", CHECK, root], capture_output=True, text=True, timeout=60, check=False
    )


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def make_tree(root: Path) -> None:
    """The good tree, with the licence and the unit tests that it has to have."""
    write(root, {name: LICENCE.get(Path(name).suffix, "") + text for name, text in GOOD.items()})
    for name in GOOD:
        if name.endswith(".c"):
            folder, _, module = name.removeprefix("src/").rpartition("/")
            write(root, {f"tests/unit/{folder}/test_{module}": C_LICENCE})


def test_this_tree_keeps_its_layers() -> None:
    done = check(ROOT)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_good_tree_passes(tmp_path: Path) -> None:
    make_tree(tmp_path)
    done = check(tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize(("name", "line", "reason"), VIOLATIONS)
def test_a_violation_is_found(tmp_path: Path, name: str, line: str, reason: str) -> None:
    make_tree(tmp_path)
    with (tmp_path / name).open("a") as file:
        file.write(line + "\n")
    done = check(tmp_path)
    assert done.returncode == 1
    assert reason in done.stdout
    assert name in done.stdout


@pytest.mark.parametrize(("files", "reason"), BREACHES)
def test_a_breach_is_found(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    make_tree(tmp_path)
    write(tmp_path, files)
    done = check(tmp_path)
    assert done.returncode == 1
    assert reason in done.stdout


def test_what_keeps_the_rules_passes(tmp_path: Path) -> None:
    make_tree(tmp_path)
    write(tmp_path, HARMLESS)
    done = check(tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_an_executable_file_is_a_program(tmp_path: Path) -> None:
    make_tree(tmp_path)
    write(tmp_path, {"tests/seeds.py": LICENCE[".py"]})
    assert check(tmp_path).returncode == 0
    (tmp_path / "tests/seeds.py").chmod(0o755)
    assert "tests/seeds.py: no document says" in check(tmp_path).stdout


def test_an_unused_library_is_found(tmp_path: Path) -> None:
    make_tree(tmp_path)
    (tmp_path / "src/coro/loop.c").write_text("")
    done = check(tmp_path)
    assert done.returncode == 1
    assert "exactly one file includes <ev.h>, not none" in done.stdout
