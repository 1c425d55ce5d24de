"""The clean-up Job: deletes the outputs of a VideoJob that is being deleted. A plain dictionary, and back.

Pure. Built by the removal policy, read by observe. It has no owner: the garbage collector would
delete it together with the VideoJob that waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from videojob_api import names
from videojob_api.clean_up import CleanUpOrder, CleanUpResult
from videojob_api.scheduling import Scheduling
from videojob_api.videojob import VideoJobSpec
from videojob_api.videostore import VideoStoreSpec

from .manifests import CONTAINER, CONTAINER_SECURITY, POD_SECURITY, pull_secrets
from .observed import CleanUp, Observed
from .pods import build_pod_metadata, build_pod_placement
from .policies.placement import PlacementReason, on_cpu
from .store_needs import mount_store, read_credentials, target_store

Body = dict[str, Any]

_TTL_SECONDS = 600
"""For a look at the log of one that failed."""
_GRACE_SECONDS = 10
_STUCK = frozenset({"CreateContainerConfigError", "InvalidImageName", "ErrImageNeverPull"})
"""Reasons of a waiting container that nobody will mend for a VideoJob that is being deleted."""


def build_clean_up(
    observed: Observed, spec: VideoJobSpec, store: VideoStoreSpec, *, seconds: int
) -> Body:
    """The Job, with the store's credentials as workers get them.

    Args:
        observed: the VideoJob.
        spec: what it says.
        store: where its outputs are.
        seconds: how long it may take; after that the VideoJob goes without it.
    """
    order = CleanUpOrder(
        uid=observed.uid,
        inputs=[one.name for one in spec.inputs],
        output_prefix=spec.output.prefix,
        **target_store(store),
    )
    labels = {
        "app.kubernetes.io/name": "videojob-clean-up",
        "app.kubernetes.io/managed-by": "videojob-operator",
    }
    text = order.model_dump_json(by_alias=True, exclude_none=True)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.clean_up_name(observed.key.name, observed.uid),
            "namespace": observed.key.namespace,
            # The label brings the Job into the watch; its pods are not workers and lack it.
            "labels": {**labels, names.LABEL_UID: observed.uid},
            "annotations": {names.ANNOTATION_CLEANS_UP: observed.key.name},
        },
        "spec": {
            "backoffLimit": 2,
            "activeDeadlineSeconds": seconds,
            "ttlSecondsAfterFinished": _TTL_SECONDS,
            "template": {
                "metadata": build_pod_metadata(labels, observed.settings.worker_pod_defaults),
                "spec": _pod_spec(observed, spec, store, text),
            },
        },
    }


def _pod_spec(
    observed: Observed, spec: VideoJobSpec, store: VideoStoreSpec, order_text: str
) -> Body:
    settings = observed.settings
    # Any node will do that a worker may be on: it asks for none itself, and for no GPU.
    anywhere = Scheduling(tolerations=spec.scheduling.tolerations)
    place = on_cpu(spec.accelerator, PlacementReason.NOTHING_TO_GAIN)
    volumes, mounts = mount_store(store)
    size = {"cpu": "100m", "memory": "256Mi"}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": POD_SECURITY,
        "volumes": volumes,
        "containers": [
            {
                "name": CONTAINER,
                "image": settings.worker_image,
                "imagePullPolicy": settings.worker_image_pull_policy,
                "args": ["clean-up"],
                "env": [
                    # The kubelet reads $$ as $.
                    {"name": names.ENV_ORDER, "value": order_text.replace("$", "$$")},
                    *read_credentials(store),
                ],
                "resources": {"requests": size, "limits": {**size, "cpu": "1"}},
                "securityContext": CONTAINER_SECURITY,
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": mounts,
            }
        ],
        **pull_secrets(settings),
        **build_pod_placement(anywhere, settings.worker_pod_defaults, place),
    }


def parse_clean_up(job: Body, pods: Iterable[Body]) -> CleanUp:
    """How far it is, and what its newest pod says."""
    meta, conditions = job["metadata"], job.get("status", {}).get("conditions", [])
    newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default={})
    result, stuck = None, ""
    for container in newest.get("status", {}).get("containerStatuses", []):
        state = container.get("state", {})
        if ended := state.get("terminated"):
            result = _parse_result(ended.get("message", ""))
        if (waiting := state.get("waiting", {})).get("reason") in _STUCK:
            stuck = waiting.get("message") or waiting["reason"]
    return CleanUp(
        name=meta["name"],
        uid=meta["uid"],
        created_at=datetime.fromisoformat(meta["creationTimestamp"]),
        is_over=any(
            c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions
        ),
        result=result,
        stuck=stuck,
    )


def _parse_result(text: str) -> CleanUpResult:
    try:
        return CleanUpResult.model_validate_json(text)
    except ValidationError:  # it crashed: the kubelet gives the log's end
        return CleanUpResult(complete=False, message=f"It ended so: {text[-500:]}")
