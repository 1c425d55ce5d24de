"""Talks to the local cluster's containerd: its images, and what is left of dead containers.

Called by `local_cluster.py` and `images.py`. Goes through `ctr`, always with our own socket.
Must not touch another containerd of the machine.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from places import CONTAINERD_SOCKET


class ContainerdError(Exception):
    """`ctr` failed; the message is its own."""


def answers() -> bool:
    """Whether the daemon takes requests, its image service included."""
    command = ["ctr", "-a", str(CONTAINERD_SOCKET), "--connect-timeout", "1s", "plugins", "ls"]
    result = subprocess.run(command, capture_output=True, text=True)
    rows = [line.split() for line in result.stdout.splitlines()]
    return any("cri" in row and row[-1] == "ok" for row in rows)


def images() -> set[str]:
    """The full names of all images it has."""
    return set(_ctr("images", "ls", "-q").split())


def import_archive(archive: Path) -> None:
    """Take an image from an archive and unpack it, so that the first pod need not wait."""
    _ctr("images", "import", str(archive))


def blobs() -> set[str]:
    """The digests of all it has stored: layers, configurations, manifests."""
    return set(_ctr("content", "ls", "-q").split())


def tag(identity: str, reference: str) -> bool:
    """Give an image that it has, known by the hash of its configuration, another name."""
    if identity not in images():
        return False
    _ctr("images", "tag", "--force", identity, reference)
    return True


def remove_images(references: set[str]) -> None:
    """Forget images, but those that a container stands on."""
    rows = (line.split() for line in _ctr("containers", "ls").splitlines())
    unused = references - {row[1] for row in rows if len(row) > 1}
    if unused:
        _ctr("images", "rm", *sorted(unused), check=False)


def remove_containers() -> bool:
    """Forget all containers; True when there were any."""
    ids = _ctr("containers", "ls", "-q").split()
    if ids:
        _ctr("containers", "rm", *ids, check=False)
    return bool(ids)


def _ctr(*arguments: str, check: bool = True) -> str:
    command = ["ctr", "-a", str(CONTAINERD_SOCKET), "-n", "k8s.io", *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if check and result.returncode != 0:
        raise ContainerdError(f"ctr {' '.join(arguments)}: {result.stderr.strip()[-2000:]}")
    return result.stdout
