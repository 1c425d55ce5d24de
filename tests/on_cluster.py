"""What the end-to-end tests do to a cluster: kubectl, VideoJobs to apply, objects to look at.

Used by tests/e2e and its fixtures. Everything is done as a user would.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import bucket
import deploy
import images
import minio_server
import places
import pytest
from kubernetes.aio import client, config
from minio import Minio

from videojob_operator.cluster import Cluster
from videojob_operator.fence import Fence

STORE_NAMESPACE = "videojob-e2e"
TERMINAL = ("Succeeded", "Failed", "Rejected", "Cancelled")


class Kubectl:
    """kubectl in one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._environment = deploy.environment()

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run it and give back what it said, whatever its exit status."""
        return subprocess.run(
            ["kubectl", "--namespace", self.namespace, *arguments],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it; it must succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply(self, *bodies: dict[str, Any]) -> None:
        """Apply objects; they must be accepted."""
        # Not YAML: kubectl takes an unquoted label such as 12e34567-1 for a number where PyYAML does not.
        self.ok("apply", "-f", "-", stdin="\n".join(map(json.dumps, bodies)))

    def get(self, *arguments: str) -> dict[str, Any]:
        """One object or list, as JSON."""
        found: dict[str, Any] = json.loads(self.ok("get", *arguments, "-o", "json"))
        return found

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The items of a list."""
        found: list[dict[str, Any]] = self.get(*arguments)["items"]
        return found

    def status(self, name: str) -> dict[str, Any]:
        """The status of a VideoJob."""
        found: dict[str, Any] = self.get("videojob", name).get("status", {})
        return found

    def wait(
        self,
        name: str,
        until: Callable[[dict[str, Any]], bool],
        *,
        seconds: float = 90,
    ) -> dict[str, Any]:
        """The status of a VideoJob as soon as it is so; fails with the last one seen."""
        limit = time.monotonic() + seconds
        status: dict[str, Any] = {}
        while time.monotonic() < limit:
            status = self.status(name)
            if until(status):
                return status
            time.sleep(0.2)
        events = self.run("get", "events", "--sort-by=.lastTimestamp").stdout
        pytest.fail(f"{name} after {seconds} s: {json.dumps(status, indent=1)}\n{events}")

    def percents(self, name: str, *, seconds: int = 240) -> list[int]:
        """Each percent that a watch tells of a VideoJob, until it has ended."""
        shown = "jsonpath={.status.phase} {.status.progress.percent}{'\\n'}"
        watch = ["kubectl", "--namespace", self.namespace, "get", "videojob", name, "--watch"]
        watch += ["-o", shown, f"--request-timeout={seconds}s"]
        found = []
        with subprocess.Popen(
            watch, env=self._environment, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout or ():
                phase, _, percent = line.strip().partition(" ")
                found += [int(percent)] if percent else []
                if phase in TERMINAL:
                    break
            process.terminate()
        return found

    def wait_end(self, name: str, *, seconds: float = 120) -> dict[str, Any]:
        """The status of a VideoJob once it has ended."""
        return self.wait(name, lambda s: s.get("phase") in TERMINAL, seconds=seconds)


def condition(status: dict[str, Any], type_: str) -> dict[str, Any]:
    """The one of that type."""
    found: dict[str, Any]
    (found,) = (c for c in status["conditions"] if c["type"] == type_)
    return found


def is_stalled(status: dict[str, Any]) -> bool:
    """Whether it waits for something that only a person can mend."""
    return bool(status.get("conditions")) and condition(status, "Stalled")["status"] == "True"


def eventually(what: Callable[[], Any], *, seconds: float) -> Any:
    """What it gives, as soon as that is something."""
    limit = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < limit, f"not within {seconds} s"
        time.sleep(0.3)
    return found


@asynccontextmanager
async def a_cluster() -> AsyncIterator[Cluster]:
    """What the operator speaks to the API server with."""
    settings = client.Configuration()
    await config.load_kube_config(str(places.KUBECONFIG), client_configuration=settings)
    cluster = Cluster(client.ApiClient(settings), Fence())
    try:
        yield cluster
    finally:
        await cluster.close()


def metrics_of(release_namespace: str) -> dict[str, float]:
    """The operator's metrics, through the API server."""
    kubectl = Kubectl(release_namespace)
    (service,) = kubectl.items("services")
    path = f"/api/v1/namespaces/{release_namespace}/services"
    text = kubectl.ok("get", "--raw", f"{path}/{service['metadata']['name']}:http/proxy/metrics")
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


@contextmanager
def a_namespace(name: str) -> Iterator[Kubectl]:
    """kubectl in a new namespace, called about so, which refuses any pod that is not restricted."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower())[:30].strip("-")
    kubectl = Kubectl(f"t-{stem}-{secrets.token_hex(2)}")
    meta = {
        "name": kubectl.namespace,
        "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
    }
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    try:
        yield kubectl
    finally:
        kubectl.ok("delete", "namespace", kubectl.namespace, "--wait=false", "--ignore-not-found")


@contextmanager
def offered(kube: Kubectl, claim: str) -> Iterator[Path]:
    """A folder of this machine, which pods of the namespace have as a PersistentVolumeClaim."""
    folder = places.VOLUMES / f"{kube.namespace}-{claim}"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeMode": "Filesystem"}
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": folder.name},
            "spec": {
                **common,
                "capacity": {"storage": "1Gi"},
                "hostPath": {"path": str(folder), "type": "Directory"},
                "claimRef": {"namespace": kube.namespace, "name": claim},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim},
            "spec": {
                **common,
                "volumeName": folder.name,
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
    )
    try:
        yield folder
    finally:
        kube.ok("delete", "persistentvolume", folder.name, "--wait=false")
        shutil.rmtree(folder)


def this_machine(kube: Kubectl) -> str:
    """An address of this machine that pods reach."""
    if Path(f"/sys/class/net/{places.BRIDGE}").exists():
        return places.BRIDGE_ADDRESS
    # The node is a container of kind's, in a network of Docker's whose gateway is this machine.
    (node,) = kube.items("nodes")
    own = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    return str(ipaddress.ip_network(f"{own}/16", strict=False)[1])


def a_python_pod(name: str, script: str) -> list[dict[str, Any]]:
    """A pod that runs a script, and a Service of its name for the script's port 8000."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": name,
        "image": images.ensure_loaded("operator"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3.13", "-c", script],
        "securityContext": security,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    return [pod, service]


def a_secret(name: str = "minio-credentials", key: str = minio_server.SECRET_KEY) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"accessKeyID": minio_server.ACCESS_KEY, "secretAccessKey": key},
    }


def a_store(name: str = "media", **changes: Any) -> dict[str, Any]:
    s3 = {
        "endpoint": f"http://minio.{STORE_NAMESPACE}.svc:9000",
        "bucket": bucket.BUCKET,
        "credentialsSecretRef": {"name": "minio-credentials"},
        **changes,
    }
    return {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "VideoStore",
        "metadata": {"name": name},
        "spec": {"s3": s3},
    }


def a_videojob(name: str, *keys: str, prefix: str = "", **spec: Any) -> dict[str, Any]:
    """A VideoJob that makes one picture of each input, unless told otherwise."""
    return {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "VideoJob",
        "metadata": {"name": name},
        "spec": {
            "storeRef": {"name": "media"},
            "inputs": [{"name": f"in{i}", "key": key} for i, key in enumerate(keys)],
            "steps": [{"name": "poster", "thumbnails": {"count": 1}}],
            "output": {"prefix": prefix or f"results/{secrets.token_hex(4)}/"},
            **spec,
        },
    }


def upload(store: Minio, path: Path, key: str | None = None) -> str:
    """Put a file in the bucket; its key."""
    key = key or f"uploads/{secrets.token_hex(4)}/{path.name}"
    store.fput_object(bucket.BUCKET, key, os.fspath(path))
    return key


def published(store: Minio, prefix: str) -> set[str]:
    """All keys below a prefix."""
    found = store.list_objects(bucket.BUCKET, prefix=prefix, recursive=True)
    return {item.object_name for item in found if item.object_name}
