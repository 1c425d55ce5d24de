"""The final state, read from the API server, its audit log and the bucket.

Used by ``run.py``; judged by ``verification.py``. It changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import places
from chaos.access import patiently
from chaos.store import BUCKET, Store
from chaos.verification import FinalState, Stored
from kubernetes import client

from videojob_api import names

VIDEOJOBS = (names.GROUP, names.VERSION)
_ROOT_CERTIFICATE = "kube-root-ca.crt"


def list_videojobs(namespace: str) -> list[dict[str, Any]]:
    """All VideoJobs of a namespace."""
    found = patiently(
        client.CustomObjectsApi().list_namespaced_custom_object, *VIDEOJOBS, namespace, "videojobs"
    )
    items: list[dict[str, Any]] = found["items"]
    return items


def list_left(namespace: str) -> list[str]:
    """Jobs, pods and ConfigMaps of a namespace."""
    core, batch = client.CoreV1Api(), client.BatchV1Api()
    lists = {
        "job": patiently(batch.list_namespaced_job, namespace),
        "pod": patiently(core.list_namespaced_pod, namespace),
        "configmap": patiently(core.list_namespaced_config_map, namespace),
    }
    return [
        f"{kind}/{item.metadata.name}"
        for kind, found in lists.items()
        for item in found.items
        if item.metadata.name != _ROOT_CERTIFICATE
    ]


def read_created_jobs(namespace: str) -> list[str]:
    """The name of each Job that was made in a namespace, as often as it was."""
    made = []
    for log in sorted(places.AUDIT_LOG.parent.glob(f"{places.AUDIT_LOG.stem}*.log")):
        with log.open() as lines:
            for line in lines:
                if f'"{namespace}"' not in line or '"create"' not in line:
                    continue
                event = json.loads(line)
                about = event.get("objectRef", {})
                if (
                    event["stage"] == "ResponseComplete"
                    and event["verb"] == "create"
                    and (about.get("resource"), about.get("namespace")) == ("jobs", namespace)
                    and event.get("responseStatus", {}).get("code") == 201
                ):
                    made.append(about["name"])
    return made


def gather(namespace: str, store: Store, phases_seen: Mapping[str, Sequence[str]]) -> FinalState:
    """Everything that is judged."""
    objects, manifests = {}, {}
    for item in store.client.list_objects(BUCKET, prefix="results/", recursive=True):
        key = str(item.object_name)
        answer = store.client.get_object(BUCKET, key)
        data = answer.read()
        answer.close()
        answer.release_conn()
        objects[key] = Stored(len(data), hashlib.sha256(data).hexdigest())
        if key.endswith(f"/{names.MANIFEST_FILE}"):
            manifests[key] = json.loads(data)
    return FinalState(
        videojobs=list_videojobs(namespace),
        left=list_left(namespace),
        created_jobs=read_created_jobs(namespace),
        uploads=store.open_uploads(),
        objects=objects,
        manifests=manifests,
        phases_seen=phases_seen,
    )
