"""The scratch folder of one run: where the source lies and where results are made.

Made by ``cluster`` and ``local``, passed to every stage. It must not know what is in the files.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scratch:
    """One folder per run; removed at the end."""

    root: Path
    """The only folder that children may write to."""

    @property
    def source(self) -> Path:
        """The fetched file; without an extension, so that nothing can go by it."""
        return self.root / "source"

    @property
    def out(self) -> Path:
        """Results, as ``out/<step>/<file>``."""
        return self.root / "out"

    @property
    def work(self) -> Path:
        """What is needed on the way and not published."""
        return self.root / "work"

    def asset(self, key: str) -> Path:
        """Where an object lies that a step needs besides the input, such as an image."""
        return self.root / "assets" / hashlib.sha256(key.encode()).hexdigest()[:16]

    @property
    def logs(self) -> Path:
        """Full logs of children, and the exact commands."""
        return self.root / ".logs"


@contextmanager
def open_scratch(parent: Path | None = None) -> Iterator[Scratch]:
    """Make an empty scratch folder, and remove it with all it holds at the end.

    Args:
        parent: folder to make it in; the system's temporary folder by default.
    """
    root = Path(tempfile.mkdtemp(prefix="videojob-", dir=parent)).resolve()
    scratch = Scratch(root)
    try:
        for folder in (scratch.out, scratch.work, scratch.logs):
            folder.mkdir()
        yield scratch
    finally:
        shutil.rmtree(root, ignore_errors=True)
