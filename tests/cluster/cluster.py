"""The Kubernetes cluster that the tests and the demo run on: `up`, `down`, `status` and more.

Run by the Makefile and by hand. Chooses kind where Docker answers and a cluster of plain
processes where not; both give the same kubeconfig path, GPUs and audit log. Must not know how
either works.
"""

from __future__ import annotations

import argparse
import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import binaries
import kind_cluster
import local_cluster
import places
from container_engine import docker_answers
from containerd import ContainerdError
from local_cluster import ClusterError
from network import NetworkError
from packages import PackageError

_ERRORS = (ClusterError, NetworkError, PackageError, ContainerdError, binaries.BuildError)


def main(arguments: list[str]) -> int:
    """Do what the command line asks; the exit status."""
    parser = argparse.ArgumentParser(prog="cluster.py", description=__doc__)
    commands = {
        "up": "bring the cluster up, or make it whole again",
        "down": "end it and remove all that it put on this machine",
        "status": "print its parts and where its files are; fails when it is not up",
        "kubeconfig": "print the path of the administrator's kubeconfig",
        "env": 'print what a shell needs to use it: eval "$(… cluster.py env)"',
    }
    parser.add_argument(
        "command", choices=commands, help="; ".join(map(": ".join, commands.items()))
    )
    command = parser.parse_args(arguments).command
    try:
        if command == "up":
            with _alone():
                _up()
            print(f"export KUBECONFIG={places.KUBECONFIG}")
        elif command == "down":
            with _alone():
                _down()
        elif command == "status":
            return _print_status()
        elif command == "kubeconfig":
            print(places.KUBECONFIG)
        else:
            tools = [binaries.ensure_tool(name) for name in ("kubernetes", "helm")]
            print(f"export KUBECONFIG={places.KUBECONFIG}")
            print(f"export PATH={':'.join(map(str, tools))}:$PATH")
    except _ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _up() -> None:
    (kind_cluster if docker_answers() else local_cluster).up()


def _down() -> None:
    (kind_cluster if docker_answers() else local_cluster).down()


def _print_status() -> int:
    rows = (kind_cluster if docker_answers() else local_cluster).report()
    rows += [
        ("kubeconfig", str(places.KUBECONFIG)),
        ("audit log", str(places.AUDIT_LOG)),
        ("logs", str(places.LOGS)),
    ]
    for name, state in rows:
        print(f"{name:<24} {state}")
    return 1 if any(state == "not running" for _, state in rows) else 0


@contextmanager
def _alone() -> Iterator[None]:
    """Two of these at once would undo each other's work."""
    places.CACHE.mkdir(parents=True, exist_ok=True)
    with (places.CACHE / "cluster.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another cluster.py is at work; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
