"""Pods: how many, and where workers may run, by what a VideoJob asks for and the chart gives all of them.

Pure. Called by manifests, queueing and standing. Nothing here can give a pod a right, a host path or a
way past the scheduler.
"""

from __future__ import annotations

from typing import Any

from videojob_api.scheduling import Scheduling
from videojob_api.videojob import VideoJobSpec

from .policies.placement import Placement
from .settings import PodDefaults, Settings

_NVIDIA = "nvidia.com/"
_NVIDIA_CAPABILITIES = {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "compute,video,utility"}
"""Without video, NVIDIA's runtime leaves the libraries of NVDEC and NVENC out of the container."""


def pods_at_once(spec: VideoJobSpec, settings: Settings, inputs: int) -> int:
    """How many workers a Job over so many inputs has: never more than may ever run."""
    limits = [n for n in (settings.max_running, settings.max_running_per_namespace) if n]
    return min(spec.parallelism, inputs, *([] if spec.scheduling.queue_name else limits))


def build_pod_metadata(own: dict[str, str], defaults: PodDefaults) -> dict[str, Any]:
    """Labels and annotations of a worker's pod; our own labels win."""
    meta: dict[str, Any] = {"labels": {**defaults.labels, **own}}
    return {**meta, "annotations": defaults.annotations} if defaults.annotations else meta


def build_pod_placement(
    asked: Scheduling, defaults: PodDefaults, placement: Placement
) -> dict[str, Any]:
    """The fields of a pod's spec that say where it runs.

    What the VideoJob says wins; node selectors are merged key by key, tolerations are added up.
    """
    affinity = asked.affinity or defaults.affinity
    fields = {
        "priorityClassName": asked.priority_class_name or defaults.priority_class_name,
        "schedulerName": asked.scheduler_name or defaults.scheduler_name,
        "runtimeClassName": runtime_class(asked, defaults, on_gpu=placement.on_gpu),
        "nodeSelector": node_selector(asked, defaults),
        "tolerations": tolerations(asked, defaults, placement.resource),
        "affinity": affinity.wire() if affinity else None,
        "resourceClaims": [claim.wire() for claim in placement.claims],
    }
    return {name: value for name, value in fields.items() if value}


def node_selector(asked: Scheduling, defaults: PodDefaults) -> dict[str, str]:
    """Labels that a node must have for these workers."""
    return {**(defaults.node_selector or {}), **(asked.node_selector or {})}


def runtime_class(asked: Scheduling, defaults: PodDefaults, *, on_gpu: bool) -> str | None:
    """The RuntimeClass of these workers."""
    gpu_class = defaults.gpu_runtime_class_name if on_gpu else None
    return asked.runtime_class_name or gpu_class or defaults.runtime_class_name


def tolerations(
    asked: Scheduling, defaults: PodDefaults, resource: str | None
) -> list[dict[str, Any]]:
    """Taints that these workers put up with.

    GPU nodes are commonly tainted by their resource's name, so that only its users go there.
    """
    told = [t.wire() for t in (*(asked.tolerations or ()), *(defaults.tolerations or ()))]
    if resource:
        told.append({"key": resource, "operator": "Exists", "effect": "NoSchedule"})
    return told


def build_gpu_environment(placement: Placement) -> list[dict[str, Any]]:
    """What the vendor's container runtime has to be told."""
    is_nvidia = bool(placement.claims) or (placement.resource or "").startswith(_NVIDIA)
    return [_NVIDIA_CAPABILITIES] if is_nvidia else []
