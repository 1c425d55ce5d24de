"""The project's images: built where they are out of date, and loaded into the cluster.

Run by the Makefile and by hand: `images.py build operator worker`, `images.py load operator`.
Prints NAME=REFERENCE for each; a reference's tag is a hash of all that goes into the image, so
that what is current is neither built nor loaded again. Must not push anything anywhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import binaries
import container_engine
import dockerfile
import image_build
import scratch_image
from base_image import BaseImageError
from containerd import ContainerdError
from local_cluster import ClusterError
from packages import PackageError
from places import REPOSITORY
from scratch_image import ScratchImage

# What can be wrong with the machine or the inputs; the messages are for the user.
ERRORS = (
    image_build.ImageBuildError,
    BaseImageError,
    binaries.BuildError,
    ClusterError,
    ContainerdError,
    PackageError,
    FileNotFoundError,
)


@dataclass(frozen=True)
class BuiltImage:
    """An image from a Dockerfile."""

    name: str
    file: Path
    target: str | None = None
    context: Path = REPOSITORY

    def reference(self) -> str:
        """The image's name with a tag that is a hash of all that goes into it."""
        digest = dockerfile.context_hash(self.file, self.context, self.target or "")
        return container_engine.reference(self.name, digest)


_BUILT = {
    "operator": BuiltImage("operator", REPOSITORY / "Dockerfile.operator"),
    "worker": BuiltImage("worker", REPOSITORY / "Dockerfile.worker", "base"),
    # Large, so built for who asks for them by name alone.
    "worker-speech": BuiltImage("worker-speech", REPOSITORY / "Dockerfile.worker", "speech"),
    "worker-gpu": BuiltImage("worker-gpu", REPOSITORY / "Dockerfile.worker", "gpu"),
}
_TOOLS = ("minio",)
NAMES = (*_BUILT, *_TOOLS)


def reference(name: str) -> str:
    """The reference that an image has or would have; nothing is built."""
    return _BUILT[name].reference()


def ensure_built(name: str) -> str:
    """The reference of an image that the builder has, built now if needed."""
    if name in _TOOLS:
        image = _minio()
        scratch_image.ensure_archive(image)
        return image.reference()
    built = _BUILT[name]
    reference = built.reference()
    if not image_build.is_built(reference):
        _timed(
            f"image {name}: building {reference}",
            lambda: image_build.build(reference, built.file, built.context, built.target),
        )
        image_build.prune(reference)
    return reference


def ensure_loaded(name: str) -> str:
    """The reference of an image that the cluster has, built and loaded now if needed."""
    reference = _minio().reference() if name in _TOOLS else _BUILT[name].reference()
    if reference in image_build.loaded():
        return reference
    ensure_built(name)
    if name in _TOOLS:
        archive = scratch_image.ensure_archive(_minio())
        _timed(f"image {name}: loading", lambda: image_build.load_archive(archive))
    else:
        _timed(f"image {name}: loading", lambda: image_build.load(reference))
        image_build.prune(reference)
    return reference


def _minio() -> ScratchImage:
    return ScratchImage("minio", {"minio": binaries.ensure_binary("minio")}, ["/minio"])


def _timed(text: str, work: Callable[[], None]) -> None:
    print(text, file=sys.stderr, flush=True)
    started = time.monotonic()
    work()
    print(f"{text}: done in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Build or load the images named; the exit status."""
    command, *names = arguments or [""]
    if command in NAMES:
        command, names = "load", list(arguments)
    unknown = [name for name in names if name not in NAMES]
    if command not in ("build", "load") or unknown or not names:
        usage = f"usage: images.py [build|load] NAME…   where NAME is one of: {', '.join(NAMES)}"
        print(usage, file=sys.stderr)
        return 2
    try:
        ensure = ensure_built if command == "build" else ensure_loaded
        references = {name: ensure(name) for name in names}
    except ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, reference in references.items():
        print(f"{name}={reference}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
