"""Builds the Go tools of the local cluster and of the chart tests, and keeps them.

Called by `cluster.py`, `images.py` and the Makefile (`python tests/cluster/binaries.py helm`).
Each tool is a small Go module below `tools/` that pins versions; its binaries are kept under
a key of all that goes into them, so that a second checkout on the machine builds nothing.
Must not install anything outside the cache folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from places import BINARIES, HERE

_TOOLS = HERE / "tools"
_FLAGS = ("-trimpath",)
_STRIP = "-s -w"
_KUBERNETES = "v1.34.4"
_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Tool:
    """One Go module below `tools/` and what is built from it."""

    packages: dict[str, str]
    """Name of the binary → package it is built from."""
    cold_seconds: int
    """How long the first build took on a machine of two cores."""
    stamp: str = ""
    """Linker flags that write the version into the binaries."""
    tags: str = ""
    """Build tags, for what is not needed of it."""


TOOLS = {
    "kubernetes": Tool(
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kubelet",
                "kube-scheduler",
                "kube-proxy",
                "kubectl",
            )
        },
        530,
        f"-X {_VERSION}.gitVersion={_KUBERNETES} -X {_VERSION}.gitMajor=1"
        f" -X {_VERSION}.gitMinor=34",
    ),
    "etcd": Tool({"etcd": "go.etcd.io/etcd/server/v3"}, 70),
    "coredns": Tool({"coredns": "."}, 120),
    "pause": Tool({"pause": "."}, 5),
    "minio": Tool({"minio": "github.com/minio/minio"}, 280),
    "versitygw": Tool({"versitygw": "github.com/versity/versitygw/cmd/versitygw"}, 140),
    "helm": Tool({"helm": "helm.sh/helm/v3/cmd/helm"}, 160),
    "helm-unittest": Tool({"untt": "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"}, 60),
    "kubeconform": Tool({"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"}, 10),
    "kstatus": Tool({"kstatus": "."}, 40),
    "promtool": Tool(
        {"promtool": "github.com/prometheus/prometheus/cmd/promtool"}, 120, tags="remove_all_sd"
    ),
    "kind": Tool({"kind": "sigs.k8s.io/kind"}, 60),
    "kwok": Tool({"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, 130),
}


class BuildError(Exception):
    """A tool can't be built here; the message says what to do."""


def ensure_tool(name: str) -> Path:
    """The folder with the tool's binaries, built now if they are not there yet."""
    tool = TOOLS[name]
    folder = BINARIES / f"{name}-{_key(name, tool)}"
    if folder.is_dir():
        return folder
    with _one_at_a_time():
        if not folder.is_dir():
            _build(name, tool, folder)
    return folder


def ensure_binary(name: str, tool: str | None = None) -> Path:
    """The path of one binary, built now if it is not there yet."""
    return ensure_tool(tool or name) / name


def _key(name: str, tool: Tool) -> str:
    """Twelve hex digits over everything that decides what the binaries are."""
    digest = hashlib.sha256()
    for path in sorted((_TOOLS / name).rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(_TOOLS)}\0".encode())
            digest.update(path.read_bytes() + b"\0")
    digest.update(repr((_FLAGS, _STRIP, tool.packages, tool.stamp)).encode())
    digest.update(tool.tags.encode())
    return digest.hexdigest()[:12]


def _build(name: str, tool: Tool, folder: Path) -> None:
    module = _TOOLS / name
    _check_go(module)
    _say(f"{name}: building {', '.join(tool.packages)} ({_expectation(name, tool)})")
    started = time.monotonic()
    # Beside the final folder, so that the rename at the end is atomic.
    with tempfile.TemporaryDirectory(dir=BINARIES, prefix=f".{name}-") as scratch:
        output = Path(scratch) / "out"
        output.mkdir()
        for binary, package in tool.packages.items():
            _go_build(module, package, tool, output / binary)
        output.rename(folder)
    seconds = time.monotonic() - started
    _remember(name, seconds)
    _say(f"{name}: built in {seconds:.0f} s")


def _go_build(module: Path, package: str, tool: Tool, output: Path) -> None:
    ldflags = f"{_STRIP} {tool.stamp}".strip()
    command = ["go", "build", *_FLAGS, f"-tags={tool.tags}", "-ldflags", ldflags]
    command += ["-o", str(output), package]
    env = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    result = subprocess.run(command, cwd=module, env=env, capture_output=True, text=True)
    if result.returncode != 0:
        # The downloads that go reports are no part of what went wrong.
        lines = [line for line in result.stderr.splitlines() if "go: downloading" not in line]
        raise BuildError(f"{' '.join(command)} failed in {module}:\n" + "\n".join(lines[-20:]))


def _check_go(module: Path) -> None:
    """Refuse early, in words, where `go build` would fail on its version."""
    wanted = re.search(r"^go (\S+)", (module / "go.mod").read_text(), re.MULTILINE)
    needed = wanted.group(1) if wanted else "1.24"
    remedy = f"Install Go {needed} or later (https://go.dev/dl/) and put its bin folder on PATH."
    if shutil.which("go") is None:
        raise BuildError(f"No `go` command found; building {module.name} needs it. {remedy}")
    env = {**os.environ, "GOWORK": "off"}
    probe = subprocess.run(
        ["go", "env", "GOVERSION"], cwd=module, env=env, capture_output=True, text=True
    )
    # With GOTOOLCHAIN=auto, Go 1.21 and later fetch a newer toolchain by themselves; then
    # the version printed is already that one.
    if probe.returncode != 0:
        raise BuildError(f"`go` can't be used for {module.name}: {probe.stderr.strip()} {remedy}")
    found = probe.stdout.strip().removeprefix("go")
    if _numbers(found) < _numbers(needed):
        raise BuildError(f"Go {found} found, but {module.name} needs {needed}. {remedy}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _expectation(name: str, tool: Tool) -> str:
    seconds = _durations().get(name)
    if seconds is not None:
        return f"took {seconds:.0f} s last time"
    return f"the first build takes about {tool.cold_seconds} s on two cores"


def _durations() -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads((BINARIES / "durations.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _remember(name: str, seconds: float) -> None:
    known = {**_durations(), name: round(seconds, 1)}
    (BINARIES / "durations.json").write_text(json.dumps(known, indent=1))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Links need up to 2 GB each: two builds side by side may not fit a small machine."""
    BINARIES.mkdir(parents=True, exist_ok=True)
    with (BINARIES / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another build is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(names: Sequence[str]) -> int:
    """Build the tools named and print the path of each of their binaries."""
    unknown = [name for name in names if name not in TOOLS]
    if unknown or not names:
        _say(f"usage: binaries.py TOOL…   where TOOL is one of: {', '.join(TOOLS)}")
        return 2
    try:
        for name in names:
            folder = ensure_tool(name)
            for binary in TOOLS[name].packages:
                print(folder / binary)
    except BuildError as error:
        _say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
