"""Builds an image from a Dockerfile and puts images into the cluster, with Docker or without.

Called by `images.py`. Without Docker it is buildah with a storage of its own. The machine's
certificate authorities, proxies and package mirrors serve the build and stay out of the image.
Must not decide what an image is called or when it is current.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import base_image
import containerd
import dockerfile
import kind_cluster
import leftovers
import packages
import thin_archive
from container_engine import docker_answers
from places import CACHE

_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_STORAGE = CACHE / "buildah"
# Settings of package managers that a Dockerfile may ask for by an ARG of the same name.
_STEP = re.compile(r"(\[\S+\] )?STEP |#\d+ \[")
_PASSED_ON = ("PIP_", "UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class ImageBuildError(Exception):
    """A build or a load failed; the message holds the last lines of the tool."""


def build(reference: str, file: Path, context: Path, target: str | None) -> None:
    """Build an image; does nothing beyond the tool's own layer cache if it is current."""
    options = [f"--tag={reference}", f"--file={file}", *([f"--target={target}"] if target else [])]
    for name in sorted(dockerfile.arguments(file.read_text())):
        if name in os.environ and name.startswith(_PASSED_ON):
            options.append(f"--build-arg={name}={os.environ[name]}")
    if docker_answers():
        _run(["docker", "build", *options, str(context)], shown=True)
        return
    _ensure_base()
    with _host_settings() as mounts:
        _buildah(
            "bud",
            "--isolation=chroot",
            "--layers",
            "--pull=never",
            *[f"--volume={mount}" for mount in mounts],
            *options,
            str(context),
            shown=True,
        )


def is_built(reference: str) -> bool:
    """Whether the builder has it."""
    try:
        if docker_answers():
            _run(["docker", "image", "inspect", reference])
        else:
            packages.ensure(packages.BUILD)
            _buildah("inspect", "--type=image", reference)
    except ImageBuildError:
        return False
    return True


def load(reference: str) -> None:
    """Give the cluster an image that the builder has."""
    if not docker_answers() and containerd.tag(_identity(reference), reference):
        # Its files changed in a way that the image does not show, such as a comment.
        return
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".load-") as folder:
        archive = Path(folder) / "image.tar"
        if docker_answers():
            _run(["docker", "save", f"--output={archive}", reference])
            kind_cluster.load_archive(archive)
            return
        # Not compressed: that would take longer than the rest, and layers be known by another hash.
        _buildah(
            "push", "--disable-compression", reference, f"docker-archive:{archive}:{reference}"
        )
        thin = Path(folder) / "thin.tar"
        thin_archive.write(archive, reference, containerd.blobs(), thin)
        containerd.import_archive(thin)


def _identity(reference: str) -> str:
    found = _buildah("inspect", "--type=image", "--format={{.FromImageID}}", reference)
    return f"sha256:{found.strip()}"


def load_archive(archive: Path) -> None:
    """Give the cluster an image from an archive."""
    if docker_answers():
        kind_cluster.load_archive(archive)
    else:
        containerd.import_archive(archive)


def loaded() -> set[str]:
    """The full names of the images that the cluster has."""
    return kind_cluster.images() if docker_answers() else containerd.images()


def prune(reference: str, keep: int = 5) -> None:
    """Forget older images of the same name, in the builder and in the cluster.

    The newest few stay, for other checkouts of this machine build theirs too; so does what a
    container stands on. Layers that others share stay as well.
    """
    repository = reference.rpartition(":")[0]
    listed = _docker_tags(repository) if docker_answers() else _buildah_tags(repository)
    kept = {reference, *listed[:keep]}
    for old in (name for name in listed if name not in kept):
        # One that is in use, or gone meanwhile, is no reason to fail.
        with suppress(ImageBuildError):
            _run(["docker", "rmi", old]) if docker_answers() else _buildah("rmi", old)
    if not docker_answers():
        containerd.remove_images(
            {name for name in containerd.images() if name.startswith(f"{repository}:")} - kept
        )


def _docker_tags(repository: str) -> list[str]:
    """The newest first, as Docker lists them."""
    return _run(["docker", "images", "--format={{.Repository}}:{{.Tag}}", repository]).split()


def _buildah_tags(repository: str) -> list[str]:
    """The newest first."""
    found = [
        (str(image["createdatraw"]), name)
        for image in json.loads(_buildah("images", "--json"))
        for name in image.get("names") or ()
        if name.startswith(f"{repository}:")
    ]
    return [name for _, name in sorted(found, reverse=True)]


def _ensure_base() -> None:
    """Give buildah the base image under its name on Docker Hub."""
    archive = base_image.ensure_archive()
    if is_built(base_image.REFERENCE):
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "Dockerfile"
        # What the image on Docker Hub has set as well.
        file.write_text(f'FROM scratch\nADD {archive.name} /\nCMD ["bash"]\n')
        _buildah("bud", f"--tag={base_image.REFERENCE}", f"--file={file}", str(archive.parent))


@contextmanager
def _host_settings() -> Iterator[list[str]]:
    """Mounts that let a build use this machine's authorities, apt mirror and apt proxy."""
    with tempfile.TemporaryDirectory() as folder:
        mounts = []
        if Path(_AUTHORITIES).exists():
            mounts.append(f"{_AUTHORITIES}:{_AUTHORITIES}:ro")
        sources = base_image.host_sources()
        if sources is not None:
            path = Path(folder) / "debian.sources"
            path.write_text(sources)
            mounts.append(f"{path}:/etc/apt/sources.list.d/debian.sources:ro")
        settings = base_image.host_apt_settings()
        if settings:
            path = Path(folder) / "host.conf"
            path.write_text("\n".join(settings) + "\n")
            # Over a file that is there and that a build can do without: a mount on a new name
            # would leave an empty file in the image.
            mounts.append(f"{path}:/etc/apt/apt.conf.d/01autoremove:ro")
        yield mounts


def _buildah(*arguments: str, shown: bool = False) -> str:
    """What it prints, once no other build runs here."""
    _STORAGE.mkdir(parents=True, exist_ok=True)
    command = [
        "buildah",
        f"--root={_STORAGE / 'root'}",
        f"--runroot={_STORAGE / 'run'}",
        "--storage-driver=overlay",
        *arguments,
    ]
    # One at a time: two builds of the same image would both do all the work, and the first to
    # end would unmount what the other stands on.
    with (_STORAGE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _run(command, shown=shown)
        finally:
            # It leaves its folder mounted on itself, and more when it was interrupted.
            leftovers.unmount(_STORAGE)


def _run(command: Sequence[str], *, shown: bool = False) -> str:
    """What it prints; with `shown`, its steps go to the terminal as they come."""
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if shown and _STEP.match(line):
                # On stderr, since stdout is for names.
                print(f"  {line.strip()[:110]}", file=sys.stderr, flush=True)
    if process.returncode != 0:
        raise ImageBuildError(f"{' '.join(command)} failed:\n{''.join(lines[-30:])}")
    return "".join(lines)
