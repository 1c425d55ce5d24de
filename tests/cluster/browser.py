"""A real browser and the players that run in it, for the tests of what the worker packages.

Called by the Makefile and by `integration/test_players.py`. The browser comes from Debian; the
players and the browser's driver from npm, exactly as `tests/browser/package-lock.json` has them,
once for all checkouts. Must not install anything outside the cache folder but Debian packages.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packages import PackageError, ensure
from places import CACHE, REPOSITORY

PAGES = REPOSITORY / "tests" / "browser"
_BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome-stable", "google-chrome")
_PACKAGES = {"chromium-headless-shell": _BROWSERS, "nodejs": ("node",), "npm": ("npm",)}
_MANIFESTS = ("package.json", "package-lock.json")


def ensure_browser() -> Path:
    """The browser's program, installed now if there is none; Node.js comes with it."""
    ensure(_PACKAGES)
    return next(Path(found) for name in _BROWSERS if (found := shutil.which(name)))


def ensure_modules() -> Path:
    """The folder with the players' modules, installed now if they are not there yet."""
    digest = hashlib.sha256(b"".join((PAGES / name).read_bytes() for name in _MANIFESTS))
    folder = CACHE / "browser" / digest.hexdigest()[:12]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _install(folder)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    # Beside the final folder, so that the rename at the end is atomic.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".npm-") as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir()
        for name in _MANIFESTS:
            shutil.copy(PAGES / name, fresh)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        result = subprocess.run(command, cwd=fresh, capture_output=True, text=True)
        if result.returncode != 0:
            tail = "\n".join(result.stderr.splitlines()[-15:])
            raise PackageError(f"{' '.join(command)} failed for {PAGES}:\n{tail}")
        fresh.rename(folder)


def main() -> int:
    """Install what is missing; the exit status."""
    try:
        ensure_browser()
        ensure_modules()
    except PackageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
