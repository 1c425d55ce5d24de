"""Removes what the dead or dying parts of the local cluster leave on the machine.

Called by `local_cluster.py` on the way down, and before a new start after a crash. Finds things
by the paths of our own state folder, never by a name that another cluster could have as well.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from pathlib import Path

import processes
from places import CONTAINERD_SOCKET, LOGS, STATE

_CGROUPS = Path("/sys/fs/cgroup")
_SHIM_SOCKETS = Path("/run/containerd/s")
_LOG_LINKS = Path("/var/log/containers")
_CNI_RESULTS = Path("/var/lib/cni/results")
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
_OTHER_CONTAINERD = Path("/run/containerd/containerd.sock")


def end_containers() -> None:
    """End every container at once, then the shims that watch over them."""
    shims = processes.with_arguments("-address", str(CONTAINERD_SOCKET))
    processes.end(processes.descendants(shims), grace_seconds=0)
    processes.end(shims, grace_seconds=0)


def unmount(*roots: Path) -> None:
    """Unmount all below these folders, the innermost first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if any(Path(point).is_relative_to(root) for root in roots):
            points.append(point)
    for point in sorted(points, key=len, reverse=True):
        # Lazily: a process in its last moment may still hold it.
        subprocess.run(["umount", "-l", point], capture_output=True)


def remove_files() -> None:
    """Remove state and what was written outside of it; logs and the image store stay."""
    for path in STATE.iterdir() if STATE.exists() else ():
        if path != LOGS:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(LOGS / "pods", ignore_errors=True)
    if _LOG_LINKS.is_dir():
        for link in _LOG_LINKS.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(LOGS):
                link.unlink()
        _remove_if_empty(_LOG_LINKS)
    for result in _CNI_RESULTS.glob("videojob-*"):
        result.unlink()
    if not _OTHER_CONTAINERD.exists():
        # These don't say whose they are.
        for result in _CNI_RESULTS.glob("cni-loopback-*"):
            result.unlink()
    _remove_if_empty(_CNI_RESULTS, _CNI_RESULTS.parent)
    _remove_dead_sockets(_SHIM_SOCKETS)
    _remove_dead_sockets(_DEVICE_PLUGINS)


def remove_cgroups() -> None:
    """Remove the empty cgroups of pods; the kernel keeps those that hold a process."""
    for pattern in ("kubepods", "*/kubepods"):
        for root in _CGROUPS.glob(pattern):
            folders = [path for path in root.rglob("*") if path.is_dir()]
            for folder in [*sorted(folders, key=lambda path: len(path.parts), reverse=True), root]:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _remove_dead_sockets(folder: Path) -> None:
    """Remove sockets nobody listens on, from folders that all clusters of a machine share."""
    for path in folder.glob("*"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue
    _remove_if_empty(folder, folder.parent)


def _remove_if_empty(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
