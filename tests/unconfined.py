"""Starts the worker with a sandbox that lets files and sockets through.

So that it shows whether what ffmpeg is told (``whitelists``) is enough by itself to keep it from
opening what a file points to. Run by the corpus test as ``python tests/unconfined.py``.
"""

from __future__ import annotations

import sys

from videojob_worker import sandbox


def unconfine() -> None:
    """No Landlock, and sockets for everybody; all else stays."""
    sandbox.landlock_abi = lambda: 0  # type: ignore[assignment]
    sandbox.DENIED = tuple(name for name in sandbox.DENIED if not name.startswith("socket"))


if __name__ == "__main__":
    unconfine()
    from videojob_worker.__main__ import main

    sys.exit(main([]))
