"""Puts a MinIO server in a namespace of the cluster and says how to reach it.

Run by the demo and imported by the end-to-end tests (`minio_server.py videojob-demo`). Prints
NAME=VALUE lines: the endpoint inside the cluster, and the keys. Bytes live as long as the pod.
Must not be reachable from outside of this machine.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Sequence

import images
import places
from api import Api, wait_until
from local_cluster import ClusterError

ACCESS_KEY = "videojob"
SECRET_KEY = "videojob-local-only"


def manifests(namespace: str) -> str:
    """All that it is made of, as YAML documents."""
    return string.Template((places.HERE / "minio.yaml").read_text()).substitute(
        NAMESPACE=namespace,
        ACCESS_KEY=ACCESS_KEY,
        SECRET_KEY=SECRET_KEY,
        MINIO_IMAGE=images.ensure_loaded("minio"),
    )


def ensure(namespace: str) -> dict[str, str]:
    """Deploy it, wait until it is ready, and return endpoint and keys."""
    api = Api(places.KUBECONFIG)
    api.apply(manifests(namespace))
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/minio"

    def ready() -> bool:
        found = api.get(path)
        status = found["status"]
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        return bool(current and status.get("updatedReplicas") == status.get("readyReplicas") == 1)

    if not wait_until(ready, 60):
        raise ClusterError(
            f"MinIO is not ready after 60 s; `kubectl -n {namespace} describe pod` says why."
        )
    service = api.get(f"/api/v1/namespaces/{namespace}/services/minio")
    return {
        "endpoint": f"http://minio.{namespace}.svc:9000",
        # Reachable from this machine too where the cluster is one of plain processes; with
        # kind, a `kubectl port-forward` is needed.
        "address": f"http://{service['spec']['clusterIP']}:9000",
        "accessKeyID": ACCESS_KEY,
        "secretAccessKey": SECRET_KEY,
    }


def main(arguments: Sequence[str]) -> int:
    """Deploy into the namespace named; the exit status."""
    try:
        found = ensure(arguments[0] if arguments else "videojob-demo")
    except images.ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, value in found.items():
        print(f"{name}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
