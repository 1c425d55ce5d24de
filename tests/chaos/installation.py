"""The operator that a run is against: two replicas of the chart behind the proxy, and a clock of their own.

Used by ``run.py``. It is the chart as any user would install it, in a namespace of its own, while the
release that the other tests use rests. What is patched onto it is the API server's address (as Kubernetes
tells every pod) and libfaketime, which moves the wall clock that the processes see and leaves the monotonic
one alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deploy
import packages
import places
from api import wait_until
from chaos import api_proxy
from kubernetes import client

NAMESPACE = "videojob-chaos"
RELEASE = deploy.RELEASE
KEEP_SECONDS = 15
"""How long children of finished jobs stay: short, so that a run sees them go."""
_MAX_RUNNING = 6
_VALUES = (
    "replicas=2",
    "crds.enabled=false",
    "rbac.aggregate=false",
    f"childrenKeepSeconds={KEEP_SECONDS}",
    f"maxRunning={_MAX_RUNNING}",
    f"notifications.allowCidrs={{{places.BRIDGE_ADDRESS}/32}}",
)
_CLOCK = places.VOLUMES / "chaos-clock"
_MOUNT = "/clock"


def set_clock(seconds: int) -> None:
    """Move the operator's wall clock so far from the machine's; it takes a second."""
    new = _CLOCK / "offset.new"
    new.write_text(f"{seconds:+d}\n")
    new.rename(_CLOCK / "offset")


@contextmanager
def installed() -> Iterator[None]:
    """The operator runs until the end of the block; then all is as it was before."""
    _place_clock()
    deploy.stop()
    try:
        deploy.ensure(namespace=NAMESPACE, values=_VALUES)
        _patch()
        yield
    finally:
        # Whatever was stopped is started again first.
        cluster = [sys.executable, str(places.HERE / "cluster.py"), "up"]
        subprocess.run(cluster, check=True, stdout=subprocess.DEVNULL)
        helm("uninstall", RELEASE, "--ignore-not-found", "--wait")
        client.CoreV1Api().delete_namespace(NAMESPACE)
        deploy.ensure()
        wait_until(_is_gone, 60, interval=0.5)  # the next run may begin at once
        shutil.rmtree(_CLOCK, ignore_errors=True)


def _is_gone() -> bool:
    try:
        client.CoreV1Api().read_namespace(NAMESPACE)
    except client.ApiException as error:
        return error.status == 404
    return False


def helm(*arguments: str) -> None:
    """Run helm on the release under test; it must succeed."""
    command = ["helm", "--namespace", NAMESPACE, *arguments]
    subprocess.run(command, env=deploy.environment(), check=True, stdout=subprocess.DEVNULL)


def _place_clock() -> None:
    packages.ensure(packages.CHAOS)
    _CLOCK.mkdir(parents=True, exist_ok=True)
    (library,) = packages.CHAOS["libfaketime"]
    shutil.copy(library, _CLOCK / "libfaketime.so.1")
    set_clock(0)
    for path in (_CLOCK, *_CLOCK.iterdir()):
        path.chmod(0o755)


def _patch() -> None:
    apps = client.AppsV1Api()
    apps.patch_namespaced_deployment(RELEASE, NAMESPACE, build_patch(_CLOCK))

    def rolled_out() -> bool:
        found = apps.read_namespaced_deployment(RELEASE, NAMESPACE)
        status = found.status
        current = status.observed_generation == found.metadata.generation
        return bool(current and status.updated_replicas == status.replicas == 2)

    if not wait_until(rolled_out, 90, interval=0.5):
        raise deploy.DeployError("the operator under test did not come up in 90 s")


def build_patch(clock: Path) -> dict[str, Any]:
    """What is added to the chart's Deployment."""
    environment = {
        "KUBERNETES_SERVICE_HOST": places.BRIDGE_ADDRESS,
        "KUBERNETES_SERVICE_PORT": str(api_proxy.PORT),
        "LD_PRELOAD": f"{_MOUNT}/libfaketime.so.1",
        "FAKETIME_TIMESTAMP_FILE": f"{_MOUNT}/offset",
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",
    }
    container = {
        "name": "operator",
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "volumeMounts": [{"name": "clock", "mountPath": _MOUNT, "readOnly": True}],
    }
    volume = {"name": "clock", "hostPath": {"path": str(clock), "type": "Directory"}}
    return {"spec": {"template": {"spec": {"containers": [container], "volumes": [volume]}}}}
