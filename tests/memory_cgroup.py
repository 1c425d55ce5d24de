"""A memory limit that the kernel enforces, as a container has one: a cgroup made for a test.

Needs the right to make one: root, and a machine that leaves it some. Used by the tests of running out
of memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_JOIN = """
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class NoCgroup(Exception):
    """None can be made here; the text says why."""


@contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[Path]:
    """A group whose processes together get no more than so much, and no swap.

    Yields:
        The folder of it.

    Raises:
        NoCgroup: if there can be none.
    """
    version_2 = (_ROOT / "cgroup.controllers").exists()
    group = (_ROOT if version_2 else _ROOT / "memory") / f"videojob-test-{os.getpid()}"
    names = ("memory.max", "memory.swap.max") if version_2 else ("memory.limit_in_bytes",)
    try:
        if version_2 and "memory" not in (_ROOT / "cgroup.subtree_control").read_text().split():
            raise NoCgroup("the memory controller is not given to groups of this machine")
        group.mkdir()
    except OSError as error:
        raise NoCgroup(f"{group} can't be made: {error.strerror}") from error
    try:
        for name in names:
            if (group / name).exists():
                (group / name).write_text("0" if "swap" in name else str(limit_bytes))
        yield group
    finally:
        group.rmdir()


def joining(group: Path, *program: str) -> tuple[str, ...]:
    """The arguments with which Python joins the group and becomes itself with others."""
    return ("-c", _JOIN, str(group / "cgroup.procs"), *program)


def kills(group: Path) -> int:
    """How many processes the kernel has killed in it."""
    for name in ("memory.events", "memory.oom_control"):
        path = group / name
        if path.exists():
            told = dict(line.split() for line in path.read_text().splitlines())
            return int(told["oom_kill"])
    return 0
