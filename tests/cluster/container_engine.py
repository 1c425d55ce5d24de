"""Whether Docker answers here, and how the images of this project are called.

Asked by the cluster and the image tooling, which go through Docker and kind where they can and
do without otherwise. Must not start or configure Docker.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess

# A name no registry has: a node that lacks the image can't fetch a stranger's instead.
_REPOSITORY = "localhost/videojob-"


@functools.cache
def docker_answers() -> bool:
    """Whether a Docker daemon is there; VIDEOJOB_WITHOUT_DOCKER=1 makes it a no."""
    if os.environ.get("VIDEOJOB_WITHOUT_DOCKER") == "1" or shutil.which("docker") is None:
        return False
    probe = subprocess.run(["docker", "info"], capture_output=True, timeout=30)
    return probe.returncode == 0


def reference(name: str, digest: str) -> str:
    """The full name of an image whose inputs have this hash."""
    return f"{_REPOSITORY}{name}:{digest[:16]}"


def architecture() -> str:
    """The machine's architecture as images call it."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
