"""The Debian packages the local cluster and the image builds stand on.

Called by `cluster.py` and `images.py` where Docker does not answer, and run by the Makefile for
the integration tests' programs. Installs what is missing with apt-get and lets no service start by
it. Must leave a machine that has everything alone, and must not remove a package.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# Package → any of these present means that it need not be installed.
CLUSTER = {
    "containerd": ("containerd",),
    "runc": ("runc",),
    "containernetworking-plugins": ("/usr/lib/cni/bridge", "/opt/cni/bin/bridge"),
    "iptables": ("iptables",),
    "conntrack": ("conntrack",),
    "socat": ("socat",),
    "iproute2": ("ip",),
    "mount": ("mount",),
}
BUILD = {
    "buildah": ("buildah",),
    "mmdebstrap": ("mmdebstrap",),
    "debian-archive-keyring": ("/usr/share/keyrings/debian-archive-keyring.gpg",),
}
# For the integration tests: real ffmpeg on real clips, a second pair of eyes for what they tell, and a
# real malware scanner.
MEDIA = {
    "ffmpeg": ("ffmpeg",),
    "libimage-exiftool-perl": ("exiftool",),
    "clamav-daemon": ("clamd",),
}
CHAOS = {
    "libfaketime": (f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1",),
}
_POLICY = Path("/usr/sbin/policy-rc.d")


class PackageError(Exception):
    """What is needed is not here and can't be installed; the message says what to do."""


def ensure(needed: Mapping[str, Sequence[str]]) -> None:
    """Install those of the packages whose commands are missing."""
    # Daemons and tools of root live where a plain user's PATH does not look.
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"
    missing = missing_packages(needed)
    if not missing:
        return
    names = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise PackageError(
            f"Missing here: {names} (Debian's names). This is no Debian or Ubuntu, so they can't "
            "be installed for you: install them by your system's means, or start Docker, through "
            "which everything runs without them."
        )
    if os.geteuid() != 0:
        raise PackageError(
            f"Missing here: {names}. Run `sudo apt-get install --no-install-recommends {names}`, "
            "or this command as root, or start Docker, through which all runs without them."
        )
    print(f"installing {names} (a minute or two)", file=sys.stderr, flush=True)
    with _no_service_starts():
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *missing)
    still = missing_packages(needed)
    if still:
        raise PackageError(f"apt-get installed {names}, yet {' '.join(still)} can't be found.")


def missing_packages(needed: Mapping[str, Sequence[str]]) -> list[str]:
    """Those packages of which no command or file is there."""
    return [
        package
        for package, signs in needed.items()
        if not any(
            shutil.which(sign) or (sign.startswith("/") and Path(sign).exists()) for sign in signs
        )
    ]


def _apt_get(*arguments: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments]
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        raise PackageError(f"{' '.join(command)} failed:\n{tail}")


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian asks this script before it starts a daemon that it has installed."""
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)


def main() -> int:
    """Install what the integration tests need if it is missing; the exit status."""
    try:
        ensure(MEDIA)
    except PackageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
