"""The Debian image that the Dockerfiles start from, made without a registry.

Called by `image_build.py` where Docker does not answer. Bootstraps the suite from Debian's
mirror and gives it the name it has on Docker Hub, so that a Dockerfile is the same for both
ways. Must leave nothing of this machine (mirror, proxy, certificates) in the image.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import packages
from places import IMAGES

SUITE = "trixie"
REFERENCE = f"docker.io/library/debian:{SUITE}-slim"
_MIRROR = "http://deb.debian.org/debian"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SOURCES = """\
Types: deb
URIs: http://deb.debian.org/debian
Suites: {suite} {suite}-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: {suite}-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp
"""
# As in the image on Docker Hub, whose size comes from leaving these out.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")


class BaseImageError(Exception):
    """The base image can't be made; the message holds the last lines of the tool."""


def ensure_archive() -> Path:
    """The root filesystem as a tar file, made now if it is not there yet."""
    path = IMAGES / f"debian-{SUITE}.tar"
    if path.exists():
        return path
    packages.ensure(packages.BUILD)
    IMAGES.mkdir(parents=True, exist_ok=True)
    print(f"debian {SUITE}: making the base image (about 40 s)", file=sys.stderr, flush=True)
    started = time.monotonic()
    scratch = path.with_suffix(".part.tar")
    sources = IMAGES / "debian.sources"
    sources.write_text(_SOURCES.format(suite=SUITE))
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--include=ca-certificates",
        f"--keyring={_KEYS}",
        *[f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT],
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        *[f"--aptopt={line}" for line in host_apt_settings()],
        '--customize-hook=rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/apt.conf.d/99mmdebstrap',
        f'--customize-hook=upload "{sources}" /etc/apt/sources.list.d/debian.sources',
        SUITE,
        str(scratch),
        mirror(),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        scratch.unlink(missing_ok=True)
        tail = "\n".join(result.stderr.splitlines()[-15:])
        raise BaseImageError(f"mmdebstrap failed:\n{tail}")
    scratch.rename(path)
    print(f"debian {SUITE}: made in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return path


def mirror() -> str:
    """Debian's own mirror where it answers, else the one this machine's apt uses."""
    if _has_suite(_MIRROR):
        return _MIRROR
    for candidate in _host_mirrors():
        if _has_suite(candidate):
            return candidate
    return _MIRROR


def host_sources() -> str | None:
    """What a build must see as its apt sources; None where the image's own will do."""
    found = mirror()
    if found == _MIRROR:
        return None
    return _SOURCES.format(suite=SUITE).replace(
        _MIRROR.removesuffix("/debian"), found.rsplit("/", 1)[0]
    )


def host_apt_settings() -> list[str]:
    """The proxies and time-outs that this machine's apt is set to."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    return [line for line in dump.splitlines() if line.startswith(wanted) and '""' not in line]


def _host_mirrors() -> list[str]:
    found: list[str] = []
    folder = Path("/etc/apt")
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.is_file():
            words = path.read_text(errors="replace").split()
            found += [
                word.rstrip("/") for word in words if word.startswith(("http://", "https://"))
            ]
    return [url for url in dict.fromkeys(found) if url.endswith("/debian")]


def _has_suite(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/dists/{SUITE}/InRelease", timeout=15) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
