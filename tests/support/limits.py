# SPDX-License-Identifier: MIT
"""Open files: as many as allowed for tests and the servers below them, and who needs more."""

import resource

import pytest

# Beside connections: what a server keeps back of its descriptors, and what the tests have open.
BESIDE = 250


def raise_open_files() -> None:
    """A login shell's soft limit is often 1,024, and the hard one far above."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def need_open_files(connections: int) -> None:
    """Skips the test where a process may not have so many."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < connections + BESIDE:
        pytest.skip(f"{connections} connections need more descriptors than the {hard} allowed")
