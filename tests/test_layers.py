# SPDX-License-Identifier: MIT
"""The dependencies between the layers, and that their check can fail."""

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
    "src/http/request.h": '#include "http.h"\n',
    "src/http/request.c": '#include "request.h"\n#include <http_parser.h>\n',
    "src/handler/handler.h": '#include "http.h"\n',
    "src/handler/stream.c": '#include "handler.h"\n#include "coro/generator.h"\n'
    "/* Never: strcmp(model, name) */\n"
    'const char *f(const char *model) { return model == NULL ? "model == x" : model; }\n',
    "models/model.h": "",
    "models/coro.c": '#include "model.h"\n#include "coro/loop.h"\n#include "http/request.h"\n',
}

# What is added to which file, and a part of what the check then says.
VIOLATIONS = [
    ("src/coro/loop.c", '#include "http.h"', "src/coro/loop.c:3: this layer may not include src/http.h"),
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


def check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/usr/bin/python3", CHECK, root], capture_output=True, text=True, timeout=60, check=False
    )


def make_tree(root: Path) -> None:
    for name, text in GOOD.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


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


def test_an_unused_library_is_found(tmp_path: Path) -> None:
    make_tree(tmp_path)
    (tmp_path / "src/coro/loop.c").write_text("")
    done = check(tmp_path)
    assert done.returncode == 1
    assert "exactly one file includes <ev.h>, not none" in done.stdout
