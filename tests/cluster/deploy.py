"""Puts VideoJob itself on the cluster: both images, and the Helm chart as the release `videojob`.

Run by the Makefile and the demo, imported by the end-to-end tests. Must not know what a VideoJob is:
what it installs is what any user would install.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import binaries
import images
import places

RELEASE = "videojob"
NAMESPACE = "videojob-system"
CHART = places.REPOSITORY / "charts" / "videojob"
_NETWORKS = (places.SERVICE_RANGE, places.POD_RANGE, places.DOCKER_RANGE)
_ALLOWED = (
    f"notifications.allowCidrs={{{places.SERVICE_RANGE}}}",
    f"worker.allowCidrs={{{','.join(_NETWORKS)}}}",
)
"""Receivers of notifications, servers of films and of speech are Services here, or this machine itself."""


class DeployError(Exception):
    """Helm refused; the message is its own."""


def environment() -> dict[str, str]:
    """This process's environment with the cluster's kubeconfig, and our kubectl and helm first."""
    tools = (binaries.ensure_binary("kubectl", "kubernetes"), binaries.ensure_binary("helm"))
    folders = [str(tool.parent) for tool in tools]
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    return {**os.environ, "KUBECONFIG": str(places.KUBECONFIG), "PATH": path}


def ensure(
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    values: Sequence[str] = (),
    chart: Path = CHART,
) -> None:
    """Build and load what is out of date, then install or upgrade the release and wait for it.

    Args:
        release: name of the Helm release.
        namespace: where the operator runs.
        values: more ``key=value`` pairs for the chart.
        chart: another chart than this checkout's.

    Raises:
        DeployError: if helm fails; with what it said.
    """
    operator = images.ensure_loaded("operator")
    worker = images.ensure_loaded("worker")
    settings = [*_image("image", operator), *_image("worker.image", worker), *_ALLOWED, *values]
    for flavour in ("speech", "gpu"):  # built and loaded by the tests that need them
        settings += _image(f"worker.flavours.{flavour}", images.reference(f"worker-{flavour}"))
    command = ["helm", "upgrade", "--install", release, str(chart)]
    command += ["--namespace", namespace, "--create-namespace", "--wait", "--timeout", "120s"]
    for setting in settings:
        command += ["--set", setting]
    with (places.CACHE / "deploy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # helm refuses a second one at work on a release
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise DeployError(f"helm could not install the chart: {done.stderr.strip()}")


def stop(chart: Path = CHART) -> None:
    """The release without an operator, the last one ended: helm itself waits for new pods only.

    Raises:
        DeployError: if it goes on.
    """
    ensure(values=["replicas=0"], chart=chart)
    pods = ["--selector", f"app.kubernetes.io/instance={RELEASE}", "--namespace", NAMESPACE]
    pods += ["--field-selector", "status.phase=Running"]  # the pod of `helm test` stays for a look
    command = ["kubectl", "wait", "pod", "--for=delete", "--timeout=90s", *pods]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeployError(f"the operator did not end: {done.stderr.strip()}")


def _image(key: str, reference: str) -> list[str]:
    repository, _, tag = reference.rpartition(":")
    return [f"{key}.repository={repository}", f"{key}.tag={tag}"]


def main() -> int:
    """Deploy; the exit status."""
    try:
        ensure()
    except (*images.ERRORS, DeployError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"release {RELEASE} is up in namespace {NAMESPACE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
