"""Facts: Kubernetes objects → the small values that decisions use.

Pure. Called by observe; knows the shapes of Job and Pod, and nothing of policies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from videojob_api import names
from videojob_api.base import parse_quantity
from videojob_api.indexes import parse_indexes
from videojob_api.report import Result, clean_text
from videojob_api.status import Phase, Usage
from videojob_api.videojob import VideoJobSpec

from .attempt import EVICTED, Attempt, Ending, HangingPod, WaitingPod
from .manifests import ANNOTATION_KILLS, ANNOTATION_WAITS, CONTAINER

Body = dict[str, Any]

UNSCHEDULABLE = "Unschedulable"
"""The scheduler's word for a pod that it finds no node for."""
CREATING = "ContainerCreating"
"""The kubelet's word while it brings volumes and network, and while it pulls the image."""
GATED = "SchedulingGated"
CLAIM_MISSING = "ResourceClaimMissing"
UNNOTICED = "NoScheduler"
"""No scheduler has looked at the pod."""
UNTOUCHED = "NodeSilent"
"""Its node has not begun with it."""
PULLING = "PullingImage"
"""It has all but its image: that is told apart from the rest by nothing but this."""
STARTING = frozenset({"", CREATING, "PodInitializing", UNNOTICED, UNTOUCHED, PULLING})
"""What a pod goes through on its way, in seconds as a rule."""
_OVER = frozenset(str(phase) for phase in Phase if phase.is_terminal)
_MAX_ATTEMPTS = 1_000_000
_EPOCH_YEAR = 1970
_FAILED_ANNOTATION = "batch.kubernetes.io/job-index-failure-count"
_IGNORED_ANNOTATION = "batch.kubernetes.io/job-index-ignored-failure-count"
_MOST_CORES = 1024
"""Of a node. What a worker says beyond would drown what all others say, in the metric of all."""
_MOST_DIGITS = 10
_INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"


def is_owned_by(body: Body, uid: str) -> bool:
    """Whether an object's controller is that one; labels can be forged, this can't be by accident."""
    owners = body.get("metadata", {}).get("ownerReferences", [])
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)


def parse_attempt(job: Body) -> Attempt:
    """A Job of ours as an Attempt; Job indexes become indexes of the VideoJob's inputs.

    Raises:
        KeyError: if it lacks what our Jobs have.
        ValueError: if what it says can't be of ours.
    """
    meta, status = job["metadata"], job.get("status", {})
    notes = meta.get("annotations", {})
    indexes = tuple(sorted(parse_indexes(notes.get(names.ANNOTATION_INDEXES))))
    if not indexes:
        raise ValueError("it is over no input")
    number = int(meta["labels"][names.LABEL_ATTEMPT])
    if not 0 < number < _MAX_ATTEMPTS:
        raise ValueError(f"no attempt of ours has the number {number}")

    def inputs(text: str | None) -> frozenset[int]:
        return frozenset(indexes[i] for i in parse_indexes(text) if i < len(indexes))

    conditions = {c["type"]: c for c in status.get("conditions", []) if c.get("status") == "True"}
    over = conditions.get("Complete") or conditions.get("Failed")
    pod = job["spec"]["template"]["spec"]
    limits = pod["containers"][0].get("resources", {}).get("limits", {})
    resource = next((k for k in limits if "/" in k), None)
    completed, bad = inputs(status.get("completedIndexes")), inputs(status.get("failedIndexes"))
    ended = over.get("lastTransitionTime") if over else None
    if ended is None and completed | bad >= set(indexes):
        ended = _last_change(status) or meta["creationTimestamp"]
    return Attempt(
        name=meta["name"],
        uid=meta["uid"],
        number=number,
        run_id=meta["labels"][names.LABEL_RUN],
        indexes=indexes,
        created_at=to_time(meta["creationTimestamp"]),
        active=status.get("active", 0),
        ready=status.get("ready", 0),
        completed=completed,
        failed=bad,
        ended_at=to_time(ended) if ended else None,
        pods_failed=status.get("failed", 0),
        kills=int(notes.get(ANNOTATION_KILLS, 0)),
        waits=int(notes.get(ANNOTATION_WAITS, 0)),
        run_token=notes.get(names.ANNOTATION_RUN_TOKEN),
        memory_bytes=int(parse_quantity(limits.get("memory", 0))),
        accelerator_reason=notes.get(names.ANNOTATION_ACCELERATOR, ""),
        accelerator=resource,
        accelerator_count=int(limits[resource]) if resource else 0,
        claims=tuple(
            (claim["name"], claim["resourceClaimTemplateName"])
            for claim in pod.get("resourceClaims", ())
        ),
        parallelism=job["spec"].get("parallelism", 1),
        queue=meta["labels"].get(names.LABEL_KUEUE_QUEUE, ""),
        # Let in again, it is so only once the Job controller has seen that.
        suspended=bool(job["spec"].get("suspend")) or "Suspended" in conditions,
        deleted_at=to_time(meta["deletionTimestamp"]) if "deletionTimestamp" in meta else None,
        order_in_config_map=any("configMap" in volume for volume in pod.get("volumes", [])),
    )


def to_time(text: str) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text)


def _last_change(status: Body) -> str | None:
    times = [c.get("lastTransitionTime") for c in status.get("conditions", [])]
    return max(filter(None, times), default=None)


def is_at_rest(videojob: Body) -> bool:
    """Whether a VideoJob has ended, and nothing is to be done about it unless it has children left."""
    meta, spec, status = videojob["metadata"], videojob["spec"], videojob.get("status", {})
    return (
        status.get("phase") in _OVER
        and "deletionTimestamp" not in meta
        and status.get("observedGeneration") == meta.get("generation", 1)
        and not (spec.get("ttl") or spec.get("notify") or status.get("notifications"))
    )


def is_same_pod(before: Body, after: Body) -> bool:
    """Whether two copies of a pod tell the same."""
    return _pod_facts(before) == _pod_facts(after)


def _pod_facts(pod: Body) -> tuple[object, ...]:
    waiting = parse_waiting_pod(pod) if pod.get("status", {}).get("phase") == "Pending" else None
    on_its_way = waiting is not None and waiting.reason in STARTING
    return (
        (waiting.reason == CREATING) if waiting and on_its_way else waiting,
        is_at_work(pod),
        has_ended(pod),
        pod["metadata"].get("deletionTimestamp"),
        count_ignored_failures(pod),
    )


def is_at_work(pod: Body) -> bool:
    """Whether the pod's worker runs."""
    return any(
        container["name"] == CONTAINER and "running" in container.get("state", {})
        for container in pod.get("status", {}).get("containerStatuses", [])
    )


def parse_waiting_pod(pod: Body) -> WaitingPod:
    """Why a pod that is Pending waits: the scheduler's words, or the kubelet's."""
    status, name = pod.get("status", {}), pod["metadata"]["name"]
    since = to_time(pod["metadata"]["creationTimestamp"])
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            reason = waiting.get("reason", "")
            if reason == CREATING:
                since = time_of(pod, "PodScheduled") or since
                if prepared := time_of(pod, "PodReadyToStartContainers"):  # volumes and network
                    why = f"most likely node {pod['spec'].get('nodeName')} still pulls its image"
                    return WaitingPod(name, PULLING, why, prepared)
            return WaitingPod(name, reason, waiting.get("message", ""), since)
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return WaitingPod(
                name, condition.get("reason", ""), condition.get("message", ""), since
            )
    if missing := _missing_claims(pod):
        why = (
            f"no ResourceClaim has been made from {missing}; is there such a ResourceClaimTemplate?"
        )
        return WaitingPod(name, CLAIM_MISSING, why, since)
    if scheduled := time_of(pod, "PodScheduled"):
        why = f"node {pod['spec'].get('nodeName')} has not begun with it"
        return WaitingPod(name, UNTOUCHED, why, scheduled)
    why = f"no scheduler has looked at it; is {pod['spec'].get('schedulerName', 'one')} there?"
    return WaitingPod(name, UNNOTICED, why, since)


def time_of(pod: Body, condition: str) -> datetime | None:
    """Since when a condition of a pod is True."""
    for one in pod.get("status", {}).get("conditions", []):
        if one["type"] == condition and one["status"] == "True":
            return to_time(one.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
    return None


def _missing_claims(pod: Body) -> str:
    """Templates whose claim is not there; the scheduler does not look at the pod until it is."""
    made = {claim["name"] for claim in pod.get("status", {}).get("resourceClaimStatuses", ())}
    claims = pod["spec"].get("resourceClaims", ())
    return ", ".join(c["resourceClaimTemplateName"] for c in claims if c["name"] not in made)


def parse_workload(workload: Body) -> str:
    """Why Kueue does not let a Workload in, in its own words; empty when it does or says nothing."""
    conditions = {c["type"]: c for c in workload.get("status", {}).get("conditions", [])}
    for type_ in ("QuotaReserved", "Admitted"):
        condition = conditions.get(type_, {})
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return ""


def parse_hanging_pod(pod: Body) -> HangingPod | None:
    """A pod that was told to stop and may still be at work; None for any other."""
    meta = pod["metadata"]
    until = meta.get("deletionTimestamp")
    # The worker's own end does not count: a dead node never tells that of the pod.
    if until is None or _is_terminal(pod):
        return None
    return HangingPod(meta["name"], meta["uid"], to_time(until))  # the grace period is in that time


def count_ignored_failures(pod: Body) -> int:
    """How many pods of this one's index failed before it without counting as tries."""
    return _count(pod, _IGNORED_ANNOTATION)


def count_failures(pod: Body) -> int:
    """How many pods of this one's index failed before it and counted as tries."""
    return _count(pod, _FAILED_ANNOTATION)


def _count(pod: Body, annotation: str, other: int = 0) -> int:
    """A number that the Job controller has written, and anybody may have changed."""
    text = pod["metadata"].get("annotations", {}).get(annotation, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else other


def count_evictions(pods: Iterable[Body]) -> Counter[int]:
    """Job index → how many of its pods a node has evicted for want of memory or disk.

    Drained and preempted pods are others' doing and don't count.
    """
    evicted = (pod for pod in pods if pod.get("status", {}).get("reason") == EVICTED)
    return Counter(parse_job_index(pod) for pod in evicted)


def parse_endings(pods: Iterable[Body]) -> dict[int, tuple[Ending, Result | None]]:
    """Job index → how its last ended pod ended, and what the worker said in its termination message."""
    last: dict[int, tuple[tuple[str, str], Ending, Result | None]] = {}
    for pod in pods:
        if not has_ended(pod):
            continue
        index = parse_job_index(pod)
        when, ending, result = parse_ending(pod)
        age = (pod["metadata"]["creationTimestamp"], when)  # the nodes' clocks differ
        if index >= 0 and (index not in last or age >= last[index][0]):
            last[index] = (age, ending, result)
    return {index: (ending, result) for index, (_, ending, result) in last.items()}


def parse_costs(pods: Iterable[Body], gpus: int) -> dict[str, Usage]:
    """Pod → what it cost: its worker's own account, as far as it can be, and the time of its GPUs."""
    costs = {}
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            ended = container.get("state", {}).get("terminated")
            if container["name"] != CONTAINER or not ended:
                continue
            result = parse_result(ended.get("message", ""))
            told = (result.usage if result else None) or Usage()
            seconds = 0.0
            if ended.get("startedAt") and ended.get("finishedAt"):
                started, finished = to_time(ended["startedAt"]), to_time(ended["finishedAt"])
                # One that could not be started is said to have been since 1970.
                if started.year > _EPOCH_YEAR:
                    seconds = max(0.0, (finished - started).total_seconds())
            cpu_seconds = min(told.cpu_seconds, (seconds + 1) * _MOST_CORES)  # to the second
            held = {"gpu_seconds": seconds * gpus, "cpu_seconds": cpu_seconds}
            costs[pod["metadata"]["name"]] = told.model_copy(update=held)
    return costs


def has_ended(pod: Body) -> bool:
    """Whether nothing more will come of the pod.

    The kubelet tells that the container has terminated more than a second before it tells the pod's
    own terminal phase, and the Job controller needs a second or two more.
    """
    return _is_terminal(pod) or has_worker_ended(pod)


def _is_terminal(pod: Body) -> bool:
    """Whether the pod's own phase says that it has ended; a Job waits for that."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def as_over(pod: Body) -> Body:
    """The pod with the phase that it has reached since the worker in it has ended."""
    if _is_terminal(pod):
        return pod
    done = any(
        container.get("state", {}).get("terminated", {}).get("exitCode") == 0
        for container in _workers(pod)
    )
    return pod | {"status": pod["status"] | {"phase": "Succeeded" if done else "Failed"}}


def has_worker_ended(pod: Body) -> bool:
    """Whether the worker in it has said its last word."""
    return any("terminated" in container.get("state", {}) for container in _workers(pod))


def _workers(pod: Body) -> list[Body]:
    told = pod.get("status", {}).get("containerStatuses", [])
    return [container for container in told if container["name"] == CONTAINER]


def parse_job_index(pod: Body) -> int:
    """The pod's place in its Indexed Job; -1 for a pod of no such Job."""
    return _count(pod, _INDEX_ANNOTATION, -1)


def parse_ending(pod: Body) -> tuple[str, Ending, Result | None]:
    """When and how a pod ended, and what its worker said."""
    meta, status = pod["metadata"], pod["status"]
    for container in status.get("containerStatuses", []):
        ended = container.get("state", {}).get("terminated")
        if container["name"] == CONTAINER and ended:
            text = ended.get("message", "")
            result = parse_result(text)
            # An evicted pod says why of itself; its container was only killed.
            words = status.get("message") or ("" if result else text)
            ending = Ending(
                exit_code=ended.get("exitCode"),
                reason=status.get("reason") or ended.get("reason", ""),
                message=clean_text(words),
                pod=meta["name"],
            )
            return ended.get("finishedAt") or meta["creationTimestamp"], ending, result
    said = clean_text(status.get("message", ""))
    ending = Ending(None, status.get("reason", ""), said, meta["name"])
    return meta.get("deletionTimestamp") or meta["creationTimestamp"], ending, None


def keep_own_outputs(spec: VideoJobSpec, index: int, result: Result) -> Result:
    """A worker's result without objects outside its input's folder: it can't claim others'."""
    if index >= len(spec.inputs):
        return result.model_copy(update={"outputs": []})
    name = spec.inputs[index].name
    folder = names.input_folder(spec.output.prefix, name)
    own = [o for o in result.outputs if o.input == name and names.is_inside(o.key, folder)]
    return result.model_copy(update={"outputs": own})


@lru_cache(maxsize=256)
def parse_result(text: str) -> Result | None:
    """A worker's termination message; None if it is something else (log lines after a crash)."""
    try:
        return Result.model_validate_json(text) if text.startswith("{") else None
    except ValidationError:
        return None
