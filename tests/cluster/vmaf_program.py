"""The program `vmaf` on this machine, for the integration tests of what compares with it.

Called by the Makefile and by `integration/conftest.py`. Built by the script that the worker's image
builds it by, once for all checkouts. Must not install anything outside the cache folder but
Debian packages.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from packages import PackageError, ensure
from places import BINARIES, REPOSITORY

_SCRIPT = REPOSITORY / "worker" / "build_vmaf.sh"
_PACKAGES = {
    "g++": ("g++",),
    "meson": ("meson",),
    "nasm": ("nasm",),
    "ninja-build": ("ninja",),
    "xxd": ("xxd",),
}


def ensure_vmaf() -> Path:
    """The folder that the program is in, built now if it is not there yet."""
    folder = BINARIES / f"vmaf-{hashlib.sha256(_SCRIPT.read_bytes()).hexdigest()[:12]}"
    BINARIES.mkdir(parents=True, exist_ok=True)
    with (BINARIES / ".vmaf-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            ensure(_PACKAGES)
            _build(folder)
    return folder


def _build(folder: Path) -> None:
    print("vmaf: building (about 15 s)", file=sys.stderr, flush=True)
    # Beside the final folder, so that the rename at the end is atomic.
    with tempfile.TemporaryDirectory(dir=BINARIES, prefix=".vmaf-") as scratch:
        fresh = Path(scratch) / "fresh"
        result = subprocess.run(["sh", _SCRIPT, fresh], capture_output=True, text=True)
        if result.returncode != 0:
            tail = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
            raise PackageError(f"{_SCRIPT} failed:\n{tail}")
        fresh.rename(folder)


def main() -> int:
    """Build it if it is missing; the exit status."""
    try:
        print(ensure_vmaf() / "vmaf")
    except PackageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
