"""The same cluster by way of kind, on machines where Docker answers.

Called by `cluster.py`. Fake GPUs and audit log are as in the cluster of plain processes, so that
the tests need not know which of the two they run on. VIDEOJOB_KIND_IMAGE chooses another node
image, and with it another version of Kubernetes. Must not touch other kind clusters.
"""

from __future__ import annotations

import os
import string
import subprocess
import sys
import tempfile
from pathlib import Path

import binaries
import places
from api import Api, wait_until
from local_cluster import ClusterError, advertise_gpus

_NODE = f"{places.CLUSTER_NAME}-control-plane"


def up() -> None:
    """Bring the cluster up; one that does not answer is replaced."""
    if _exists():
        if places.KUBECONFIG.exists() and wait_until(_answers, 10):
            advertise_gpus(Api(places.KUBECONFIG), _NODE)
            return
        print("the kind cluster does not answer; starting a new one", file=sys.stderr)
        down()
    for folder in (places.LOGS, places.VOLUMES):
        folder.mkdir(parents=True, exist_ok=True)
    print("kind: creating the cluster (one to three minutes)", file=sys.stderr, flush=True)
    template = string.Template((places.HERE / "kind.yaml").read_text())
    policy = places.HERE / "audit-policy.yaml"
    image = os.environ.get("VIDEOJOB_KIND_IMAGE")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(template.substitute(vars(places), AUDIT_POLICY=policy))
        config.flush()
        _kind(
            "create",
            "cluster",
            f"--config={config.name}",
            f"--kubeconfig={places.KUBECONFIG}",
            "--wait=180s",
            *([f"--image={image}"] if image else []),
        )
    advertise_gpus(Api(places.KUBECONFIG), _NODE)


def down() -> None:
    """Remove the cluster; fine when there is none."""
    if _exists():
        _kind("delete", "cluster", f"--kubeconfig={places.KUBECONFIG}")
    places.KUBECONFIG.unlink(missing_ok=True)
    places.AUDIT_LOG.unlink(missing_ok=True)


def report() -> list[tuple[str, str]]:
    """The one part that is seen from outside."""
    answers = _exists() and places.KUBECONFIG.exists() and wait_until(_answers, 2)
    return [(f"kind {_NODE}", "running" if answers else "not running")]


def load_archive(archive: Path) -> None:
    """Give the node an image from an archive."""
    _kind("load", "image-archive", str(archive))


def images() -> set[str]:
    """The full names of all images the node has."""
    command = ["docker", "exec", _NODE, "ctr", "-n", "k8s.io", "images", "ls", "-q"]
    return set(subprocess.run(command, capture_output=True, text=True).stdout.split())


def _answers() -> bool:
    return Api(places.KUBECONFIG).text("GET", "/readyz") == "ok"


def _exists() -> bool:
    command = [str(binaries.ensure_binary("kind")), "get", "clusters"]
    found = subprocess.run(command, capture_output=True, text=True)
    return places.CLUSTER_NAME in found.stdout.split()


def _kind(*arguments: str) -> None:
    command = [str(binaries.ensure_binary("kind")), *arguments, f"--name={places.CLUSTER_NAME}"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise ClusterError(f"kind {' '.join(arguments)}: {result.stderr.strip()[-2000:]}")
