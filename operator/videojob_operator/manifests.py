"""Manifests: the Job of an attempt and the work order inside it, as plain dictionaries.

Pure. Called by the admission policy; nothing here reaches the cluster.
"""

from __future__ import annotations

import hmac
from typing import Any

from videojob_api import names
from videojob_api.base import parse_quantity
from videojob_api.indexes import format_indexes
from videojob_api.reasons import FAIL_INDEX_CODES, ExitCode
from videojob_api.scheduling import Scheduling
from videojob_api.videojob import VideoJobSpec
from videojob_api.videostore import VideoStoreSpec
from videojob_api.work_order import JobIdentity, OrderInput, ReportsTarget, WorkOrder

from .memory import base_memory, format_memory
from .observed import CreateJob, Observed, StoreMissing
from .pods import build_gpu_environment, build_pod_metadata, build_pod_placement, pods_at_once
from .policies.placement import Placement
from .settings import Settings
from .step_needs import build_variables, flavour_of, image_of, mount_claims
from .store_needs import mount_store, read_credentials, target_store

MAX_ORDER_BYTES = 16 * 1024
"""A longer work order travels in a ConfigMap instead of the environment."""

CONTAINER = "worker"
ANNOTATION_KILLS = f"{names.GROUP}/kills"
ANNOTATION_WAITS = f"{names.GROUP}/waits"
REPORTS_TOKEN_SECONDS = 3600
_GRACE_SECONDS = 60
_JOB_TTL_SECONDS = 2 * 24 * 3600
"""For Jobs that nobody deletes: longer than childrenKeepSeconds may be, so that their ConfigMaps go too."""
_SCRATCH_MARGIN_BYTES = 1 << 30
_NOBODY = 65532
POD_SECURITY: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": _NOBODY,
    "runAsGroup": _NOBODY,
    "fsGroup": _NOBODY,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_DEFAULT_REQUESTS = {"cpu": "500m", "memory": "512Mi"}


def build_attempt(
    observed: Observed,
    indexes: tuple[int, ...],
    *,
    number: int,
    placement: Placement,
    memory_bytes: int,
    kills: int,
    waits: int,
) -> CreateJob:
    """The Job that works on some of the inputs, and the ConfigMap for a long order of it.

    Args:
        observed: the VideoJob; its store has been looked up.
        indexes: the inputs to work on; Job index i is the i-th of them.
        number: of the attempt, from 1.
        placement: GPU or CPU.
        memory_bytes: the workers' memory limit; more than the manifest's after they ran out of it.
        kills: attempts of this run made after kills, this one included.
        waits: attempts of this run made because the store refused, this one included.
    """
    spec, store = observed.spec, observed.store
    if spec is None or store is None or isinstance(store, StoreMissing):
        raise ValueError("an attempt needs a manifest that is understood and a store that exists")
    name = names.child_name(observed.key.name, observed.uid, observed.run, number)
    order = build_order(observed, spec, store, indexes, number, placement)
    text = order.model_dump_json(by_alias=True, exclude_none=True)
    meta = _metadata(observed, name, number)
    config_map = None
    if len(text.encode()) > MAX_ORDER_BYTES:
        config_map = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta,
            "immutable": True,
            "data": {"order.json": text},
        }
    annotations = {
        names.ANNOTATION_INDEXES: format_indexes(indexes),
        names.ANNOTATION_ACCELERATOR: placement.reason,
        names.ANNOTATION_FLAVOUR: str(flavour_of(spec.steps)),
        names.ANNOTATION_RUN_TOKEN: spec.run_token,
        ANNOTATION_KILLS: str(kills),
        ANNOTATION_WAITS: str(waits),
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **meta,
            "annotations": annotations,
            "labels": {**meta["labels"], **_queue_labels(spec.scheduling)},
        },
        "spec": {
            # Kueue's own word for "may not start yet"; it alone changes it.
            **({"suspend": True} if spec.scheduling.queue_name else {}),
            "completionMode": "Indexed",
            "completions": len(indexes),
            "parallelism": pods_at_once(spec, observed.settings, len(indexes)),
            "backoffLimitPerIndex": spec.retry.limit,
            "ttlSecondsAfterFinished": _JOB_TTL_SECONDS,
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {
                "metadata": build_pod_metadata(
                    meta["labels"], observed.settings.worker_pod_defaults
                ),
                "spec": _pod_spec(
                    observed,
                    spec,
                    store,
                    placement,
                    _resources(spec, placement, memory_bytes),
                    None if config_map else text,
                    name,
                ),
            },
        },
    }
    return CreateJob(job, config_map)


def build_order(
    observed: Observed,
    spec: VideoJobSpec,
    store: VideoStoreSpec,
    indexes: tuple[int, ...],
    number: int,
    placement: Placement,
) -> WorkOrder:
    """What the workers of one attempt are told."""
    settings = observed.settings
    reports = None
    if settings.reports_url and settings.reports_ca_pem:
        url = f"{settings.reports_url}/v1/namespaces/{observed.key.namespace}"
        reports = ReportsTarget(
            url=f"{url}/videojobs/{observed.key.name}/reports",
            ca_pem=settings.reports_ca_pem,
            token_path=names.TOKEN_PATH,
        )
    return WorkOrder(
        job=JobIdentity(
            namespace=observed.key.namespace,
            name=observed.key.name,
            uid=observed.uid,
            run_id=observed.run_id,
            attempt=number,
        ),
        inputs=[OrderInput(index=i, **spec.inputs[i].model_dump()) for i in indexes],
        steps=spec.steps,
        limits=spec.limits,
        output_prefix=spec.output.prefix,
        if_exists=spec.output.if_exists,
        **target_store(store),
        accelerator=placement.device,
        allowed_networks=list(settings.worker_allow_cidrs),
        reports=reports,
        subject_refs=spec.subject_refs,
        user_metadata=spec.user_metadata,
        seed=_seed(observed),
    )


def _seed(observed: Observed) -> str:
    """What the run leaves to chance; nothing where the operator has no key."""
    key, run = observed.settings.seed_key, f"{observed.uid}\n{observed.run_id}"
    return hmac.digest(key.encode(), run.encode(), "sha256").hex() if key else ""


def _metadata(observed: Observed, name: str, number: int) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": observed.key.namespace,
        "labels": {
            "app.kubernetes.io/name": "videojob-worker",
            "app.kubernetes.io/managed-by": "videojob-operator",
            names.LABEL_JOB: observed.key.name[:63].rstrip("-."),
            names.LABEL_UID: observed.uid,
            names.LABEL_RUN: observed.run_id,
            names.LABEL_ATTEMPT: str(number),
        },
        "ownerReferences": [
            {
                "apiVersion": names.API_VERSION,
                "kind": "VideoJob",
                "name": observed.key.name,
                "uid": observed.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }


def _queue_labels(scheduling: Scheduling) -> dict[str, str]:
    labels = {
        names.LABEL_KUEUE_QUEUE: scheduling.queue_name,
        names.LABEL_KUEUE_PRIORITY: scheduling.workload_priority_class_name,
    }
    return {label: value for label, value in labels.items() if value}


def _failure_rules() -> list[dict[str, Any]]:
    """In this order; without the last, the Job would retry out-of-memory with the same memory."""

    def on_codes(action: str, *codes: int) -> dict[str, Any]:
        return {
            "action": action,
            "onExitCodes": {
                "containerName": CONTAINER,
                "operator": "In",
                "values": [int(code) for code in codes],
            },
        }

    return [
        on_codes("FailIndex", *FAIL_INDEX_CODES),
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        on_codes("Ignore", ExitCode.INTERRUPTED),
        on_codes("FailIndex", ExitCode.OOM_KILLED),
    ]


def _pod_spec(
    observed: Observed,
    spec: VideoJobSpec,
    store: VideoStoreSpec,
    placement: Placement,
    resources: dict[str, Any],
    order_text: str | None,
    config_map: str,
) -> dict[str, Any]:
    settings = observed.settings
    volumes: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {"sizeLimit": str(scratch_bytes(spec))}},
        {"name": "token", "projected": {"sources": [_token(observed.uid)], "defaultMode": 0o440}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "scratch", "mountPath": names.SCRATCH_PATH},
        {
            "name": "token",
            "mountPath": names.TOKEN_PATH.rpartition("/")[0],
            "readOnly": True,
        },
    ]
    if order_text is None:
        volumes.append({"name": "order", "configMap": {"name": config_map}})
        mounts.append({"name": "order", "mountPath": "/order", "readOnly": True})
    store_volumes, store_mounts = mount_store(store)
    volumes += store_volumes
    mounts += store_mounts
    claims, claim_mounts = mount_claims(spec.steps)
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": POD_SECURITY,
        "volumes": [*volumes, *claims],
        "containers": [
            {
                "name": CONTAINER,
                "image": image_of(flavour_of(spec.steps), settings),
                "imagePullPolicy": settings.worker_image_pull_policy,
                "env": [
                    *_environment(spec, store, order_text),
                    *build_variables(spec.steps),
                    *build_gpu_environment(placement),
                ],
                "resources": resources,
                "securityContext": CONTAINER_SECURITY,
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [*mounts, *claim_mounts],
            }
        ],
        **build_pod_placement(spec.scheduling, settings.worker_pod_defaults, placement),
        **pull_secrets(settings),
    }


def _token(uid: str) -> dict[str, Any]:
    return {
        "serviceAccountToken": {
            "path": names.TOKEN_PATH.rpartition("/")[2],
            "audience": names.reports_audience(uid),
            "expirationSeconds": REPORTS_TOKEN_SECONDS,
        }
    }


def _environment(
    spec: VideoJobSpec, store: VideoStoreSpec, order_text: str | None
) -> list[dict[str, Any]]:
    def from_resource(name: str, resource: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource}}}

    # The kubelet reads $$ as $ and $(NAME) as a variable; a key may hold either.
    environment: list[dict[str, Any]] = [
        {"name": names.ENV_ORDER, "value": order_text.replace("$", "$$")}
        if order_text is not None
        else {"name": names.ENV_ORDER_FILE, "value": "/order/order.json"},
        {"name": names.ENV_SCRATCH, "value": names.SCRATCH_PATH},
        {"name": names.ENV_SCRATCH_LIMIT, "value": str(scratch_bytes(spec))},
        {
            "name": names.ENV_POD_NAME,
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
        },
        from_resource(names.ENV_CPU_LIMIT, "limits.cpu"),
        from_resource(names.ENV_MEMORY_LIMIT, "limits.memory"),
    ]
    return environment + read_credentials(store)


def _resources(spec: VideoJobSpec, placement: Placement, memory_bytes: int) -> dict[str, Any]:
    limits = {"cpu": spec.resources.limits.cpu, "memory": spec.resources.limits.memory}
    asked = {"cpu": spec.resources.requests.cpu, "memory": spec.resources.requests.memory}
    requests = {
        what: asked[what] or min(default, limits[what], key=parse_quantity)
        for what, default in _DEFAULT_REQUESTS.items()
    }
    base = base_memory(spec)
    if memory_bytes > base:  # the request grows with the limit, so that the node really has it
        request = int(parse_quantity(requests["memory"])) * memory_bytes // base
        limits["memory"], requests["memory"] = format_memory(memory_bytes), format_memory(request)
    if placement.resource:
        limits[placement.resource] = str(placement.count)
    claims = [{"name": claim.name} for claim in placement.claims]
    return {"requests": requests, "limits": limits, **({"claims": claims} if claims else {})}


def scratch_bytes(spec: VideoJobSpec) -> int:
    """Room for the largest input accepted, as much again for each rendition, and a margin."""
    largest = int(parse_quantity(spec.limits.max_bytes))
    made = sum(len(step.transcode.renditions) if step.transcode else 0 for step in spec.steps)
    return largest * (1 + min(made, 4)) + _SCRATCH_MARGIN_BYTES


def pull_secrets(settings: Settings) -> dict[str, Any]:
    """What the workers' image is pulled with, as a part of a pod's spec."""
    pull = [{"name": name} for name in settings.worker_image_pull_secrets]
    return {"imagePullSecrets": pull} if pull else {}
