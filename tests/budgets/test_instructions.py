# SPDX-License-Identifier: MIT
"""User instructions, and allocations, for one GET /hello on a warm keep-alive connection.

prefork is measured with a worker for each connection: valgrind cannot follow processes that
share descriptors. With one for each request it runs the code of threads.
"""

import shutil
from pathlib import Path

import pytest

from counting import PerRequest
from support.configurations import Configuration
from support.variant import VARIANT

pytestmark = [
    pytest.mark.skipif(VARIANT != "release", reason="a sanitizer's instructions are not the server's"),
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind"),
    pytest.mark.skipif(shutil.which("h2load") is None, reason="no h2load"),
]

ALLOCATING = ("malloc", "calloc", "realloc", "reallocarray", "aligned_alloc", "posix_memalign", "mmap")


@pytest.mark.parametrize(
    ("name", "options", "budget"),
    [
        ("coro", ("--model=coro",), 2550),
        ("threads", ("--model=threads", "--workers=4"), 2550),
        ("prefork-connection", ("--model=prefork", "--workers=8", "--dispatch=connection"), 2300),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hello(name: str, options: "tuple[str, ...]", budget: int, tmp_path: Path) -> None:
    found = PerRequest(Configuration(name, options), tmp_path)
    print(f"{name}: {found.total():.0f} of {budget} instructions\n{found.most(30)}")
    assert found.total() <= budget
    # Something was counted, by name: else the next would hold of anything.
    assert found.instructions["connection_serve"] > 10
    assert found.calls["recv"] == pytest.approx(1, abs=0.1)
    allocations = {n: c for n, c in found.calls.items() if n.split("'")[0] in ALLOCATING and c > 0.001}
    assert not allocations, "calls that allocate, for a request"
